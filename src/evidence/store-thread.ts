/** One worker thread of the store, started when first asked and started again after it died. */
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import type { StoreSettings } from './store.ts';
import type { WorkerAnswer, WorkerRequest } from './store-worker.ts';

// The checkout runs .ts, the published package .js (design.md D1)
const MODULE = new URL('./store-worker.ts', import.meta.url);
if (!import.meta.url.endsWith('.ts')) MODULE.pathname = MODULE.pathname.replace(/\.ts$/, '.js');

interface Waiting {
  resolve(value: unknown): void;
  reject(error: Error): void;
}

export class StoreThread implements AsyncDisposable {
  readonly #settings: StoreSettings;
  readonly #waiting = new Map<number, Waiting>();
  #worker: Worker | undefined;
  #lastId = 0;

  constructor(settings: StoreSettings) {
    this.#settings = settings;
  }

  /** Rejects when the work failed or the thread died; `T` is what the kind of request answers. */
  ask<T>(request: WorkerRequest): Promise<T> {
    const worker = (this.#worker ??= this.#start());
    const id = ++this.#lastId;
    return new Promise<T>((resolve, reject) => {
      this.#waiting.set(id, { resolve: (value) => resolve(value as T), reject });
      worker.ref();
      worker.postMessage({ id, request });
    });
  }

  #start(): Worker {
    const worker = new Worker(MODULE, { workerData: this.#settings });
    worker.on('message', (answer: WorkerAnswer) => {
      const waiting = this.#waiting.get(answer.id);
      this.#waiting.delete(answer.id);
      if (this.#waiting.size === 0) worker.unref(); // an idle thread keeps no process alive
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

  /** Lets the thread finish what it was given, then ends it. */
  async [Symbol.asyncDispose](): Promise<void> {
    const worker = this.#worker;
    if (worker === undefined) return;
    worker.ref();
    const gone = once(worker, 'exit');
    worker.postMessage('close');
    await gone;
  }
}
