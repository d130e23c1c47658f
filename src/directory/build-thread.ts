/** Builds small sets here and large ones in a thread of its own, so that mail does not wait for a million recipients. */
import { Worker } from 'node:worker_threads';
import { type BuildAnswer, type BuildJob, type CompareJob, runBuild, runCompare } from './build-job.ts';
import type { WorkerAnswer, WorkerTask } from './build-worker.ts';
import type { Comparison } from './compare.ts';
import type { State } from './making.ts';
import { effective } from './overlays.ts';
import { setFile } from './record-sets.ts';
import { sizeOf } from './source-files.ts';
import { VersionDiff } from './version-diff.ts';

// The checkout runs .ts, the published package .js (design.md D1)
const MODULE = new URL('./build-worker.ts', import.meta.url);
if (!import.meta.url.endsWith('.ts')) MODULE.pathname = MODULE.pathname.replace(/\.ts$/, '.js');

/** Octets of sources that are read here: some 20 ms of work, in pieces; to start a thread costs more. */
const SMALL = 256 * 1024;
/** Recipients that are compared here. */
const FEW = 10_000;
/** MiB. What a thread holds while it reads a file is garbage soon; the records themselves are outside its heap. */
const HEAP = { maxYoungGenerationSizeMb: 32, maxOldGenerationSizeMb: 1024 };

/** Rejects where a file or the disk fails, or the thread died; nothing was changed then. */
export async function build(asked: Omit<BuildJob, 'octets'>): Promise<BuildAnswer> {
  let octets = 0;
  for (const { parts } of asked.inputs) {
    for (const part of parts) {
      if (part.kind === 'lines') for (const chunk of part.chunks) octets += chunk.byteLength;
      else octets += await sizeOf(part.kind === 'file' ? part.file : setFile(asked.folder, part.id));
    }
  }
  const job: BuildJob = { ...asked, octets };
  // a small one that takes the place of a large one is compared with all of it
  if (octets <= SMALL && (asked.old?.meta.size ?? 0) <= FEW) return runBuild(job);
  return inThread<BuildAnswer>({ build: job });
}

function inThread<T>(task: WorkerTask): Promise<T> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(MODULE, { workerData: task, resourceLimits: HEAP });
    let answer: WorkerAnswer | undefined;
    worker.on('message', (message: WorkerAnswer) => {
      answer = message;
    });
    worker.on('error', reject);
    // not before the thread is gone: its memory is given back then
    worker.on('exit', () => {
      if (answer === undefined) reject(new Error('the thread that builds the directory ended'));
      else if ('error' in answer) reject(new Error(answer.error));
      else resolve(answer.answer as T);
    });
  });
}

/** Compares two versions, here or in a thread: recipients that no overlay decides there, the others here. */
export async function diffOf(old: State, next: State): Promise<VersionDiff> {
  const covered = new Set([...effective(old.overlays).keys(), ...effective(next.overlays).keys()]);
  const job: CompareJob = { old: old.base.image, next: next.base.image, covered: [...covered] };
  const small = old.version.recipients + next.version.recipients <= FEW;
  const comparison = small ? runCompare(job) : await inThread<Comparison>({ compare: job });
  return new VersionDiff(old.version, next.version, comparison, covered);
}
