/**
 * What the proof of the body costs a message: microseconds of the digest, as reception takes it (in the pieces of the
 * socket) and as delivery takes it (what was accepted, compared before the final dot).
 *
 *   node test/bench/body-hash.ts
 */
import { BodyDigest, digestOf } from '../../src/mail/body-digest.ts';

/** Octets that a socket gives at a time. */
const PIECE = 64 * 1024;
const HEADER = `Received: from a.example by b.example; Sun, 22 Nov 2026 10:00:00 +0000\r\nFrom: a@example.com\r\nSubject: x\r\n\r\n`;

function message(octets: number, line: string): Buffer {
  return Buffer.from(HEADER + line.repeat(Math.ceil((octets - HEADER.length) / line.length)));
}

function microseconds(rounds: number, work: () => void): number {
  for (let i = 0; i < rounds; i++) work();
  const started = process.hrtime.bigint();
  for (let i = 0; i < rounds; i++) work();
  return Number(process.hrtime.bigint() - started) / 1000 / rounds;
}

const plain = `${'x'.repeat(74)}\r\n`;
for (const [name, octets, rounds] of [
  ['1 KB', 1024, 20_000],
  ['16 KB', 16 * 1024, 4000],
  ['1 MB', 1024 * 1024, 100],
] as const) {
  const wire = message(octets, plain);
  const pieces: Buffer[] = [];
  for (let at = 0; at < wire.length; at += PIECE) pieces.push(wire.subarray(at, at + PIECE));
  const receive = microseconds(rounds, () => {
    const digest = new BodyDigest();
    for (const piece of pieces) digest.take(piece, false);
    digest.hex();
  });
  const send = microseconds(rounds, () => void digestOf(wire, false));
  const stuffed = message(octets, `..${plain}`);
  const unstuffed = microseconds(rounds, () => void digestOf(stuffed, true));
  process.stdout.write(
    `${name.padStart(6)}: received ${receive.toFixed(2)} µs, sent ${send.toFixed(2)} µs; every line with a stuffed dot ${unstuffed.toFixed(2)} µs\n`,
  );
}
