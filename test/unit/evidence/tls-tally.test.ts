import { describe, expect, it } from 'vitest';
import { TlsTally } from '../../../src/evidence/tls-tally.ts';
import type { EventRecord } from '../../../src/mail/event.ts';
import type { TlsEvidence } from '../../../src/mail/tls.ts';
import { received, sent } from '../../integration/evidence/records.ts';

const VERIFIED: TlsEvidence = { result: 'verified', protocol: 'TLSv1.3', cipher: 'TLS_AES_128_GCM_SHA256', verified: true };
const NOT_USED: TlsEvidence = { result: 'not-used' };
const NOT_OFFERED: TlsEvidence = { result: 'not-offered', ladder: [{ offer: 'STARTTLS intermediate', result: 'not-offered' }] };
const LEGACY: TlsEvidence = {
  result: 'encrypted',
  protocol: 'TLSv1',
  cipher: 'ECDHE-RSA-AES256-SHA',
  ladder: [
    {
      offer: 'STARTTLS intermediate',
      result: 'handshake-failed',
      error: 'ERR_SSL_UNSUPPORTED_PROTOCOL (remembered since 2026-11-22T10:00:00.000Z)',
    },
    { offer: 'STARTTLS legacy', result: 'encrypted' },
  ],
};

const report = (records: readonly EventRecord[], domain?: string) => {
  const tally = new TlsTally(domain);
  for (const record of records) tally.note(record);
  return tally.report();
};
const without = (record: EventRecord): EventRecord => {
  const { tls: _, ...rest } = record;
  return rest;
};

describe('report tls', () => {
  it('counts a message once, whatever its recipients, and a hop once, whatever its recipients', () => {
    const other = { recipient: 'other@example.com', 'original-recipient': 'other@example.com' };
    const { messages, in: incoming, out } = report([received(1), received(1, other), sent(1), sent(1, other)]);
    expect(messages).toMatchObject({ all: 1, encrypted: 1 });
    expect(incoming).toMatchObject({ hops: 1, encrypted: 1 });
    expect(out).toMatchObject({ hops: 1, encrypted: 1, verified: 0 });
  });

  it('counts two next hops of one message as two', () => {
    const other = {
      recipient: 'other@example.com',
      connector: 'on-premises',
      'remote-mta': { name: 'ex', address: '10.1.0.5', port: 25 },
    };
    const { messages, out } = report([received(1), received(1, other), sent(1), sent(1, { ...other, tls: NOT_OFFERED })]);
    expect(messages).toMatchObject({ all: 1, 'in-clear': 1, encrypted: 0 });
    expect(out).toMatchObject({ hops: 2, encrypted: 1, 'in-clear': 1 });
  });

  it('calls a message encrypted only where every hop was', () => {
    const { messages } = report([
      received(1, { tls: VERIFIED }),
      sent(1, { tls: VERIFIED }),
      received(2, { tls: NOT_USED }),
      sent(2, { tls: VERIFIED }),
      received(3),
      sent(3, { tls: NOT_OFFERED }),
      without(received(4)),
      sent(4),
      received(5), // still here
      received(6, { tls: NOT_USED }), // still here, and in clear already
    ]);
    expect(messages).toEqual({ all: 6, encrypted: 1, 'in-clear': 3, unknown: 1, 'under-way': 1, local: 0 });
  });

  it('says unknown where a record does not say, and never encrypted', () => {
    const { in: incoming, exceptions, protocols } = report([without(received(1)), received(2, { tls: { result: 'encrypted' } })]);
    expect(incoming).toMatchObject({ hops: 2, encrypted: 1, unknown: 1 });
    expect(protocols.filter(({ direction }) => direction === 'in').map(({ name }) => name)).toEqual(['unknown']);
    expect(exceptions).toMatchObject([{ kind: 'unknown', reason: 'the record does not say how it went' }]);
  });

  it('does not count what crossed no network into a share', () => {
    const { 'remote-mta': _, ...maildir } = sent(1, { tls: { result: 'not-tried' } });
    const { out, messages } = report([received(1), maildir]);
    expect(out).toMatchObject({ hops: 1, local: 1, 'in-clear': 0, encrypted: 0 });
    expect(messages.encrypted).toBe(1);
  });

  it('lists each kind of exception once, with its reason, the gravest first', () => {
    const refused = { code: 451, enhanced: '4.7.4', text: 'TLS is required' };
    const { exceptions, 'exception-hops': hops } = report([
      received(1, { tls: NOT_USED }),
      sent(1, { tls: LEGACY }),
      received(2),
      sent(2, { tls: LEGACY }),
      received(3),
      sent(3, {
        event: 'DEFER',
        reply: refused,
        tls: { result: 'not-offered', ladder: [{ offer: 'STARTTLS intermediate', result: 'not-offered' }] },
      }),
      received(4),
      sent(4, { event: 'DEFER' }), // over TLS, put off for another reason
      sent(4),
    ]);
    expect(exceptions.map(({ kind, hops: count, reason }) => [kind, count, reason])).toEqual([
      ['in-clear', 1, 'the client did not use STARTTLS'],
      ['not-sent', 1, 'STARTTLS was not offered'],
      [
        'downgraded',
        2,
        'offered TLS 1.2 or newer (intermediate): the handshake failed (ERR_SSL_UNSUPPORTED_PROTOCOL); offered TLS 1.0 or newer (legacy): worked',
      ],
      ['not-verified', 1, 'the certificate is not verified: DEPTH_ZERO_SELF_SIGNED_CERT'],
    ]);
    expect(hops).toEqual({ 'in-clear': 1, 'not-sent': 1, downgraded: 2, 'not-verified': 1, unknown: 0 });
  });

  it('counts the messages of a domain by sender or recipient, its subdomains too', () => {
    const records = [
      received(1),
      sent(1),
      received(2, { recipient: 'x@sub.example.org' }),
      received(3, { sender: 'x@Example.org' }),
    ];
    expect(report(records, 'example.org').messages.all).toBe(2);
    expect(report(records, 'ample.org').messages.all).toBe(0);
  });

  it('follows our own notifications from their making', () => {
    const { messages, in: incoming } = report([
      { time: received(1).time, event: 'DSN', 'spool-id': 'D1', sender: '', recipient: 'a@b.example' },
      sent(1, { 'spool-id': 'D1', tls: VERIFIED }),
    ]);
    expect(messages).toMatchObject({ all: 1, encrypted: 1 });
    expect(incoming.hops).toBe(0);
  });

  it('stays bounded over many names and reasons, and still counts them', () => {
    const tally = new TlsTally();
    for (let n = 0; n < 12_000; n++)
      tally.note(received(n, { client: { address: `2001:db8::${n.toString(16)}` }, tls: NOT_USED }));
    const { remotes, exceptions, 'exceptions-omitted': omitted, in: incoming } = tally.report();
    expect(incoming['in-clear']).toBe(12_000);
    expect(remotes).toHaveLength(201);
    expect(remotes.reduce((sum, one) => sum + one.hops, 0)).toBe(12_000);
    expect(exceptions.length + omitted).toBe(12_000);
    expect(exceptions).toHaveLength(5_000);
  });
});
