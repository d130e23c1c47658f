/** MAIL and RCPT as a peer's extensions allow them (RFC 5321 §4.1.1, RFC 1870, RFC 6152, RFC 6531, RFC 3461). */
import type { SmtpConnection } from './smtp-connection.ts';
import type { Transaction, TransactionRecipient } from './transaction.ts';

type Offers = Pick<SmtpConnection, 'dsn' | 'eightBitMime' | 'smtputf8' | 'sizeOffered'>;

export function mailCommand(offers: Offers, transaction: Transaction): string {
  let line = `MAIL FROM:<${transaction.sender === null ? '' : transaction.sender.address}>`;
  if (offers.sizeOffered) line += ` SIZE=${transaction.size}`;
  if (transaction.eightBit && offers.eightBitMime) line += ' BODY=8BITMIME';
  if (transaction.smtputf8 && offers.smtputf8) line += ' SMTPUTF8';
  if (offers.dsn) {
    if (transaction.ret !== undefined) line += ` RET=${transaction.ret}`;
    if (transaction.envid !== undefined) line += ` ENVID=${xtext(transaction.envid)}`;
  }
  return `${line}\r\n`;
}

export function rcptCommand(offers: Offers, recipient: TransactionRecipient): string {
  let line = `RCPT TO:<${recipient.address.address}>`;
  if (offers.dsn) {
    if (recipient.notify !== undefined && recipient.notify.length > 0) line += ` NOTIFY=${recipient.notify.join(',')}`;
    line += ` ORCPT=${orcpt(recipient.orcpt)}`;
  }
  return `${line}\r\n`;
}

/** RFC 3461 §4.2: the address type stands as it is, `;`, then the address in xtext. */
function orcpt(decoded: string): string {
  const semicolon = decoded.indexOf(';');
  return semicolon < 0 ? `rfc822;${xtext(decoded)}` : `${decoded.slice(0, semicolon)};${xtext(decoded.slice(semicolon + 1))}`;
}

const NOT_XCHAR = /[^!-*,-<>-~]/;
const NOT_XCHARS = /[^!-*,-<>-~]/g;

/** RFC 3461 §4: what is not printable ASCII, `+` and `=` become `+` and two upper-case hex digits for each octet. */
export function xtext(text: string): string {
  if (!NOT_XCHAR.test(text)) return text;
  return Buffer.from(text, 'utf8')
    .toString('latin1')
    .replace(NOT_XCHARS, (octet) => `+${octet.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`);
}
