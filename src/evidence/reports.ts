/** The reports over many records: each day is read in the order in which it was written, a record at a time. Blocks; it runs in a worker. */
import type { EventRecord } from '../mail/event.ts';
import { readNote } from './chain.ts';
import { headOf } from './day-chain.ts';
import { DayReader, type Span } from './day-file.ts';
import { daysIn, fileOf, startOf } from './days.ts';
import { type ExceptionKind, exceptionOf, isOfDomain, remoteOf } from './tls-exceptions.ts';
import { type TlsReport, TlsTally } from './tls-tally.ts';

const DAY_MS = 86_400_000;

export interface ReportQuery extends Span {
  /** Lower case; its subdomains too. */
  readonly domain?: string;
}

/** The chain of a day that a report rests on. */
export interface DaySeal {
  readonly day: string;
  /** null where the day was written by an earlier version, which made no chain. */
  readonly records: number | null;
  readonly head: string | null;
}

export interface SealedTlsReport extends TlsReport {
  readonly chain: readonly DaySeal[];
  /** Records that were read. */
  readonly records: number;
}

/** One hop that is an exception. */
export interface ExceptionRow {
  readonly time: string;
  readonly kind: ExceptionKind;
  readonly direction: 'in' | 'out';
  readonly 'spool-id': string | null;
  readonly 'message-id': string | null;
  readonly sender: string | null;
  readonly recipient: string | null;
  readonly way: string;
  readonly remote: string;
  readonly protocol: string | null;
  readonly cipher: string | null;
  readonly reason: string;
}

export interface ExceptionPage {
  readonly rows: readonly ExceptionRow[];
  /** Where the next page begins; null at the end. */
  readonly next: string | null;
}

/** Deliveries of one UTC day, a recipient each. */
export interface DayDeliveries {
  readonly day: string;
  readonly cloud: number;
  readonly 'on-premises': number;
  readonly internet: number;
}

export function tlsReport(directory: string, query: ReportQuery, pending: readonly string[]): SealedTlsReport {
  const tally = new TlsTally(query.domain);
  let records = 0;
  for (const { record } of recordsOf(directory, query, pending)) {
    records += 1;
    tally.note(record);
  }
  const chain = daysOf(directory, query).map((day): DaySeal => {
    const file = fileOf(directory, day);
    const head = headOf(file) ?? readNote(file);
    return { day, records: head?.records ?? null, head: head?.head ?? null };
  });
  return { ...tally.report(), chain, records };
}

/** The exceptions one by one, from where the page before ended. */
export function exceptionPage(directory: string, query: ReportQuery, after: string | undefined, limit: number): ExceptionPage {
  const rows: ExceptionRow[] = [];
  for (const { record, place } of recordsOf(directory, query, [], after)) {
    if (record['spool-id'] === undefined || (query.domain !== undefined && !isOfDomain(record, query.domain))) continue;
    const direction = record.event === 'RECEIVE' ? 'in' : 'out';
    if (direction === 'out' && record.event !== 'SEND' && record.event !== 'DEFER' && record.event !== 'FAIL') continue;
    const found = exceptionOf(record);
    if (found === undefined) continue;
    if (rows.length >= limit) return { rows, next: place };
    rows.push({
      time: record.time,
      ...found,
      direction,
      'spool-id': record['spool-id'],
      'message-id': record['message-id'] ?? null,
      sender: record.sender ?? null,
      recipient: record.recipient ?? null,
      way: (direction === 'in' ? record.peer : record.connector) ?? 'unknown',
      remote: remoteOf(record),
      protocol: record.tls?.protocol ?? null,
      cipher: record.tls?.cipher ?? null,
    });
  }
  return { rows, next: null };
}

export function deliveriesByDay(directory: string, query: ReportQuery, pending: readonly string[]): DayDeliveries[] {
  const days = new Map<string, Record<string, number>>();
  for (const { record } of recordsOf(directory, query, pending)) {
    if (record.event !== 'SEND' || record.copy === true || record.route === undefined) continue;
    if (query.domain !== undefined && !isOfDomain(record, query.domain)) continue;
    const day = record.time.slice(0, 10);
    const sum = days.get(day) ?? {};
    days.set(day, sum);
    sum[record.route] = (sum[record.route] ?? 0) + 1;
  }
  return [...days]
    .sort(([a], [b]) => a.localeCompare(b))
    .map(([day, sum]) => ({
      day,
      cloud: sum['cloud'] ?? 0,
      'on-premises': sum['on-premises'] ?? 0,
      internet: sum['internet'] ?? 0,
    }));
}

interface Placed {
  readonly record: EventRecord;
  /** Its day and number: where a page can begin. */
  readonly place: string;
}

/** Records of the span, day by day; `pending`: serialised records that may not be in the files yet. */
function* recordsOf(directory: string, span: Span, pending: readonly string[], from?: string): Generator<Placed> {
  const late = new Set(pending);
  const [firstDay = '', firstId = '0'] = from?.split(' ') ?? [];
  for (const day of daysOf(directory, span)) {
    if (day < firstDay) continue;
    using reader = new DayReader(fileOf(directory, day));
    for (const { id, json } of reader.inOrder(span, day === firstDay ? Number(firstId) : 0)) {
      if (late.size > 0) late.delete(json);
      const record = parse(json);
      if (record !== undefined) yield { record, place: `${day} ${id}` };
    }
  }
  for (const json of late) {
    const record = parse(json);
    const time = Date.parse(record?.time ?? '');
    if (record !== undefined && time >= span.since && time < span.until) yield { record, place: 'pending 0' };
  }
}

function daysOf(directory: string, span: Span): string[] {
  return daysIn(directory).filter((day) => startOf(day) < span.until && startOf(day) + DAY_MS > span.since);
}

/** A line that is no JSON (a damaged file) is `report verify`'s affair. */
function parse(json: string): EventRecord | undefined {
  try {
    return JSON.parse(json) as EventRecord;
  } catch {
    return undefined;
  }
}
