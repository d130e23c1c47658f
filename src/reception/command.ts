/** MAIL FROM and RCPT TO: from the line to the typed value, or to the reply that refuses it (RFC 5321 §4.1.1, RFC 3461). Pure. */
import { type Domain, type Mailbox, mailbox, parseMailbox } from '../mail/address.ts';
import type { Notify, ReversePath } from '../mail/envelope.ts';
import { reply, type SmtpReply } from '../mail/reply.ts';

export interface MailCommand {
  readonly sender: ReversePath;
  /** SIZE (RFC 1870), octets. */
  readonly size?: number;
  readonly eightBit: boolean;
  readonly ret?: 'FULL' | 'HDRS';
  readonly envid?: string;
}

export interface RcptCommand {
  readonly recipient: Mailbox;
  readonly notify?: readonly Notify[];
  readonly orcpt?: string;
}

/** A command that is answered with an error. `address`: what stood between the angle brackets, for the record. */
export interface RefusedCommand {
  readonly refusal: SmtpReply;
  readonly address: string;
}

const SENDER_SYNTAX = reply(501, '5.1.7', 'Bad sender address syntax');
const RECIPIENT_SYNTAX = reply(501, '5.1.3', 'Bad recipient address syntax');
// RFC 6531 §3.5: without the SMTPUTF8 parameter, which we do not offer
const NOT_ASCII = reply(553, '5.6.7', 'Internationalised addresses are not supported here');
const NOT_RELAYED = reply(550, '5.7.1', 'Relaying denied: sender-specified routing');
const LITERAL_NOT_RELAYED = reply(550, '5.7.1', 'Relaying denied: address literal');
const PARAMETER_UNKNOWN = reply(555, '5.5.4', 'Unknown or unsupported parameter');
const PARAMETER_SYNTAX = reply(501, '5.5.4', 'Bad parameter syntax');

const NOT_PRINTABLE_ASCII = /[^\u0020-\u007e]/;
const NOT_ASCII_CHARACTER = /[^\u0000-\u007f]/;
const SOURCE_ROUTE = /^@[^\s,:@]+(?:,@[^\s,:@]+)*:/;
const KEYWORD = /^[A-Za-z0-9][A-Za-z0-9-]*$/;
const XTEXT = /^(?:[!-*,-<>-~]|\+[0-9A-Fa-f]{2})+$/; // RFC 3461 §4
const ADDRESS_TYPE = /^[A-Za-z0-9!#$%&'*/?^_`{|}~-]+;./;
const MAX_ENVID = 100; // RFC 3461 §4.4
const MAX_ORCPT = 500; // RFC 3461 §4.2

/** `MAIL FROM:<path> [parameters]`; the line is known to begin with MAIL. */
export function parseMail(line: string): MailCommand | RefusedCommand {
  const end = /^MAIL FROM:/i.test(line) ? endOfPath(line, 10) : -1;
  if (end < 0) return { refusal: SENDER_SYNTAX, address: line.slice(10, 300).trim() };
  let path = line.slice(line.indexOf('<', 10) + 1, end);
  if (NOT_ASCII_CHARACTER.test(path)) return { refusal: NOT_ASCII, address: path };
  // RFC 5321 appendix C: a source route of the sender is taken and ignored
  if (path.startsWith('@')) path = path.replace(SOURCE_ROUTE, '');
  const sender = path === '' ? null : parseMailbox(path);
  if (sender === undefined) return { refusal: SENDER_SYNTAX, address: path };
  if (end + 1 === line.length) return { sender, eightBit: false };
  const parameters = parseParameters(line, end + 1);
  if (!(parameters instanceof Map)) return { refusal: parameters, address: path };
  const command: { -readonly [K in keyof MailCommand]: MailCommand[K] } = { sender, eightBit: false };
  for (const [key, value] of parameters) {
    const wrong = applyMailParameter(command, key, value);
    if (wrong !== undefined) return { refusal: wrong, address: path };
  }
  return command;
}

function applyMailParameter(
  command: { -readonly [K in keyof MailCommand]: MailCommand[K] },
  key: string,
  value: string,
): SmtpReply | undefined {
  switch (key) {
    case 'SIZE':
      if (!/^\d{1,20}$/.test(value)) return PARAMETER_SYNTAX;
      command.size = Number(value);
      return undefined;
    case 'BODY': {
      const body = value.toUpperCase();
      if (body !== '7BIT' && body !== '8BITMIME') return PARAMETER_SYNTAX;
      command.eightBit = body === '8BITMIME';
      return undefined;
    }
    case 'RET': {
      const ret = value.toUpperCase();
      if (ret !== 'FULL' && ret !== 'HDRS') return PARAMETER_SYNTAX;
      command.ret = ret;
      return undefined;
    }
    case 'ENVID': {
      const envid = decodeXtext(value, MAX_ENVID);
      if (envid === undefined) return PARAMETER_SYNTAX;
      command.envid = envid;
      return undefined;
    }
    default:
      return PARAMETER_UNKNOWN;
  }
}

/**
 * `RCPT TO:<path> [parameters]`; the line is known to begin with RCPT. `<postmaster>` without a domain becomes ours
 * (RFC 5321 §4.1.1.3). Routing written into the address is never followed (R15); `routingAllowed` lets `%` and `!` stand
 * in a local part as the plain characters that they are.
 */
export function parseRcpt(line: string, postmasterDomain: Domain, routingAllowed: boolean): RcptCommand | RefusedCommand {
  const end = /^RCPT TO:/i.test(line) ? endOfPath(line, 8) : -1;
  if (end < 0) return { refusal: RECIPIENT_SYNTAX, address: line.slice(8, 300).trim() };
  const path = line.slice(line.indexOf('<', 8) + 1, end);
  if (NOT_ASCII_CHARACTER.test(path)) return { refusal: NOT_ASCII, address: path };
  if (path.startsWith('@')) return { refusal: SOURCE_ROUTE.test(path) ? NOT_RELAYED : RECIPIENT_SYNTAX, address: path };
  const recipient =
    path.length === 10 && path.toLowerCase() === 'postmaster' ? mailbox(path, postmasterDomain) : parseMailbox(path);
  if (recipient === undefined) {
    return { refusal: /@\[[^\]]+\]$/.test(path) ? LITERAL_NOT_RELAYED : RECIPIENT_SYNTAX, address: path };
  }
  // Another server may read a route in these, whatever we do (RFC 5321 §3.6.1, appendix F.2): we would be its open door.
  if (/[@:%!]/.test(recipient.localPart) && (!routingAllowed || /[@:]/.test(recipient.localPart))) {
    return { refusal: NOT_RELAYED, address: path };
  }
  if (end + 1 === line.length) return { recipient };
  const parameters = parseParameters(line, end + 1);
  if (!(parameters instanceof Map)) return { refusal: parameters, address: path };
  const command: { -readonly [K in keyof RcptCommand]: RcptCommand[K] } = { recipient };
  for (const [key, value] of parameters) {
    if (key === 'NOTIFY') {
      const notify = parseNotify(value);
      if (notify === undefined) return { refusal: PARAMETER_SYNTAX, address: path };
      command.notify = notify;
    } else if (key === 'ORCPT') {
      const orcpt = decodeXtext(value, MAX_ORCPT);
      if (orcpt === undefined || !ADDRESS_TYPE.test(orcpt)) return { refusal: PARAMETER_SYNTAX, address: path };
      command.orcpt = orcpt;
    } else {
      return { refusal: PARAMETER_UNKNOWN, address: path };
    }
  }
  return command;
}

