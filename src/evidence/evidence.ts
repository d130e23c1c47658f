/** The evidence of what happened to every message: written behind the spool's outbox, asked by operators. */
import { join } from 'node:path';
import type { Clock } from '../platform/clock.ts';
import type { Log } from '../platform/logger.ts';
import type { EvidenceAnswer, EvidenceFilter } from './filter.ts';
import { Intake, type IntakeState } from './intake.ts';
import type { Outbox } from './ports.ts';
import { EvidenceReader } from './query.ts';
import { StoreThread } from './store-thread.ts';

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

export interface Evidence extends AsyncDisposable {
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
  // Opens today's file now: a store that cannot promise durability stops the start, not the first message
  const aside = await writer.ask<string[]>({ kind: 'insert', batches: [], now: parts.clock.now() });
  for (const file of aside) parts.log.error({ file }, 'damaged evidence was set aside');
  const intake = new Intake(parts.outbox, writer, parts.clock, parts.log);
  return {
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
      await reader[Symbol.asyncDispose]();
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
