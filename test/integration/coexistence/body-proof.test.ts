/** The proof of the body through a whole relay: the same hash in and out, and a spool that lies is caught. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { verify } from '../../../src/cli/trace-verify-command.ts';
import { digestOf } from '../../../src/mail/body-digest.ts';
import { arrived, Coexistence } from './harness.ts';

let world: Coexistence;
beforeAll(async () => {
  world = await Coexistence.start({
    recipients: ['anna@example.com,on-premises', 'large@example.com,on-premises'],
    more: ['queue: { retry: [1h] }'],
  });
});
afterAll(() => world[Symbol.asyncDispose]());

describe('the proof of the body', () => {
  it('is in the record of the receipt and of each hop, and is that of what the next hop got', async () => {
    await world.deliver({ to: 'anna@example.com' });
    const { wire } = await arrived(world.home, 'anna@example.com');
    const records = await world.records('anna@example.com', 'SEND');
    const proof = verify(records[0]?.['spool-id'] ?? '', records);
    expect(proof).toMatchObject({ verdict: 'same', received: { 'body-sha256': digestOf(wire) }, hops: [{ same: true }] });
  });

  it('keeps a message from everybody whose body file changed, and status names it', async () => {
    world.home.script = { rcpt: '451 4.2.1 later' };
    const text = `${'..a line that is stuffed\r\n'.repeat(120_000)}`;
    await world.deliver({ to: 'large@example.com', header: `Subject: large\r\n\r\n${text}` });
    const [record] = await world.records('large@example.com', 'DEFER');
    const id = record?.['spool-id'] ?? '';
    const bodies = join(world.folder, 'var/spool/bodies');
    const name = readdirSync(bodies, { recursive: true, encoding: 'utf8' }).find((one) => one.endsWith(id));
    const file = join(bodies, name ?? '');
    const octets = readFileSync(file);
    const whole = Buffer.from(octets);
    octets[octets.length - 1_000_000] = (octets[octets.length - 1_000_000] ?? 0) ^ 1;
    writeFileSync(file, octets);
    world.home.script = {};
    await world.operations.retry({ recipient: 'large@example.com' });
    const caught = (await world.records('large@example.com', 'DEFER', 2)).findLast(({ event }) => event === 'DEFER');
    expect(caught?.reply).toMatchObject({ code: 451, enhanced: '4.3.0', text: expect.stringContaining('SHA-256') });
    expect(caught?.['body-sha256']).toBeUndefined();
    expect(world.home.messages.filter(({ rcpts }) => rcpts.join().includes('large@'))).toEqual([]);
    expect((await world.operations.status()).findings).toContainEqual(expect.objectContaining({ code: 'spool-corrupt' }));
    // the file restored from a copy, it goes
    writeFileSync(file, whole);
    await world.operations.retry({ recipient: 'large@example.com' });
    await arrived(world.home, 'large@example.com');
    await world.records('large@example.com', 'SEND');
    expect((await world.operations.status()).findings).not.toContainEqual(expect.objectContaining({ code: 'spool-corrupt' }));
  });
});
