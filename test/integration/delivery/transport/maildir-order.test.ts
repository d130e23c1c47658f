import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { expect, it, vi } from 'vitest';
import { connector, deliverOne, transport } from './setup.ts';

const calls: string[] = [];

// the real functions, each call noted
vi.mock('node:fs/promises', async (original) => {
  const real = await original<typeof import('node:fs/promises')>();
  return {
    ...real,
    async open(path: string, flags: string, mode: number) {
      calls.push(`open ${flags} ${basename(join(path, '..'))}`);
      const file = await real.open(path, flags, mode);
      return {
        write: (...octets: Parameters<typeof file.write>) => file.write(...octets),
        async sync() {
          calls.push('sync the file');
          await file.sync();
        },
        close: () => file.close(),
      };
    },
    async link(from: string, to: string) {
      calls.push(`link ${basename(join(from, '..'))} to ${basename(join(to, '..'))}`);
      await real.link(from, to);
    },
    async unlink(path: string) {
      calls.push(`unlink in ${basename(join(path, '..'))}`);
      await real.unlink(path);
    },
  };
});
vi.mock('../../../../src/platform/files.ts', async (original) => {
  const real = await original<typeof import('../../../../src/platform/files.ts')>();
  return {
    ...real,
    DirectorySync: class extends real.DirectorySync {
      readonly #name: string;
      constructor(path: string) {
        super(path);
        this.#name = basename(path);
      }
      override sync(): Promise<void> {
        calls.push(`sync the directory ${this.#name}`);
        return super.sync();
      }
    },
  };
});

it('a message in a Maildir is on disk before it has its name, and its name is on disk before we say so', async () => {
  const root = await mkdtemp(join(tmpdir(), 'bridgehead-'));
  await using relay = transport();
  await deliverOne(relay, connector({ kind: 'maildir', path: root }));
  expect(calls).toEqual(['open wx tmp', 'sync the file', 'link tmp to new', 'sync the directory new', 'unlink in tmp']);
  await rm(root, { recursive: true });
});
