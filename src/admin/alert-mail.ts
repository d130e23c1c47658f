/** The mail that tells of findings: plain text, marked as automatic (RFC 3834). Pure. */
import type { Mailbox } from '../mail/address.ts';
import type { Notice } from './alert-book.ts';

export interface AlertMail {
  readonly hostname: string;
  readonly from: Mailbox;
  readonly to: readonly Mailbox[];
  /** `<id@hostname>` */
  readonly messageId: string;
  /** Milliseconds since the epoch. */
  readonly now: number;
  readonly notices: readonly Notice[];
  /** How many more there were than could be kept. */
  readonly omitted: number;
}

/** Told in full in one mail. */
const MOST = 50;
const HEADINGS = { new: 'NEW', reminder: 'STILL THERE', cleared: 'OVER' } as const;
const RANKS = { error: 0, warning: 1, info: 2 } as const;
const ORDER = { new: 0, reminder: 1, cleared: 2 } as const;
const NOT_ASCII = /[^\x20-\x7e]/g;

/** In wire form: CRLF, no line that begins with a dot, without the final dot; 7-bit whatever the findings say. */
export function composeAlert({ hostname, from, to, messageId, now, notices, omitted }: AlertMail): Buffer {
  const sorted = notices.toSorted((a, b) => ORDER[a.state] - ORDER[b.state] || RANKS[a.severity] - RANKS[b.severity]);
  const text = [
    `This is the mail relay ${hostname}.`,
    '',
    ...sorted.slice(0, MOST).flatMap(linesOf),
    ...(sorted.length + omitted > MOST ? [`and ${sorted.length + omitted - Math.min(sorted.length, MOST)} more.`, ''] : []),
    `"bridgehead status" shows everything as it is now.`,
    '',
  ];
  const isPlain = text.every((line) => line.length <= 900 && !/[^\x20-\x7e]/.test(line));
  const header = [
    `From: "Bridgehead on ${hostname}" <${from.address}>`,
    `To: ${to.map(({ address }) => `<${address}>`).join(',\r\n ')}`,
    `Subject: ${subjectOf(sorted, omitted, hostname)}`,
    `Date: ${new Date(now).toUTCString().replace('GMT', '+0000')}`,
    `Message-ID: ${messageId}`,
    'Auto-Submitted: auto-generated',
    // Exchange sends its automatic answers also where Auto-Submitted stands alone
    'X-Auto-Response-Suppress: All',
    'MIME-Version: 1.0',
    'Content-Type: text/plain; charset=utf-8',
    `Content-Transfer-Encoding: ${isPlain ? '7bit' : 'quoted-printable'}`,
    '',
  ];
  const body = isPlain ? text : text.map(quotedPrintable);
  return Buffer.from([...header, ...body].join('\r\n'));
}

function subjectOf([first, ...others]: readonly Notice[], omitted: number, hostname: string): string {
  if (first === undefined) return `[${hostname}] nothing new`;
  const word = first.state === 'cleared' ? 'over' : first.severity;
  const more = others.length + omitted;
  const problem = first.problem.replace(NOT_ASCII, '?');
  const cut = problem.length > 120 ? `${problem.slice(0, 117)}...` : problem;
  return `[${hostname}] ${word}: ${cut}${more === 0 ? '' : ` (and ${more} more)`}`;
}

function linesOf({ state, severity, problem, remedy, since }: Notice): string[] {
  const seen = new Date(since).toISOString();
  const lines = [
    state === 'cleared' ? `${HEADINGS[state]}  (it came ${seen})` : `${HEADINGS[state]}  ${severity}, since ${seen}`,
  ];
  lines.push(`  ${oneLine(problem)}`);
  if (remedy !== null && state !== 'cleared') lines.push(`  What to do: ${oneLine(remedy)}`);
  return [...lines, ''];
}

const oneLine = (text: string): string => text.replace(/\s+/g, ' ').slice(0, 2000);

/** RFC 2045 §6.7, a line of text in lines of at most 76 characters. */
function quotedPrintable(line: string): string {
  const parts: string[] = [];
  let part = '';
  for (const octet of Buffer.from(line)) {
    const plain = octet >= 0x20 && octet <= 0x7e && octet !== 0x3d;
    const isFull = part.length + (plain ? 1 : 3) > 73;
    if (isFull) {
      parts.push(part);
      part = '';
    }
    // RFC 5321 §4.5.2: a dot at the beginning of a line would have to be stuffed
    part += plain && !(octet === 0x2e && part === '') ? String.fromCharCode(octet) : `=${hex(octet)}`;
  }
  parts.push(part.replace(/ $/, '=20'));
  return parts.join('=\r\n');
}

const hex = (octet: number): string => octet.toString(16).toUpperCase().padStart(2, '0');
