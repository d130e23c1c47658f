/** The message of a probe, and how it is known again. Pure. */
import type { Mailbox } from '../../mail/address.ts';
import { mailDate } from '../../mail/trace.ts';

export interface ProbeMessage {
  readonly name: string;
  readonly token: string;
  readonly from: Mailbox;
  readonly to: Mailbox;
  readonly answerTo: Mailbox;
  readonly messageId: string;
  /** Milliseconds since the epoch. */
  readonly time: number;
  readonly wantsAnswer: boolean;
}

export const FIELD = 'X-Bridgehead-Probe';

/** Its lines, without line ends; none begins with a dot. */
export function composeProbe({ name, token, from, to, answerTo, messageId, time, wantsAnswer }: ProbeMessage): string[] {
  return [
    `Date: ${mailDate(time)}`,
    `From: Bridgehead probe <${from.address}>`,
    `To: <${to.address}>`,
    `Reply-To: <${answerTo.address}>`,
    `Subject: Bridgehead probe ${name} ${token}`,
    `Message-ID: ${messageId}`,
    `${FIELD}: ${token}`,
    // RFC 3834 §5: who answers by itself leaves such a message alone, and here an answer is what we wait for
    ...(wantsAnswer ? [] : ['Auto-Submitted: auto-generated', 'X-Auto-Response-Suppress: All']),
    'MIME-Version: 1.0',
    'Content-Type: text/plain; charset=us-ascii',
    '',
    `This is the probe "${name}" of a mail relay. It tells whether mail arrives here, by which`,
    `way, and how it is protected. ${wantsAnswer ? 'An automatic answer to it is expected.' : 'Nobody needs to read or answer it.'}`,
    'It can be deleted at any time.',
  ];
}

/** The header of a message: what stands before the first empty line. */
export function headerOf(message: string): string {
  const end = /\r?\n\r?\n/.exec(message);
  return end === null ? message : message.slice(0, end.index);
}

/** Whether this is the header of the probe with this token. */
export function isProbe(header: string, token: string): boolean {
  return new RegExp(`^${FIELD}:\\s*${token}\\s*$`, 'im').test(header);
}

/** A delivery status notification (RFC 3464), read as far as a probe needs it. */
export interface StatusNotice {
  readonly action: string;
  readonly text: string;
}

/** `undefined` where the message is another one, such as an automatic answer. */
export function noticeIn(message: string): StatusNotice | undefined {
  const header = headerOf(message).replace(/\r?\n[ \t]+/g, ' ');
  if (!/^Content-Type:\s*multipart\/report\b.*delivery-status/im.test(header)) return undefined;
  const field = (name: string): string | undefined =>
    new RegExp(`^${name}:\\s*((?:.*\\r?\\n[ \\t]+)*.*)$`, 'im').exec(message)?.[1]?.replace(/\s+/g, ' ').trim().slice(0, 400);
  const reporter = field('Reporting-MTA')?.replace(/^dns;\s*/i, '');
  const said = field('Diagnostic-Code')?.replace(/^smtp;\s*/i, '') ?? field('Status') ?? 'no diagnosis';
  return {
    action: field('Action')?.toLowerCase() ?? 'failed',
    text: `${reporter === undefined ? '' : `${reporter} says: `}${said}`,
  };
}
