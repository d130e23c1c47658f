import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { bodyOf, connector, domain, MESSAGE, recipients, streamed, transaction, transport } from './setup.ts';

async function folder(): Promise<{ path: string } & AsyncDisposable> {
  const path = await mkdtemp(join(tmpdir(), 'bridgehead-'));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}

describe('a Maildir', () => {
  it('holds each recipient its own copy, with the envelope in front and line ends of the file system', async () => {
    await using root = await folder();
    await using relay = transport();
    const two = recipients('Pilar.P@example.com', 'b+tag@example.com');
    const wire = 'Subject: x\r\n\r\n..\r\n...two\r\nbare\nlf and\rcr\r\n';
    const by = connector({ kind: 'maildir', path: join(root.path, 'mail') });
    const attempts = await relay.deliver(by, domain('example.com'), transaction({ recipients: two, body: bodyOf(wire) }));
    expect(attempts).toMatchObject([
      {
        outcome: { kind: 'relayed', reply: { code: 250, enhanced: '2.0.0' } },
        tls: { result: 'not-tried' },
        finalDelivery: true,
      },
      { outcome: { kind: 'relayed' } },
    ]);
    const home = join(root.path, 'mail');
    expect((await readdir(home)).sort()).toEqual(['cur', 'new', 'tmp']);
    expect(await readdir(join(home, 'tmp'))).toEqual([]);
    expect(await readdir(join(home, 'cur'))).toEqual([]);
    const files = await readdir(join(home, 'new'));
    for (const file of files) {
      expect(file).toMatch(/^\d+\.M\d+P\d+Q\d+R[0-9a-f]{8}\.relay\.test$/);
      expect((await stat(join(home, 'new', file))).mode & 0o777).toBe(0o600);
    }
    const stored = await Promise.all(files.map((file) => readFile(join(home, 'new', file), 'utf8')));
    expect(stored.sort()).toEqual(
      ['Pilar.P@example.com', 'b+tag@example.com'].map(
        (recipient) =>
          `Return-Path: <sender@example.net>\nDelivered-To: ${recipient}\nSubject: x\n\n.\n..two\nbare\nlf and\rcr\n`,
      ),
    );
  });

  it('shows nothing of a message that could not be read whole', async () => {
    await using root = await folder();
    await using relay = transport();
    const by = connector({ kind: 'maildir', path: root.path });
    for (const body of [
      streamed([Buffer.from(MESSAGE)], 1_000),
      {
        length: 1_000,
        // eslint-disable-next-line require-yield
        async *chunks(): AsyncGenerator<Buffer> {
          throw new Error('EIO');
        },
      },
    ]) {
      const [attempt] = await relay.deliver(by, domain('example.com'), transaction({ body }));
      expect(attempt?.outcome).toMatchObject({ kind: 'deferred', reply: { enhanced: '4.3.0' }, cause: 'answer' });
    }
    for (const part of ['tmp', 'new']) expect(await readdir(join(root.path, part))).toEqual([]);
  });

  it('is the configured folder, whatever the address', async () => {
    await using root = await folder();
    await using relay = transport();
    const by = connector({ kind: 'maildir', path: join(root.path, 'mail') });
    for (const address of ['"../../etc/x"@example.com', 'a/b@example.com', '".hidden"@example.com']) {
      const [attempt] = await relay.deliver(by, domain('example.com'), transaction({ recipients: recipients(address) }));
      expect(attempt?.outcome).toMatchObject({ kind: 'relayed' });
    }
    expect(await readdir(root.path)).toEqual(['mail']);
    expect((await readdir(join(root.path, 'mail'))).sort()).toEqual(['cur', 'new', 'tmp']);
    expect(await readdir(join(root.path, 'mail', 'new'))).toHaveLength(3);
  });

  it('that cannot be written defers', async () => {
    await using root = await folder();
    const path = join(root.path, 'mail');
    await writeFile(path, 'a file in the way');
    await using relay = transport();
    const [attempt] = await relay.deliver(connector({ kind: 'maildir', path }), domain('example.com'), transaction());
    expect(attempt?.outcome).toMatchObject({ kind: 'deferred', reply: { enhanced: '4.3.0' }, cause: 'connection' });
  });
});
