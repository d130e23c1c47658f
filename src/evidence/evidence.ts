/** The evidence of what happened to every message: written behind the spool's outbox, asked by operators. */
import { join } from 'node:path';
import type { Clock } from '../platform/clock.ts';
import type { Log } from '../platform/logger.ts';
import type { Span } from './day-file.ts';
import type { EvidenceAnswer, EvidenceFilter } from './filter.ts';
import { Intake, type IntakeState, tell } from './intake.ts';
import type { Outbox } from './ports.ts';
import { EvidenceReader } from './query.ts';
import {
  type DayDeliveries,
  deliveriesByDay,
  type ExceptionPage,
  exceptionPage,
  type ReportQuery,
  type SealedTlsReport,
  tlsReport,
} from './reports.ts';
import { StoreThread } from './store-thread.ts';
import type { Inserted } from './store-worker.ts';
import { type Verification, verifyDays } from './verify.ts';

/** Longest wait of a question for the newest records to be written, milliseconds. */
const FRESHNESS_DEADLINE = 1000;
/** Lines of the outbox that a question looks at; beyond, the answer says that there is more. */
const PENDING_LINES = 20_000;

/** Milliseconds. Most relays are asked nothing for hours, and a thread costs 10 MiB. */
const READER_RESTS_AFTER = 5_000;

export interface EvidenceParts {
  readonly outbox: Outbox;
  readonly clock: Clock;
  readonly log: Log;
  readonly keepDays: number;
}

/** What is reported over many records. Rejects where a day cannot be read: a report without it would pass for the whole (R19). */
export interface Reports {
  tls(query: ReportQuery): Promise<SealedTlsReport>;
  /** The exceptions of that report one by one, in pages of `limit`. */
  exceptions(query: ReportQuery, after: string | undefined, limit: number): Promise<ExceptionPage>;
  deliveries(query: ReportQuery): Promise<DayDeliveries[]>;
  verify(span: Span): Promise<Verification>;
}

export interface Evidence extends AsyncDisposable {
  readonly reports: Reports;
  query(filter: EvidenceFilter): Promise<EvidenceAnswer>;
  /** What is on its way, and why it stands still where it does. */
  readonly state: IntakeState;
  /** Resolves when all that the outbox held is in the store, or when writing fails. */
  drain(): Promise<void>;
}

/** Opens `<dataDirectory>/evidence` for the daemon: takes over what a crash left in the outbox and goes on from there. */
export async function openEvidence(dataDirectory: string, parts: EvidenceParts): Promise<Evidence> {
  const settings = { directory: join(dataDirectory, 'evidence'), keepDays: parts.keepDays };
  const writer = new StoreThread(settings);
  const reader = new StoreThread(settings, READER_RESTS_AFTER);
  const reporter = new StoreThread(settings, READER_RESTS_AFTER); // its own: a year's report must not keep a trace waiting
  // Opens today's file now: a store that cannot promise durability stops the start, not the first message
  tell(parts.log, await writer.ask<Inserted>({ kind: 'insert', batches: [], now: parts.clock.now() }));
  const intake = new Intake(parts.outbox, writer, parts.clock, parts.log);
  const fresh = async (): Promise<readonly string[]> => {
    await within(FRESHNESS_DEADLINE, intake.drain());
    return pendingLines(parts.outbox).lines;
  };
  return {
    reports: {
      tls: async (query) => reporter.ask({ kind: 'tls', query, pending: await fresh() }),
      exceptions: async (query, after, limit) => reporter.ask({ kind: 'exceptions', query, after, limit }),
      deliveries: async (query) => reporter.ask({ kind: 'deliveries', query, pending: await fresh() }),
      verify: (span) => reporter.ask({ kind: 'verify', span }),
    },
    async query(filter) {
      await within(FRESHNESS_DEADLINE, intake.drain());
      const { lines, cut } = pendingLines(parts.outbox);
      const answer = await reader.ask<EvidenceAnswer>({ kind: 'query', filter, pending: lines });
      return cut ? { ...answer, more: true } : answer;
    },
    get state() {
      return intake.state;
    },
    drain: () => intake.drain(),
    async [Symbol.asyncDispose]() {
      await intake.close();
      // The writer last: who closes last folds the write-ahead log into the file, and a reader cannot
      await Promise.all([reader[Symbol.asyncDispose](), reporter[Symbol.asyncDispose]()]);
      await writer[Symbol.asyncDispose]();
    },
  };
}

/** Asks the same of a data directory without a daemon. Changes nothing. */
export function readEvidence(dataDirectory: string, outbox: Pick<Outbox, 'pending'>, filter: EvidenceFilter): EvidenceAnswer {
  using reader = new EvidenceReader(join(dataDirectory, 'evidence'));
  const { lines, cut } = pendingLines(outbox);
  const answer = reader.query(filter, lines);
  return cut ? { ...answer, more: true } : answer;
}

/** The reports of a data directory without a daemon. Changes nothing. */
export function readReports(dataDirectory: string, outbox: Pick<Outbox, 'pending'>): Reports {
  const directory = join(dataDirectory, 'evidence');
  const soon = async <T>(work: () => T): Promise<T> => work();
  return {
    tls: (query) => soon(() => tlsReport(directory, query, pendingLines(outbox).lines)),
    exceptions: (query, after, limit) => soon(() => exceptionPage(directory, query, after, limit)),
    deliveries: (query) => soon(() => deliveriesByDay(directory, query, pendingLines(outbox).lines)),
    verify: (span) => soon(() => verifyDays(directory, span)),
  };
}

function pendingLines(outbox: Pick<Outbox, 'pending'>): { lines: string[]; cut: boolean } {
  const lines: string[] = [];
  for (const batch of outbox.pending()) {
    if (lines.length >= PENDING_LINES) return { lines, cut: true };
    for (const line of batch.lines.split('\n')) if (line !== '') lines.push(line);
  }
  return { lines, cut: false };
}

async function within(milliseconds: number, work: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const deadline = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, milliseconds);
  });
  await Promise.race([work, deadline]);
  clearTimeout(timer);
}
