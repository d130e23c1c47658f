/** A spool in a directory of its own, for tests. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import type { EventRecord } from '../../../src/mail/event.ts';
import type { SpoolId } from '../../../src/mail/spooled.ts';
import type { Log } from '../../../src/platform/logger.ts';
import { openSpool } from '../../../src/spool/open.ts';
import type { SpoolSettings } from '../../../src/spool/ports.ts';
import type { Spool } from '../../../src/spool/spool.ts';
import { newMessage } from '../../unit/spool/messages.ts';

export const START = 1_763_800_000_000;

export class FakeClock {
  time = START;
  now = (): number => this.time;
  monotonic = (): number => this.time;
}

/** Keeps what was logged. */
export class LogLines {
  readonly lines: { level: string; message: string; fields: Record<string, unknown> }[] = [];
  readonly log: Log = Object.fromEntries(
    ['trace', 'debug', 'info', 'warn', 'error', 'fatal'].map((level) => [
      level,
      (fields: Record<string, unknown> | string, message?: string) =>
        this.lines.push(
          typeof fields === 'string' ? { level, message: fields, fields: {} } : { level, message: message ?? '', fields },
        ),
    ]),
  ) as unknown as Log;

  messages(level: string): string[] {
    return this.lines.filter((line) => line.level === level).map((line) => line.message);
  }
}

export function temporaryDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), 'spool-test-'));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

export interface Opened {
  readonly spool: Spool;
  readonly clock: FakeClock;
  readonly log: LogLines;
}

export async function open(directory: string, settings: Partial<SpoolSettings> = {}, clock = new FakeClock()): Promise<Opened> {
  const log = new LogLines();
  const spool = await openSpool({ directory, messageSize: 1 << 20, ...settings }, { clock, log: log.log });
  return { spool, clock, log };
}

export function event(name: EventRecord['event'], id?: SpoolId): EventRecord {
  return { time: '2026-11-22T10:00:00.000Z', event: name, ...(id !== undefined && { 'spool-id': id }) };
}

export async function accept(
  spool: Spool,
  body: Buffer | string = 'Subject: hello\r\n\r\nhello\r\n',
  recipients: readonly string[] = ['user@example.com'],
  receivedAt = START,
  bodySha256?: string,
): Promise<SpoolId> {
  const id = spool.newId();
  const draft = spool.draft(id);
  const bytes = Buffer.from(body);
  for (let at = 0; at < bytes.length; at += 60_000) await draft.write(bytes.subarray(at, at + 60_000));
  const message = newMessage(id, receivedAt, recipients);
  await draft.commit(bodySha256 === undefined ? message : { ...message, bodySha256 }, [event('RECEIVE', id)]);
  return id;
}

export async function bodyOf(spool: Spool, id: SpoolId): Promise<Buffer> {
  const message = spool.load(id);
  if (message === undefined) throw new Error(`no message ${id}`);
  const body = spool.body(message);
  const pieces: Buffer[] = [];
  for await (const piece of body.chunks()) pieces.push(piece);
  return Buffer.concat(pieces);
}
