import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AnswerBox } from '../../../src/checks/probe/box.ts';
import { ProbeHistory } from '../../../src/checks/probe/history.ts';
import { composeProbe, headerOf, isProbe, noticeIn } from '../../../src/checks/probe/message.ts';
import type { ProbeParts, ProbeReport } from '../../../src/checks/probe/ports.ts';
import { Probes } from '../../../src/checks/probe/probes.ts';
import { answerAddress, Tokens, tokenOf } from '../../../src/checks/probe/token.ts';
import { type Domain, parseMailbox } from '../../../src/mail/address.ts';
import type { SpooledMessage } from '../../../src/mail/spooled.ts';

const NOW = Date.parse('2026-11-22T10:00:00Z');
const tokens = new Tokens(Buffer.alloc(32, 7));
const box = (text: string) => parseMailbox(text) ?? expect.fail(text);

describe('a probe that is still queued at a restart (R8)', () => {
  const folder = mkdtempSync(join(tmpdir(), 'probe-'));
  const parts = {
    folder,
    hostname: 'mx1.example.com',
    settings: () => [],
    listeners: () => [{ address: '192.0.2.5', port: 25 }],
  } as unknown as ProbeParts;
  const spooled = (messageId: string, address: string, receivedAt = NOW + 1000) =>
    ({
      messageId,
      receivedAt,
      origin: { peer: 'external', address, ownHops: 0, tenantProof: false, claims: ['example.com'] },
    }) as unknown as SpooledMessage;

  it('is still known as ours, and nothing else is', async () => {
    const token = Tokens.open(folder).make(NOW);
    const id = `<${token}@mx1.example.com>`;
    await using probes = new Probes(parts);
    expect(probes.isProbe(spooled(id, '127.0.0.1'))).toBe(true);
    expect(probes.isProbe(spooled(id, '192.0.2.5'))).toBe(true);
    expect(probes.vouchedFor(spooled(id, '127.0.0.1')).origin).not.toHaveProperty('claims');
    // from elsewhere, shown again later, or made by nobody
    expect(probes.isProbe(spooled(id, '198.51.100.7'))).toBe(false);
    expect(probes.isProbe(spooled(id, '127.0.0.1', NOW + 3_600_000))).toBe(false);
    expect(probes.isProbe(spooled(`<${'0'.repeat(36)}@mx1.example.com>`, '127.0.0.1'))).toBe(false);
    expect(probes.isProbe(spooled('<a@b>', '127.0.0.1'))).toBe(false);
    rmSync(folder, { recursive: true });
  });
});

describe('the token of a probe', () => {
  it('is known again, with the time it was made, in an address of any case', () => {
    const token = tokens.make(NOW);
    expect(tokens.madeAt(token)).toBe(NOW);
    const address = answerAddress(token, 'example.com' as Domain);
    expect(tokenOf(box(address.address.toUpperCase()))).toBe(token);
  });

  it('is nobody else’s to make: another secret, another digit, another length are refused', () => {
    const token = tokens.make(NOW);
    expect(new Tokens(Buffer.alloc(32, 8)).madeAt(token)).toBeUndefined();
    fc.assert(
      fc.property(fc.nat(35), fc.constantFrom(...Array.from('0123456789abcdef')), (at, digit) => {
        const other = token.slice(0, at) + digit + token.slice(at + 1);
        expect(tokens.madeAt(other)).toBe(other === token ? NOW : undefined);
      }),
    );
    expect(tokens.madeAt(`${token}0`)).toBeUndefined();
  });

  it('has a secret that only the owner of the data directory can read, and that stays', () => {
    const folder = mkdtempSync(join(tmpdir(), 'probe-'));
    const token = Tokens.open(folder).make(NOW);
    expect(statSync(join(folder, 'secret')).mode & 0o777).toBe(0o600);
    expect(Tokens.open(folder).madeAt(token)).toBe(NOW);
    rmSync(folder, { recursive: true });
  });

  it('is of no use for ordinary addresses', () => {
    for (const one of ['user@example.com', 'bridgehead-probe@example.com', 'bridgehead-probe+x@example.com'])
      expect(tokenOf(box(one))).toBeUndefined();
  });

  it('opens its address for a day, and never bounces later mail', () => {
    const answers = new AnswerBox('/nowhere', tokens);
    const address = answerAddress(tokens.make(NOW), 'example.com' as Domain);
    expect(answers.admit(address, NOW + 1000)?.reply.code).toBe(250);
    expect(answers.admit(address, NOW + 25 * 3_600_000)).toBeUndefined();
    expect(answers.route(address, 3)).toMatchObject({
      kind: 'deliver',
      directoryVersion: 3,
      primary: { connector: { name: 'probe-box' } },
    });
    expect(answers.route(box('user@example.com'), 3)).toBeUndefined();
  });
});