/** The place of the `>` that ends the path which begins at or, behind spaces, after `from`; -1 where there is none. */
function endOfPath(line: string, from: number): number {
  let at = from;
  while (line.charCodeAt(at) === 32) at += 1; // widely written, though RFC 5321 §3.3 forbids it
  if (line[at] !== '<') return -1;
  let end = line.indexOf('>', at);
  const quote = line.indexOf('"', at);
  if (quote >= 0 && quote < end) {
    end = quote + 1;
    while (end < line.length && line[end] !== '"') end += line[end] === '\\' ? 2 : 1;
    end = line.indexOf('>', end);
  }
  return end;
}

/** Keywords in upper case and their values, '' where none was given; or the refusal. */
function parseParameters(line: string, from: number): Map<string, string> | SmtpReply {
  const parameters = new Map<string, string>();
  const rest = line.slice(from);
  if (rest.trim() === '') return parameters;
  if (rest[0] !== ' ' || NOT_PRINTABLE_ASCII.test(rest)) return PARAMETER_SYNTAX;
  for (const word of rest.split(' ')) {
    if (word === '') continue;
    const equals = word.indexOf('=');
    const key = (equals < 0 ? word : word.slice(0, equals)).toUpperCase();
    if (!KEYWORD.test(key)) return PARAMETER_SYNTAX;
    if (parameters.has(key)) return PARAMETER_SYNTAX;
    parameters.set(key, equals < 0 ? '' : word.slice(equals + 1));
  }
  return parameters;
}

const NOTIFY_WORDS = ['NEVER', 'SUCCESS', 'FAILURE', 'DELAY'] as const satisfies readonly Notify[];

/** RFC 3461 §4.1; NEVER stands alone. */
function parseNotify(value: string): Notify[] | undefined {
  const words = value.toUpperCase().split(',');
  const notify = NOTIFY_WORDS.filter((word) => words.includes(word));
  if (notify.length !== words.length || (notify.length > 1 && notify[0] === 'NEVER')) return undefined;
  return notify;
}

function decodeXtext(value: string, limit: number): string | undefined {
  if (!XTEXT.test(value)) return undefined;
  const text = value.includes('+')
    ? value.replace(/\+([0-9A-Fa-f]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
    : value;
  return text.length > limit || NOT_PRINTABLE_ASCII.test(text) ? undefined : text;
}
