/** What leaves is what was accepted, octet for octet, or nothing leaves (body-digest.ts). */
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { digestOf } from '../../../../src/mail/body-digest.ts';
import type { SpooledBody } from '../../../../src/mail/spooled.ts';
import { ScriptedPeer } from '../../../support/scripted-peer.ts';
import { bodyOf, connector, deliverOne, MESSAGE, streamed, to, transport } from './setup.ts';

const accepted = Buffer.from(MESSAGE);
const changed = Buffer.from(MESSAGE.replace('Hello', 'Hallo'));
const long = Buffer.from(`A: b\r\n\r\n${'..stuffed\r\n'.repeat(60_000)}`);
const longChanged = Buffer.from(long);
longChanged[long.length - 5] = 0x58;

const forms: readonly (readonly [string, Buffer, SpooledBody, SpooledBody])[] = [
  ['from memory', accepted, bodyOf(accepted), bodyOf(changed)],
  ['a long one, streamed', long, streamed([long.subarray(0, 300_000), long.subarray(300_000)]), streamed([longChanged])],
];

describe('the proof of the body', () => {
  for (const [form, wire, good, bad] of forms) {
    for (const lmtp of [false, true]) {
      const way = lmtp ? 'LMTP' : 'SMTP';
      const nextHop = (port: number) => (lmtp ? connector({ kind: 'lmtp', endpoint: { host: '127.0.0.1', port } }) : to(port));

      it(`${form}, by ${way}: the attempt tells the hash of what went out`, async () => {
        await using peer = await ScriptedPeer.start({ lmtp });
        await using relay = transport();
        const attempt = await deliverOne(relay, nextHop(peer.port), { body: good, bodySha256: digestOf(wire) });
        expect(attempt).toMatchObject({ outcome: { kind: 'relayed' }, bodySha256: digestOf(wire) });
      });

      it(`${form}, by ${way}: a body that changed in the spool never gets its final dot, and the connection is destroyed`, async () => {
        await using peer = await ScriptedPeer.start({ lmtp });
        await using relay = transport();
        const attempt = await deliverOne(relay, nextHop(peer.port), { body: bad, bodySha256: digestOf(wire) });
        expect(attempt).toMatchObject({
          outcome: { kind: 'deferred', reply: { code: 451, enhanced: '4.3.0' }, cause: 'answer' },
          corrupt: true,
        });
        expect(attempt.outcome.reply.text).toContain('SHA-256');
        expect(attempt.bodySha256).toBeUndefined();
        expect(peer.messages).toEqual([]);
        expect(peer.commands).not.toContain('QUIT');
      });
    }

    it(`${form}: a message accepted before there were hashes is sent, and its hash is told`, async () => {
      await using peer = await ScriptedPeer.start();
      await using relay = transport();
      const attempt = await deliverOne(relay, to(peer.port), { body: good });
      expect(attempt).toMatchObject({ outcome: { kind: 'relayed' }, bodySha256: digestOf(wire) });
    });

    it(`${form}: a Maildir never shows a message that changed`, async () => {
      const path = await mkdtemp(join(tmpdir(), 'bridgehead-'));
      await using relay = transport();
      const by = connector({ kind: 'maildir', path });
      expect(await deliverOne(relay, by, { body: good, bodySha256: digestOf(wire) })).toMatchObject({
        outcome: { kind: 'relayed' },
        bodySha256: digestOf(wire),
      });
      expect(await deliverOne(relay, by, { body: bad, bodySha256: digestOf(wire) })).toMatchObject({
        outcome: { kind: 'deferred' },
        corrupt: true,
      });
      expect(await readdir(join(path, 'new'))).toHaveLength(1);
      expect(await readdir(join(path, 'tmp'))).toEqual([]);
      await rm(path, { recursive: true });
    });
  }

  it('what never left memory is not hashed again: it is told, and compared, by the hash it came with', async () => {
    await using peer = await ScriptedPeer.start();
    await using relay = transport();
    const pieces = Array.from({ length: Math.ceil(long.length / 30_000) }, (_, i) => long.subarray(i * 30_000, (i + 1) * 30_000));
    for (const [octets, kept] of [
      [accepted, bodyOf(accepted)],
      [long, streamed(pieces)],
    ] as const) {
      const sha256 = digestOf(octets);
      const body = { length: kept.length, bytes: kept.bytes, chunks: () => kept.chunks(), sha256 } as SpooledBody;
      expect(await deliverOne(relay, to(peer.port), { body, bodySha256: sha256 })).toMatchObject({
        outcome: { kind: 'relayed' },
        bodySha256: sha256,
      });
      expect(await deliverOne(relay, to(peer.port), { body, bodySha256: digestOf(changed) })).toMatchObject({ corrupt: true });
    }
    expect(peer.messages.map(({ wire }) => wire.equals(accepted) || wire.equals(long))).toEqual([true, true]);
  });

  it('of a message refused at RCPT tells no hash: nothing went out', async () => {
    await using peer = await ScriptedPeer.start({ rcpt: '550 5.1.1 unknown' });
    await using relay = transport();
    expect((await deliverOne(relay, to(peer.port))).bodySha256).toBeUndefined();
  });
});
