/** Replies that we write in place of a next hop that gave none, and the reading of those it gave. */
import { parseReply, reply, type SmtpReply } from '../mail/reply.ts';
import type { ConnectionLost } from './smtp-connection.ts';

/** A reply as it stood on the wire, octets as Latin-1, in our form. RFC 6531 §3.7.4.1 allows UTF-8 in its text. */
export function readReply(wire: string): SmtpReply {
  return (
    parseReply(/[\x80-\xff]/.test(wire) ? decode(wire) : wire) ?? reply(451, '4.5.0', `not an SMTP reply: ${printable(wire)}`)
  );
}

function decode(wire: string): string {
  const text = Buffer.from(wire, 'latin1').toString('utf8');
  return text.includes('\ufffd') ? wire : text;
}

const printable = (text: string): string => text.slice(0, 100).replace(/[^\x20-\x7e]/g, '?');

/** No connection came to be (RFC 3463 §3.5: 4.4.1 no answer from host). `where` names host, address and port. */
export function connectFailure(where: string, code: string): SmtpReply {
  switch (code) {
    case 'ECONNREFUSED':
      return reply(451, '4.4.1', `connection to ${where} refused`);
    case 'ETIMEDOUT':
      return reply(451, '4.4.1', `connection to ${where} timed out`);
    case 'EADDRNOTAVAIL':
    case 'EINVAL':
      return reply(451, '4.3.5', `cannot connect to ${where} from the connector's source address (${code})`);
    case 'EMFILE':
    case 'ENFILE':
    case 'EAGAIN':
      return reply(451, '4.3.1', `no resources for a connection to ${where} (${code})`);
    default:
      return reply(451, '4.4.1', `no connection to ${where} (${code})`);
  }
}

/** The connection broke or went silent while we waited for `what`. */
export function sessionFailure(host: string, what: string, lost: ConnectionLost): SmtpReply {
  if (lost.reply !== undefined) return readReply(lost.reply);
  if (lost.code === 'ETIMEDOUT') return reply(451, '4.4.2', `${host} did not answer in time (${what})`);
  if (lost.code === 'EPROTOCOL') return reply(451, '4.5.0', `${host} broke the protocol (${what}): ${printable(lost.message)}`);
  return reply(451, '4.4.2', `connection with ${host} lost (${what}, ${lost.code})`);
}
