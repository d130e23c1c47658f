/** What an open connection shows of its hop's TLS, as learned-hop.ts judges it; and the record of one that is put off for it. */
import { hash } from 'node:crypto';
import type { TLSSocket } from 'node:tls';
import type { SmtpReply } from '../mail/reply.ts';
import type { LadderStep, TlsEvidence } from '../mail/tls.ts';
import { peerCertificate, type TlsFacts } from '../platform/tls-facts.ts';
import type { SeenCertificate, TlsSight } from './learned-hop.ts';
import type { SmtpConnection } from './smtp-connection.ts';
import type { Rung } from './starttls.ts';

export function sightOf(connection: SmtpConnection, rung: Rung, facts: TlsFacts): TlsSight | undefined {
  const { secured, starttlsRefusal } = connection;
  if (secured === undefined) {
    const how = rung === 'clear' ? 'plain-after-failure' : starttlsRefusal === undefined ? 'not-offered' : 'refused';
    return { kind: 'clear', how };
  }
  const { protocol = 'unknown' } = facts;
  const sha256 = facts['peer-certificate']?.sha256;
  if (secured.isSessionReused()) return { kind: 'resumed', protocol, ...(sha256 === undefined ? {} : { sha256 }) };
  const certificate = seen(secured, facts);
  return certificate === undefined ? undefined : { kind: 'encrypted', protocol, certificate };
}

/** A certificate with its key. */
function seen(socket: TLSSocket, facts: TlsFacts): SeenCertificate | undefined {
  const described = facts['peer-certificate'];
  const key = peerCertificate(socket)?.publicKey.export({ type: 'spki', format: 'der' });
  if (described === undefined || key === undefined) return undefined;
  const error = facts['verification-error'];
  return {
    key: hash('sha256', key),
    sha256: described.sha256,
    // bounds for what a stranger wrote; names beyond a hundred tell nothing more
    subject: described.subject.slice(0, 300),
    issuer: described.issuer.slice(0, 300),
    names: described.names.slice(0, 100),
    validTo: described['valid-to'],
    verified: facts.verified === true,
    ...(error === undefined ? {} : { error }),
  };
}

/** Nothing went, though the session could have been used: the hop's TLS got worse (`on-downgrade: defer`). */
export function putOff(facts: TlsFacts, ladder: readonly LadderStep[], why: SmtpReply): TlsEvidence {
  const last = ladder.at(-1);
  const before = ladder.slice(0, -1);
  // P9: neither `encrypted` nor `plain-after-failure` may stand for mail that did not go
  const isEncrypted = last?.result === 'encrypted' || last?.result === 'verified';
  const steps = isEncrypted
    ? [...before, { offer: last.offer, result: 'handshake-failed' as const, error: why.text }]
    : last?.result === 'plain-after-failure'
      ? before
      : ladder;
  return { ...facts, result: steps.at(-1)?.result ?? 'not-tried', ladder: steps };
}
