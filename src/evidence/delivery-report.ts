/** Reads the delivery status notifications of other systems (RFC 3464): whom they speak of and what became of him. */
import type { Attachment } from 'mailparser';
import { type Mailbox, parseMailbox } from '../mail/address.ts';

/** One recipient of a report. */
export interface ReportedRecipient {
  /** As the first sender wrote it, where the report has it (our ORCPT). */
  readonly original?: Mailbox;
  /** As the reporting server had it. */
  readonly final?: Mailbox;
  readonly action: string;
  /** `5.1.10` */
  readonly status: string;
  /** What the last server said, without its type: `550 5.1.10 RESOLVER.ADR.RecipientNotFound`. */
  readonly diagnostic?: string;
}

/** Recipients that are looked at in one report, and characters of one of its fields. */
const MOST_RECIPIENTS = 100;
const LONGEST = 500;

/**
 * The recipients of a report; none where the message is no report, or was cut before it says anything. The octets as they
 * were on the wire will do: neither a field nor a boundary begins with a dot. Rejects where the parser gives up.
 */
export async function readDeliveryReport(message: Buffer): Promise<readonly ReportedRecipient[]> {
  // most relays never see one, and the parser is large
  const { simpleParser } = await import('mailparser');
  const { attachments } = await simpleParser(message, {
    keepDeliveryStatus: true,
    skipHtmlToText: true,
    skipTextToHtml: true,
    skipTextLinks: true,
    skipImageLinks: true,
  });
  return attachments
    .filter(isStatus)
    .flatMap(({ content }) => recipientsOf(content.toString('utf8')))
    .slice(0, MOST_RECIPIENTS);
}

const isStatus = ({ contentType }: Attachment): boolean =>
  contentType === 'message/delivery-status' || contentType === 'message/global-delivery-status';

/** RFC 3464 §2.1: blocks of fields between empty lines; the first is about the message, each other about a recipient. */
function recipientsOf(text: string): ReportedRecipient[] {
  const found: ReportedRecipient[] = [];
  for (const block of text.split(/\r?\n(?:[ \t]*\r?\n)+/)) {
    const fields = fieldsOf(block);
    const [original, final] = [addressOf(fields.get('original-recipient')), addressOf(fields.get('final-recipient'))];
    const status = /^\d\.\d{1,3}\.\d{1,3}/.exec(fields.get('status') ?? '')?.[0];
    if ((original === undefined && final === undefined) || status === undefined) continue;
    const diagnostic = fields.get('diagnostic-code')?.replace(/^[\w-]+\s*;\s*/, '');
    found.push({
      ...(original !== undefined && { original }),
      ...(final !== undefined && { final }),
      action: fields.get('action')?.toLowerCase() ?? '',
      status,
      ...(diagnostic !== undefined && { diagnostic }),
    });
    if (found.length === MOST_RECIPIENTS) break;
  }
  return found;
}

function fieldsOf(block: string): Map<string, string> {
  const fields = new Map<string, string>();
  for (const line of block.replace(/\r?\n[ \t]+/g, ' ').split(/\r?\n/)) {
    const colon = line.indexOf(':');
    if (colon < 1) continue;
    const name = line.slice(0, colon).trim().toLowerCase();
    if (!fields.has(name)) fields.set(name, line.slice(colon + 1, colon + 1 + LONGEST).trim());
  }
  return fields;
}

/** `rfc822;user@example.com`; other types of address name nobody that we know. */
function addressOf(field: string | undefined): Mailbox | undefined {
  const [type = '', ...rest] = (field ?? '').split(';');
  if (!/^(?:rfc822|utf-8)$/i.test(type.trim())) return undefined;
  return parseMailbox(rest.join(';').trim().replace(/^<|>$/g, ''));
}
