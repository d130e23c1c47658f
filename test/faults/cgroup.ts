/** A memory cgroup, version 2 or 1, whichever this machine has. As root. */
import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const ROOT = '/sys/fs/cgroup';

export class MemoryGroup implements Disposable {
  readonly #path: string;
  readonly version: 1 | 2;

  private constructor(path: string, version: 1 | 2) {
    this.#path = path;
    this.version = version;
    mkdirSync(path);
  }

  /** `undefined` where there is no memory controller, or it is not ours to use. */
  static open(): MemoryGroup | undefined {
    const controllers = join(ROOT, 'cgroup.controllers');
    const isV2 = existsSync(controllers) && readFileSync(controllers, 'utf8').split(/\s/).includes('memory');
    try {
      if (isV2) {
        writeFileSync(join(ROOT, 'cgroup.subtree_control'), '+memory');
        return new MemoryGroup(join(ROOT, `bridgehead-${process.pid}`), 2);
      }
      return existsSync(join(ROOT, 'memory')) ? new MemoryGroup(join(ROOT, 'memory', `bridgehead-${process.pid}`), 1) : undefined;
    } catch {
      return undefined;
    }
  }

  /** The words in front of a command line that put it here. */
  get wrap(): string[] {
    return ['sh', '-c', 'echo $$ > "$0" && exec "$@"', join(this.#path, 'cgroup.procs')];
  }

  /** Octets; without a swap to go to. */
  limit(octets: number): void {
    const names =
      this.version === 2 ? ['memory.max', 'memory.swap.max'] : ['memory.limit_in_bytes', 'memory.memsw.limit_in_bytes'];
    const values = this.version === 2 ? [octets, 0] : [octets, octets];
    names.forEach((name, i) => {
      const path = join(this.#path, name);
      if (existsSync(path)) writeFileSync(path, String(values[i]));
    });
  }

  unlimited(): void {
    if (this.version === 2) writeFileSync(join(this.#path, 'memory.max'), 'max');
    else for (const name of ['memory.memsw.limit_in_bytes', 'memory.limit_in_bytes']) writeFileSync(join(this.#path, name), '-1');
  }

  /** How often the kernel killed here. */
  get kills(): number {
    const text = readFileSync(join(this.#path, this.version === 2 ? 'memory.events' : 'memory.oom_control'), 'utf8');
    return Number(/^oom_kill (\d+)/m.exec(text)?.[1] ?? 0);
  }

  [Symbol.dispose](): void {
    rmdirSync(this.#path);
  }
}
