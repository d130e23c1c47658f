/**
 * The protocol log in Exchange's form (coexistence.md 1.1): `SENDyyyymmdd-n.log` and `RECVyyyymmdd-n.log`, its header
 * lines and fields verbatim. For the hours in which somebody looks at a connection: written behind the mail, without
 * fsync, bounded in memory and on disk. Neither content nor credentials are ever in it.
 */
import { type FileHandle, mkdir, open, readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { endpointsOf, type ProtocolSession, type SocketEnds } from '../mail/protocol-session.ts';
import type { Clock } from '../platform/clock.ts';
import { csvCell } from '../platform/csv.ts';
import { ulid } from '../platform/ids.ts';
import type { Log } from '../platform/logger.ts';

export type ProtocolDirection = 'SEND' | 'RECV';

export interface ProtocolLogParts {
  readonly directory: string;
  readonly version: string;
  readonly clock: Clock;
  readonly log: Log;
  readonly limits?: Partial<ProtocolLogLimits>;
}

export interface ProtocolLogLimits {
  /** Octets of one file; Exchange's default is 10 MB. */
  readonly file: number;
  /** Octets of all files of one direction. */
  readonly directory: number;
  /** Milliseconds a file is kept. */
  readonly age: number;
  /** Characters that wait for the disk; what comes beyond is left out, and that it was is said. */
  readonly waiting: number;
}

const LIMITS: ProtocolLogLimits = { file: 10 * 2 ** 20, directory: 250 * 2 ** 20, age: 30 * 86_400_000, waiting: 4 * 2 ** 20 };
const FIELDS = 'date-time,connector-id,session-id,sequence-number,local-endpoint,remote-endpoint,event,data,context';
const TYPES: Record<ProtocolDirection, string> = { SEND: 'SMTP Send Protocol Log', RECV: 'SMTP Receive Protocol Log' };
const FLUSH_MS = 500;
const FLUSH_LENGTH = 65_536;
/** RFC 5321 §4.5.3.1.5 allows 512 octets a reply line; a longer line is cut in the log alone. */
const LINE = 2048;

export class ProtocolLog implements AsyncDisposable {
  readonly #files: Record<ProtocolDirection, LogFiles>;
  readonly #clock: Clock;
  readonly #idPrefix: string;
  #ids = 0;

  constructor(parts: ProtocolLogParts) {
    this.#clock = parts.clock;
    this.#idPrefix = `${ulid(parts.clock.now()).slice(0, 16)}-S`;
    this.#files = { SEND: new LogFiles('SEND', parts), RECV: new LogFiles('RECV', parts) };
  }

  /** `sessionId` where records name the session; else it gets one of its own. */
  open(direction: ProtocolDirection, connector: string, ends: SocketEnds, sessionId?: string): ProtocolSession {
    const { local, remote } = endpointsOf(ends);
    const id = sessionId ?? `${this.#idPrefix}${(++this.#ids).toString(36).toUpperCase()}`;
    return new LoggedSession(this.#files[direction], this.#clock, [connector, id], [local, remote]);
  }

  /** Resolves when all that was logged is in the files. */
  flush(): Promise<unknown> {
    return Promise.all([this.#files.SEND.flush(), this.#files.RECV.flush()]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([this.#files.SEND.close(), this.#files.RECV.close()]);
  }
}

class LoggedSession implements ProtocolSession {
  readonly #files: LogFiles;
  readonly #clock: Clock;
  readonly #head: string;
  readonly #ends: string;
  #sequence = 0;
  #unfinished = '';
  #ended = false;

  constructor(files: LogFiles, clock: Clock, head: readonly string[], ends: readonly string[]) {
    this.#files = files;
    this.#clock = clock;
    this.#head = head.map(csvCell).join(',');
    this.#ends = ends.map(csvCell).join(',');
    this.#write('+', '', '');
  }

  sent(lines: string): void {
    for (const line of lines.split('\r\n')) if (line !== '') this.#write('>', withoutSecret(line), '');
  }

  received(text: string): void {
    const lines = (this.#unfinished + text).split('\n');
    const rest = lines.pop() ?? '';
    this.#unfinished = rest.slice(0, LINE);
    for (const line of lines) this.#write('<', withoutSecret(line.replace(/\r$/, '')), '');
  }

  note(what: string): void {
    this.#write('*', '', what);
  }

  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    if (this.#unfinished !== '') this.received('\n');
    this.#write('-', '', '');
  }

  #write(event: '+' | '-' | '>' | '<' | '*', data: string, context: string): void {
    const time = new Date(this.#clock.now()).toISOString();
    const cells = [csvCell(data.slice(0, LINE)), csvCell(context.slice(0, LINE))];
    this.#files.add(`${time},${this.#head},${this.#sequence},${this.#ends},${event},${cells.join(',')}\r\n`);
    this.#sequence += 1;
  }
}

/** RFC 4954: what stands behind the mechanism is the client's secret, or the beginning of it. */
function withoutSecret(line: string): string {
  return line.replace(/^(AUTH\s+\S+)\s+.+$/i, '$1 (not logged)');
}

interface CurrentFile {
  readonly day: string;
  readonly handle: FileHandle;
  size: number;
}

/** The files of one direction: one at a time is written, the next begins with the day or when it is full. */
class LogFiles {
  readonly #prefix: ProtocolDirection;
  readonly #parts: ProtocolLogParts;
  readonly #limits: ProtocolLogLimits;
  #lines = '';
  #leftOut = 0;
  #timer: NodeJS.Timeout | undefined;
  #underWay: Promise<void> = Promise.resolve();
  #file: CurrentFile | undefined;
  #failing = false;

  constructor(prefix: ProtocolDirection, parts: ProtocolLogParts) {
    this.#prefix = prefix;
    this.#parts = parts;
    this.#limits = { ...LIMITS, ...parts.limits };
  }

  add(line: string): void {
    if (this.#lines.length + line.length > this.#limits.waiting) {
      this.#leftOut += 1;
      return;
    }
    this.#lines += line;
    if (this.#lines.length >= FLUSH_LENGTH) void this.flush();
    else this.#timer ??= setTimeout(() => void this.flush(), FLUSH_MS).unref();
  }

  /** Never rejects: a log of the protocol is no reason to stop mail. */
  flush(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#underWay = this.#underWay.then(() => this.#write());
    return this.#underWay;
  }

  async #write(): Promise<void> {
    if (this.#lines === '') return;
    const now = this.#parts.clock.now();
    const left =
      this.#leftOut === 0
        ? ''
        : `${new Date(now).toISOString()},,,,,,*,,${this.#leftOut} lines were left out: the disk does not keep up\r\n`;
    const octets = Buffer.from(this.#lines + left);
    this.#lines = '';
    this.#leftOut = 0;
    try {
      const file = await this.#fileFor(now);
      await file.handle.write(octets);
      file.size += octets.length;
      this.#failing = false;
    } catch (error) {
      if (!this.#failing)
        this.#parts.log.error({ err: error, directory: this.#parts.directory }, 'the protocol log cannot be written');
      this.#failing = true;
      await this.#closeFile();
    }
  }

  async #fileFor(now: number): Promise<CurrentFile> {
    const day = new Date(now).toISOString().slice(0, 10).replaceAll('-', '');
    if (this.#file !== undefined && this.#file.day === day && this.#file.size < this.#limits.file) return this.#file;
    await this.#closeFile();
    const { directory, version } = this.#parts;
    await mkdir(directory, { recursive: true, mode: 0o700 });
    const numbers = (await this.#names()).filter((one) => one.day === day).map((one) => one.number);
    let number = Math.max(1, ...numbers);
    let handle = await open(join(directory, `${this.#prefix}${day}-${number}.log`), 'a', 0o600);
    let { size } = await handle.stat();
    if (size >= this.#limits.file) {
      await handle.close();
      number += 1;
      handle = await open(join(directory, `${this.#prefix}${day}-${number}.log`), 'a', 0o600);
      size = 0;
    }
    this.#file = { day, handle, size };
    if (size === 0) {
      const header = [
        '#Software: Bridgehead',
        `#Version: ${version}`,
        `#Log-Type: ${TYPES[this.#prefix]}`,
        `#Date: ${new Date(now).toISOString()}`,
        `#Fields: ${FIELDS}`,
      ];
      const { bytesWritten } = await handle.write(`${header.join('\r\n')}\r\n`);
      this.#file.size += bytesWritten;
    }
    await this.#prune(now, `${this.#prefix}${day}-${number}.log`);
    return this.#file;
  }

  async #names(): Promise<{ readonly name: string; readonly day: string; readonly number: number }[]> {
    const form = new RegExp(`^${this.#prefix}(\\d{8})-(\\d{1,6})\\.log$`);
    return (await readdir(this.#parts.directory)).flatMap((name) => {
      const [, day, number] = form.exec(name) ?? [];
      return day === undefined ? [] : [{ name, day, number: Number(number) }];
    });
  }

  /** Lets go of the oldest files. */
  async #prune(now: number, current: string): Promise<void> {
    const names = (await this.#names()).sort((a, b) => b.day.localeCompare(a.day) || b.number - a.number);
    let total = 0;
    for (const { name } of names) {
      if (name === current) continue;
      const file = join(this.#parts.directory, name);
      const { size, mtimeMs } = await stat(file);
      total += size;
      if (total + this.#limits.file > this.#limits.directory || now - mtimeMs > this.#limits.age) await rm(file, { force: true });
    }
  }

  async #closeFile(): Promise<void> {
    const file = this.#file;
    this.#file = undefined;
    await file?.handle.close().catch(() => {});
  }

  async close(): Promise<void> {
    await this.flush();
    await this.#closeFile();
  }
}
