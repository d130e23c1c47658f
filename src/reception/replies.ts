/** What the server says by itself, as it stands on the wire without CRLF; enhanced codes by RFC 3463 and RFC 2034. */
import { reply } from '../mail/reply.ts';

export const OK = '250 2.0.0 OK';
export const RESET = '250 2.0.0 Reset';
export const SENDER_OK = '250 2.1.0 Sender OK';
export const CANNOT_VERIFY = '252 2.5.0 Cannot verify; send a message and see';
export const BYE = '221 2.0.0 Bye';
export const READY_FOR_TLS = '220 2.0.0 Ready to start TLS';
export const SEND_DATA = '354 End data with <CR><LF>.<CR><LF>';

// RFC 2034 §3: no enhanced code in answers to HELO and EHLO
export const EHLO_SYNTAX = '501 Syntax: EHLO hostname';
export const HELO_SYNTAX = '501 Syntax: HELO hostname';
export const UNKNOWN_COMMAND = '500 5.5.2 Command not recognised';
export const LINE_TOO_LONG = '500 5.5.2 Command line too long';
export const NOT_IMPLEMENTED = '502 5.5.1 Command not implemented';
export const VRFY_SYNTAX = '501 5.5.4 Syntax: VRFY address';
export const PARAMETER_NOT_ALLOWED = '501 5.5.4 The command takes no parameter';
export const HELLO_FIRST = '503 5.5.1 Send EHLO first';
export const NESTED_MAIL = '503 5.5.1 Nested MAIL command';
export const MAIL_FIRST = '503 5.5.1 Need MAIL command';
export const RCPT_FIRST = '503 5.5.1 No valid recipients';
export const CHUNKS_GO_ON = '503 5.5.1 The message has begun with BDAT: more chunks, or RSET';
export const XCLIENT_IN_MAIL = '503 5.5.1 XCLIENT in the middle of a transaction';
export const XCLIENT_SYNTAX = '501 5.5.4 Syntax: XCLIENT attribute=value ..., as EHLO names them';
export const TLS_ALREADY = '503 5.5.1 TLS is active already';

export const TOO_MANY_RECIPIENTS = reply(452, '4.5.3', 'Too many recipients');
export const INTERNAL_ERROR = reply(451, '4.3.0', 'Temporary local problem, try again later');

export const IDLE = '421 4.4.2 Idle too long, closing connection';
export const SHUTTING_DOWN = '421 4.3.2 Service shutting down, try again later';
export const OUT_OF_SERVICE = '421 4.3.0 Temporary local problem, closing connection';
export const NOT_A_PROXY = '421 4.7.0 PROXY header from an address that is not listed for it, closing connection';
export const NOT_HTTP = '421 4.7.0 This is not HTTP, closing connection';
// what follows may be a message: to read on would be to take its lines for commands
export const BDAT_SYNTAX = '501 5.5.4 Syntax: BDAT octets [LAST]; closing connection';
export const ENDLESS_MESSAGE = '421 4.3.0 Message far exceeds the maximum size, closing connection';

/** RFC 3030 §2: a chunk that is not the last was taken. */
export const chunkTaken = (octets: number): string => `250 2.0.0 ${octets} octets received`;

/** A reply's text may come from another server (call-forward): it stays one line of ASCII, and a short one. */
export function oneLine(text: string): string {
  const short = text.length > 500 ? text.slice(0, 500) : text;
  return /[^ -~]/.test(short) ? short.replace(/[^ -~]/g, ' ') : short;
}
