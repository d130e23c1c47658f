/** The thread of the evidence store: the one that writes, the one that answers, or the one that reports (a question never delays a record). */
import { parentPort, workerData } from 'node:worker_threads';
import type { Span } from './day-file.ts';
import type { EvidenceFilter } from './filter.ts';
import type { OutboxBatch } from './ports.ts';
import { EvidenceReader } from './query.ts';
import { deliveriesByDay, exceptionPage, type ReportQuery, tlsReport } from './reports.ts';
import { type DayHead, Store, type StoreSettings } from './store.ts';
import { verifyDays } from './verify.ts';

export type WorkerRequest =
  | { readonly kind: 'insert'; readonly batches: readonly OutboxBatch[]; readonly now: number }
  | { readonly kind: 'query'; readonly filter: EvidenceFilter; readonly pending: readonly string[] }
  | { readonly kind: 'tls' | 'deliveries'; readonly query: ReportQuery; readonly pending: readonly string[] }
  | { readonly kind: 'exceptions'; readonly query: ReportQuery; readonly after: string | undefined; readonly limit: number }
  | { readonly kind: 'verify'; readonly span: Span };

/** What an insert answers. */
export interface Inserted {
  /** Damaged files that were set aside. */
  readonly aside: readonly string[];
  /** Days that ended. */
  readonly over: readonly DayHead[];
}

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
        return { aside: store.takeAside(), over: store.takeOver() } satisfies Inserted;
      case 'query':
        reader ??= new EvidenceReader(settings.directory);
        return reader.query(request.filter, request.pending);
      case 'tls':
        return tlsReport(settings.directory, request.query, request.pending);
      case 'deliveries':
        return deliveriesByDay(settings.directory, request.query, request.pending);
      case 'exceptions':
        return exceptionPage(settings.directory, request.query, request.after, request.limit);
      case 'verify':
        return verifyDays(settings.directory, request.span);
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
