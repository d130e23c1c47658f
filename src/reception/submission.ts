/**
 * A listener for our own servers and devices (RFC 6409, RFC 8314), without AUTH: a listed network or a certificate with a
 * listed name lets in, TLS comes first, and what they may send to is what peers.on-premises says. Pure.
 */
import type { Client } from '../mail/peer.ts';
import { reply, type SmtpReply } from '../mail/reply.ts';
import { NetworkSet, type Peers } from './peers.ts';

const NOT_HERE = reply(554, '5.7.1', 'This port is for our own servers; mail from outside comes in by our MX');
const TLS_FIRST = reply(530, '5.7.0', 'Must issue a STARTTLS command first'); // RFC 3207 §4
const NOT_OURS = reply(550, '5.7.1', 'Not one of our servers: neither your address nor a certificate says so');

export class Submission {
  private readonly withoutTls: NetworkSet;

  /** CIDR networks of devices that cannot do TLS. */
  constructor(withoutTls: readonly string[]) {
    this.withoutTls = new NetworkSet(withoutTls);
  }

  /** Why a client is not even greeted; `undefined` also while a certificate may yet show that it is ours. */
  atGreeting(client: Client, secure: boolean, peers: Peers): SmtpReply | undefined {
    if (client.peer === 'on-premises') return undefined;
    return !secure && peers.mayShowItself('on-premises', client.address) ? undefined : NOT_HERE;
  }

  /** Why its MAIL is refused. */
  atMail(client: Client, secure: boolean): SmtpReply | undefined {
    const ours = client.peer === 'on-premises';
    if (!secure && !(ours && this.withoutTls.has(client.address))) return TLS_FIRST;
    return ours ? undefined : NOT_OURS;
  }
}
