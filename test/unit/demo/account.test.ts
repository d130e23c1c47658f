import { describe, expect, it } from 'vitest';
import { accountOf, describeTls } from '../../../src/demo/account.ts';
import { messageIdOf, SAMPLES, type Sample } from '../../../src/demo/samples.ts';
import { arrivalsDue, eventsOf, problemsOf } from '../../../src/demo/verdict.ts';
import type { EventRecord } from '../../../src/mail/event.ts';
import type { TlsEvidence } from '../../../src/mail/tls.ts';

const encrypted: TlsEvidence = {
  result: 'encrypted',
  protocol: 'TLSv1.3',
  cipher: 'TLS_AES_256_GCM_SHA384',
  'key-exchange': 'X25519',
};
const sent = { reply: '250 2.0.0 Queued', refused: new Map<string, string>() };
const sampleTo = (arrivesAt: string) => SAMPLES.find((one) => one.expect[0]?.arrivesAt === arrivesAt) as Sample;

function storyOf(sample: Sample, tls: TlsEvidence): EventRecord[] {
  const base = { time: '2026-11-22T10:00:00.000Z', 'message-id': messageIdOf(sample), sender: sample.sender };
  return [
    { ...base, event: 'RECEIVE', recipient: sample.expect[0]?.recipient ?? '', tls: encrypted, peer: 'external', size: 500 },
    ...sample.expect.map(
      (expectation): EventRecord => ({
        ...base,
        event: 'SEND',
        recipient: expectation.arrivesAs ?? '',
        connector: 'cloud',
        'remote-mta': { name: 'cloud.example.net', address: '127.0.0.1', port: 2525 },
        reply: { code: 250, enhanced: '2.0.0', text: 'Ok' },
        tls,
      }),
    ),
  ];
}

const arrivalOf = (sample: Sample) => ({
  site: sample.expect[0]?.arrivesAt ?? 'cloud',
  recipients: [sample.expect[0]?.arrivesAs ?? ''],
  messageId: messageIdOf(sample),
  encrypted: true,
});

describe('the demo', () => {
  it('says how each hop was protected, or why it was not', () => {
    expect(describeTls(encrypted)).toBe('encrypted, TLSv1.3 TLS_AES_256_GCM_SHA384 X25519');
    expect(describeTls({ result: 'plain-after-failure' })).toBe('in clear, after TLS had failed');
    expect(describeTls(undefined)).toBe('TLS unknown');
  });

  it('finds nothing wrong with a message that arrived once, encrypted, and is on record', () => {
    const sample = sampleTo('cloud');
    expect(problemsOf(sample, sent, [arrivalOf(sample)], storyOf(sample, encrypted))).toEqual([]);
  });

  it('names a message that did not arrive, arrived twice, or left in clear where TLS works', () => {
    const sample = sampleTo('cloud');
    const story = storyOf(sample, encrypted);
    expect(problemsOf(sample, sent, [], story)).toEqual([
      'maria@example.com: did not arrive at cloud as maria@contoso.mail.example.net',
    ]);
    expect(problemsOf(sample, sent, [arrivalOf(sample), arrivalOf(sample)], story)).toEqual(['arrived 2 times in place of 1']);
    expect(problemsOf(sample, sent, [arrivalOf(sample)], storyOf(sample, { result: 'not-offered' }))).toEqual([
      'maria@example.com: left with TLS "not-offered" in place of "encrypted"',
    ]);
  });

  it('wants the unknown recipient refused with 550 5.1.1, on record too', () => {
    const sample = SAMPLES.find((one) => one.expect[0]?.refused !== undefined) as Sample;
    const reply = '550 5.1.1 No such user';
    const record: EventRecord = { time: '', event: 'REJECT', recipient: 'nobody@example.com' };
    expect(problemsOf(sample, { refused: new Map([['nobody@example.com', reply]]) }, [], [record])).toEqual([]);
    expect(problemsOf(sample, { refused: new Map() }, [], [])).toHaveLength(2);
    expect(eventsOf(sample, [record, ...storyOf(sampleTo('cloud'), encrypted)])).toEqual([record]);
  });

  it('tells a failed ladder step before the clear delivery that it led to', () => {
    const sample = sampleTo('old-site');
    const ladder = [{ offer: 'STARTTLS intermediate', result: 'handshake-failed', error: 'wrong version number' }] as const;
    const lines = accountOf({ sample, events: storyOf(sample, { result: 'plain-after-failure', ladder }), problems: [] }).join(
      '\n',
    );
    expect(lines).toMatch(
      /STARTTLS intermediate: handshake-failed \(wrong version number\)\n.*in clear, after TLS had failed\n.*250 2\.0\.0 Ok/,
    );
  });

  it('waits for one arrival a recipient that is not refused', () => {
    expect(arrivalsDue(SAMPLES)).toBe(7);
  });
});
