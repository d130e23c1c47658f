import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { describe, expect, it } from 'vitest';
import type { SpoolId } from '../../../src/mail/spooled.ts';
import { openDatabases } from '../../../src/spool/databases.ts';
import { accept, bodyOf, event, open, START, temporaryDirectory } from './harness.ts';

const LARGE = Buffer.alloc(300_000, 'z');
const pathOf = (directory: string, id: SpoolId): string => join(directory, 'bodies', id.slice(-1), id);

describe('start-up after a crash', () => {
  it('removes body files that no record names, one log line each', async () => {
    const directory = temporaryDirectory();
    const first = await open(directory);
    const kept = await accept(first.spool, LARGE);
    await first.spool.close();
    writeFileSync(join(directory, 'bodies', '0', '01JD0000000000000000000000'), 'half a mess');
    writeFileSync(join(directory, 'bodies', 'Z', '01JD000000000000000000000Z'), '');
    const { spool, log } = await open(directory);
    expect(log.messages('info').filter((line) => line === 'removed a leftover body file')).toHaveLength(2);
    expect((await bodyOf(spool, kept)).equals(LARGE)).toBe(true);
    await spool.close();
  });

  it('sets aside, loudly, a record whose body file is missing or short, and takes it back when the file is whole again', async () => {
    const directory = temporaryDirectory();
    const first = await open(directory);
    const missing = await accept(first.spool, LARGE);
    const short = await accept(first.spool, LARGE);
    const whole = await accept(first.spool, LARGE);
    await first.spool.close();
    rmSync(pathOf(directory, missing));
    truncateSync(pathOf(directory, short), 1000);

    const second = await open(directory);
    expect(second.spool.due(START, 9)).toEqual([whole]);
    expect(second.spool.stats()).toMatchObject({ messages: 1, setAside: 2 });
    expect(second.log.messages('error').filter((line) => line.includes('set aside'))).toHaveLength(4);
    await second.spool.close();

    writeFileSync(pathOf(directory, missing), LARGE);
    const third = await open(directory);
    expect(third.spool.due(START, 9)).toEqual([missing, whole]);
    expect(third.spool.stats().setAside).toBe(1);
    await third.spool.close();
  });

  it('sets aside a record that it cannot read, and drops a stored body without a record', async () => {
    const directory = temporaryDirectory();
    const first = await open(directory);
    const good = await accept(first.spool);
    await first.spool.close();
    const db = openDatabases(join(directory, 'store'));
    await db.messages.put('01JD0000000000000000000001' as SpoolId, 'not a record');
    await db.bodies.put('01JD0000000000000000000002' as SpoolId, Buffer.from('x'));
    await db.root.close();
    const { spool, log } = await open(directory);
    expect(spool.due(START, 9)).toEqual([good]);
    expect(spool.stats().setAside).toBe(1);
    expect(log.messages('warn')).toEqual(['removed a stored body without a record']);
    await spool.close();
  });

  it('refuses a store of a later format instead of misreading it', async () => {
    const directory = temporaryDirectory();
    const first = await open(directory);
    await first.spool.setControl('x', 'y');
    await first.spool.close();
    const db = openDatabases(join(directory, 'store'));
    await db.controls.put('format', '99');
    await db.root.close();
    await expect(open(directory)).rejects.toThrow('format 99');
  });

  it('tells whoever reads a body file that ends too early', async () => {
    const directory = temporaryDirectory();
    const { spool } = await open(directory, { memory: 0 }); // memory has none of it
    const id = await accept(spool, LARGE);
    truncateSync(pathOf(directory, id), 100_000);
    await expect(bodyOf(spool, id)).rejects.toThrow('ends after 100000 of 300000');
    await spool.close();
  });

  it('P1: has every message that was acknowledged before a kill -9, in the middle of accepting and settling', async () => {
    const directory = temporaryDirectory();
    const acknowledged = new Set<string>();
    const settled = new Set<string>();
    for (let round = 0; round < 3; round++) {
      const child = spawn(process.execPath, [join(import.meta.dirname, 'accepting-child.ts'), directory], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      const target = acknowledged.size + 150 + round * 31;
      for await (const line of createInterface(child.stdout)) {
        const [word, id = ''] = line.split(' ');
        if (word === 'accepted') acknowledged.add(id);
        else if (word === 'settled') settled.add(id);
        if (acknowledged.size >= target && child.exitCode === null) child.kill('SIGKILL');
      }
      if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
      expect(child.signalCode).toBe('SIGKILL');
    }
    const { spool, log } = await open(directory);
    const left = new Set<string>(spool.due(Number.MAX_SAFE_INTEGER, 1_000_000));
    for (const id of acknowledged) if (!left.has(id) && !settled.has(id)) await expectSentRecord(spool.pending(), id);
    for (const id of settled) expect(left.has(id)).toBe(false);
    for (const id of left) expect((await bodyOf(spool, id as SpoolId)).length).toBe(spool.load(id as SpoolId)?.wireSize);
    expect(log.messages('error')).toEqual([]);
    await spool.close();
  });
});

/** A message that is gone though nobody was told was settled in the last moment: its SEND is in the outbox. */
async function expectSentRecord(pending: Iterable<{ lines: string }>, id: string): Promise<void> {
  const lines = [...pending].flatMap((batch) => batch.lines.split('\n')).map((line) => JSON.parse(line));
  expect(lines).toContainEqual(event('SEND', id as SpoolId));
}
