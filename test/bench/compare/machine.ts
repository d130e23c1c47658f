/** What processes and the machine used: a cpuacct cgroup where one can be made (it sees short-lived children), else the process tree. */
import { mkdirSync, readdirSync, readFileSync, rmdirSync } from 'node:fs';
import { join } from 'node:path';

const TICKS_PER_SECOND = 100; // USER_HZ

interface ProcessTimes {
  readonly parent: number;
  /** Seconds, user and system. */
  readonly cpu: number;
  readonly childrenCpu: number;
}

export interface Memory {
  /** MiB; shared pages count once per process. */
  readonly rss: number;
  /** MiB; shared pages are split: the fair figure for a server of many processes. */
  readonly pss: number;
  readonly processes: number;
}

export function timesOf(pid: number): ProcessTimes | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'latin1');
    const fields = text
      .slice(text.lastIndexOf(')') + 2)
      .split(' ')
      .map(Number);
    const seconds = (first: number) => ((fields[first] ?? 0) + (fields[first + 1] ?? 0)) / TICKS_PER_SECOND;
    return { parent: fields[1] ?? 0, cpu: seconds(11), childrenCpu: seconds(13) };
  } catch {
    return undefined; // it is gone
  }
}

/** Seconds that all cores were busy, and that the hypervisor took, since boot. */
export function machineBusy(): { busy: number; steal: number } {
  const [, user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0, steal = 0] = (
    readFileSync('/proc/stat', 'latin1').split('\n')[0] ?? ''
  )
    .split(/\s+/)
    .map(Number);
  return { busy: (user + nice + system + irq + softirq) / TICKS_PER_SECOND, steal: steal / TICKS_PER_SECOND };
}

/** The processes of one server. */
export class Account {
  readonly group: string | undefined;
  /** Set once the server's first process is known. */
  root = 0;

  constructor() {
    const group = join('/sys/fs/cgroup/cpuacct', `bridgehead-bench-${process.pid}`);
    try {
      mkdirSync(group);
      this.group = group;
    } catch {
      // no cgroup v1 here, or no right to make one: the process tree must do
    }
  }

  pids(): number[] {
    if (this.group === undefined) return descendants(this.root);
    return readFileSync(join(this.group, 'cgroup.procs'), 'latin1').split('\n').filter(Boolean).map(Number);
  }

  /** Seconds so far. */
  cpu(): number {
    if (this.group !== undefined) return Number(readFileSync(join(this.group, 'cpuacct.usage'), 'latin1')) / 1e9;
    return this.pids().reduce((sum, pid) => {
      const times = timesOf(pid);
      return sum + (times?.cpu ?? 0) + (times?.childrenCpu ?? 0);
    }, 0);
  }

  memory(): Memory {
    let rss = 0;
    let pss = 0;
    let processes = 0;
    for (const pid of this.pids()) {
      try {
        const text = readFileSync(`/proc/${pid}/smaps_rollup`, 'latin1');
        rss += Number(/^Rss:\s+(\d+)/m.exec(text)?.[1]) / 1024;
        pss += Number(/^Pss:\s+(\d+)/m.exec(text)?.[1]) / 1024;
        processes += 1;
      } catch {
        // it is gone
      }
    }
    return { rss, pss, processes };
  }

  close(): void {
    if (this.group !== undefined) rmdirSync(this.group);
  }
}

function descendants(root: number): number[] {
  const children = new Map<number, number[]>();
  for (const name of readdirSync('/proc')) {
    const times = /^\d+$/.test(name) ? timesOf(Number(name)) : undefined;
    if (times === undefined) continue;
    children.set(times.parent, [...(children.get(times.parent) ?? []), Number(name)]);
  }
  const found: number[] = [];
  const todo = [root];
  for (let pid = todo.pop(); pid !== undefined; pid = todo.pop()) {
    if (timesOf(pid) !== undefined) found.push(pid);
    todo.push(...(children.get(pid) ?? []));
  }
  return found;
}
