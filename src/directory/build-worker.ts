/** The thread that builds a version or compares two: one task, one answer, and it ends. */
import { platform, setPriority } from 'node:os';
import { parentPort, workerData } from 'node:worker_threads';
import { type BuildAnswer, type BuildJob, type CompareJob, runBuild, runCompare } from './build-job.ts';
import type { Comparison } from './compare.ts';

export type WorkerTask = { readonly build: BuildJob } | { readonly compare: CompareJob };
export type WorkerAnswer = { readonly answer: BuildAnswer | Comparison } | { readonly error: string };

/** Linux gives each thread its own: mail goes first. Elsewhere it would slow the whole process. */
const NICE = 10;

if (parentPort !== null) {
  if (platform() === 'linux') setPriority(NICE);
  const port = parentPort;
  const task = workerData as WorkerTask;
  try {
    const answer = 'build' in task ? await runBuild(task.build) : runCompare(task.compare);
    // the index is shared memory: nothing of it is copied
    port.postMessage({ answer } satisfies WorkerAnswer);
  } catch (error) {
    port.postMessage({ error: error instanceof Error ? error.message : String(error) } satisfies WorkerAnswer);
  }
}
