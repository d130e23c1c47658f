/** The thread of the evidence store: either the one that writes or the one that reads (a question never delays a record). */
import { parentPort, workerData } from 'node:worker_threads';
import type { EvidenceFilter } from './filter.ts';
import type { OutboxBatch } from './ports.ts';
import { EvidenceReader } from './query.ts';
import { Store, type StoreSettings } from './store.ts';

export type WorkerRequest =
  | { readonly kind: 'insert'; readonly batches: readonly OutboxBatch[]; readonly now: number }
  | { readonly kind: 'query'; readonly filter: EvidenceFilter; readonly pending: readonly string[] };

export interface WorkerAnswer {
  readonly id: number;
  readonly value?: unknown;
  readonly error?: string;
}

if (parentPort !== null) {
  const port = parentPort;
  const settings = workerData as StoreSettings;
  let store: Store | undefined;
  let reader: EvidenceReader | undefined;
  const work = (request: WorkerRequest): unknown => {
    switch (request.kind) {
      case 'insert':
        store ??= new Store(settings);
        store.insert(request.batches, request.now);
        return store.takeAside();
      case 'query':
        reader ??= new EvidenceReader(settings.directory);
        return reader.query(request.filter, request.pending);
    }
  };
  port.on('message', (message: { id: number; request: WorkerRequest } | 'close') => {
    if (message === 'close') {
      store?.[Symbol.dispose]();
      reader?.[Symbol.dispose]();
      port.close();
      return;
    }
    let answer: WorkerAnswer;
    try {
      answer = { id: message.id, value: work(message.request) };
    } catch (error) {
      // Open handles may be of a file that is broken or gone: begin anew with the next request
      store?.[Symbol.dispose]();
      reader?.[Symbol.dispose]();
      store = undefined;
      reader = undefined;
      answer = { id: message.id, error: error instanceof Error ? error.message : String(error) };
    }
    port.postMessage(answer);
  });
}
