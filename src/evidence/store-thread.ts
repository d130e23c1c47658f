/** One worker thread of the store, started when first asked and started again after it died. */
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { workerFile } from '../platform/worker-file.ts';
import type { StoreSettings } from './store.ts';
import type { WorkerAnswer, WorkerRequest } from './store-worker.ts';

interface Waiting {
  resolve(value: unknown): void;
  reject(error: Error): void;
}

export class StoreThread implements AsyncDisposable {
  readonly #settings: StoreSettings;
  readonly #waiting = new Map<number, Waiting>();
  #worker: Worker | undefined;
  #lastId = 0;
  readonly #restAfter: number | undefined;
  #resting: NodeJS.Timeout | undefined;

  /** `restAfter`: milliseconds without work after which the thread ends, to be started again when it is asked. */
  constructor(settings: StoreSettings, restAfter?: number) {
    this.#settings = settings;
    this.#restAfter = restAfter;
  }

  /** Rejects when the work failed or the thread died; `T` is what the kind of request answers. */
  ask<T>(request: WorkerRequest): Promise<T> {
    const worker = (this.#worker ??= this.#start());
    const id = ++this.#lastId;
    clearTimeout(this.#resting);
    return new Promise<T>((resolve, reject) => {
      this.#waiting.set(id, { resolve: (value) => resolve(value as T), reject });
      worker.ref();
      worker.postMessage({ id, request });
    });
  }

  #start(): Worker {
    const worker = new Worker(workerFile('./store-worker', import.meta.url), {
      workerData: this.#settings,
      resourceLimits: { maxYoungGenerationSizeMb: 8 }, // batches die young; more would only be kept
    });
    worker.on('message', (answer: WorkerAnswer) => {
      const waiting = this.#waiting.get(answer.id);
      this.#waiting.delete(answer.id);
      if (this.#waiting.size === 0) this.#idle(worker);
      if (answer.error === undefined) waiting?.resolve(answer.value);
      else waiting?.reject(new Error(answer.error));
    });
    let cause = new Error('the evidence thread ended');
    worker.on('error', (error) => {
      cause = error instanceof Error ? error : new Error(String(error));
    });
    worker.on('exit', () => {
      if (this.#worker === worker) this.#worker = undefined;
      const waiting = [...this.#waiting.values()];
      this.#waiting.clear();
      for (const one of waiting) one.reject(cause);
    });
    return worker;
  }

  #idle(worker: Worker): void {
    worker.unref(); // an idle thread keeps no process alive
    if (this.#restAfter === undefined) return;
    this.#resting = setTimeout(() => {
      this.#worker = undefined;
      worker.postMessage('close');
    }, this.#restAfter).unref();
  }

  /** Lets the thread finish what it was given, then ends it. */
  async [Symbol.asyncDispose](): Promise<void> {
    clearTimeout(this.#resting);
    const worker = this.#worker;
    if (worker === undefined) return;
    worker.ref();
    const gone = once(worker, 'exit');
    worker.postMessage('close');
    await gone;
  }
}