describe('the message of a probe', () => {
  const token = tokens.make(NOW);
  const message = (wantsAnswer: boolean) =>
    composeProbe({
      name: 'cloud',
      token,
      from: box('postmaster@example.com'),
      to: box('probe@example.com'),
      answerTo: answerAddress(token, 'example.com' as Domain),
      messageId: `<${token}@relay.example.com>`,
      time: NOW,
      wantsAnswer,
    }).join('\r\n');

  it('is known again by its field, and asks for answers only where one is waited for', () => {
    expect(isProbe(headerOf(message(true)), token)).toBe(true);
    expect(isProbe(headerOf(message(true)), tokens.make(NOW + 1))).toBe(false);
    expect(message(true)).not.toMatch(/auto-generated/i);
    expect(message(false)).toMatch(/^Auto-Submitted: auto-generated$/m);
    expect(message(true)).not.toMatch(/^\./m);
  });

  it('tells a notice of failure from an answer', () => {
    const notice = [
      'Content-Type: multipart/report;',
      '\treport-type=delivery-status; boundary="b"',
      '',
      '--b',
      'Reporting-MTA: dns; mx.cloud.test',
      '',
      'Action: failed',
      'Diagnostic-Code: smtp; 550 5.4.1 Recipient address rejected:',
      ' Access denied',
    ].join('\r\n');
    expect(noticeIn(notice)).toEqual({
      action: 'failed',
      text: 'mx.cloud.test says: 550 5.4.1 Recipient address rejected: Access denied',
    });
    expect(noticeIn('Subject: Automatic reply\r\nContent-Type: text/plain\r\n\r\nReporting-MTA: dns; x')).toBeUndefined();
  });
});

describe('the history of probes', () => {
  const leg = { ok: true, seconds: 1, seen: null, tls: null, hops: [] };
  const report = (time: number, ok = true): ProbeReport => ({
    probe: 'cloud',
    time: new Date(time).toISOString(),
    ok,
    to: 'probe@example.com',
    token: '',
    'message-id': '<a@b>',
    there: leg,
    back: leg,
    problem: ok ? null : 'lost',
    next: [],
    records: [],
  });

  it('keeps the newest 500 runs of a probe, in a file that does not grow without end', () => {
    const folder = mkdtempSync(join(tmpdir(), 'probe-'));
    const history = new ProbeHistory(folder);
    for (let i = 0; i < 1_700; i++) history.add(report(NOW + i * 1000, i !== 1_699));
    expect(statSync(join(folder, 'history.jsonl')).size).toBeLessThan(1_100 * 260);
    const again = new ProbeHistory(folder);
    expect(again.of('cloud', 10_000)).toHaveLength(500);
    expect(again.last('cloud')).toMatchObject({ ok: false, problem: 'lost' });
    expect(again.lastSuccess('cloud')?.time).toBe(new Date(NOW + 1_698_000).toISOString());
    rmSync(folder, { recursive: true });
  });
});
