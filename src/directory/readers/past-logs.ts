/** Logs of the relay that was here before, for shadow mode: Postfix, Exim, Exchange, or a list of recipients; gzip too. */
import { basename } from 'node:path';
import { parseMailbox } from '../../mail/address.ts';
import type { Finding } from '../ports.ts';
import { type CsvMistake, type Delimiter, rowsByChunk } from './csv-rows.ts';
import { linesByChunk } from './lines.ts';
import { EximLog, isEximLine } from './past-exim.ts';
import type { LogReader, PastCounts, PastMessage } from './past-message.ts';
import { isPostfixLine, PostfixLog } from './past-postfix.ts';
import { isTrackingHeader, TrackingLog } from './past-tracking.ts';
import { readingFile } from './reading-file.ts';
import { addressColumn, headerOf } from './recognise.ts';
import { fileProblem, readHead, utf8Octets } from './text-file.ts';

export type PastFormat = 'postfix' | 'exim' | 'message-tracking' | 'list';

export interface PastLog {
  readonly format: PastFormat;
  /** Grows while the messages are read. */
  readonly counts: Readonly<PastCounts>;
  /** What ended the reading before the end of the file; known once the messages were read. */
  readonly findings: readonly Finding[];
  /** To be read once, in bounded memory. */
  readonly messages: AsyncIterable<PastMessage>;
}

export type OpenedLog =
  | { readonly ok: true; readonly log: PastLog }
  | { readonly ok: false; readonly findings: readonly Finding[] };

const REMEDY = 'Give the mail log of Postfix, the main log of Exim, a message tracking log of Exchange, or one address a line';

/** Opens a log. `now` gives the year, which syslog leaves out. Rejects for a broken machine alone. */
export async function openPastLog(file: string, now: Date): Promise<OpenedLog> {
  const findings: Finding[] = [];
  let kind: { readonly format: PastFormat; readonly delimiter: Delimiter } | undefined;
  await readingFile(file, { finding: (finding) => findings.push(finding) }, async (report) => {
    kind = kindOf(await readHead(file));
    if (kind === undefined) report.error(1, '', 'this is no log that we know', REMEDY);
  });
  if (kind === undefined) return { ok: false, findings };
  const counts: PastCounts = { lines: 0, messages: 0, repeats: 0, others: 0, notUnderstood: 0 };
  const put =
    (batch: PastMessage[]) =>
    (message: PastMessage): void => {
      counts.messages++;
      batch.push(message);
    };
  const { format, delimiter } = kind;
  const batch: PastMessage[] = [];
  const steps =
    format === 'message-tracking'
      ? rowSteps(file, delimiter, counts, new TrackingLog(counts, put(batch)))
      : lineSteps(file, counts, lineReader(format, counts, put(batch), now));
  return { ok: true, log: { format, counts, findings, messages: messages(file, steps, batch, findings) } };
}

/** Hands out what each chunk of the file gave. */
async function* messages(
  file: string,
  steps: AsyncGenerator<void, CsvMistake | undefined>,
  batch: PastMessage[],
  findings: Finding[],
): AsyncGenerator<PastMessage> {
  const error = (line: number, problem: string, remedy: string): void => {
    findings.push({ severity: 'error', file: basename(file), line, address: '', problem, remedy });
  };
  try {
    for (;;) {
      const step = await steps.next();
      yield* batch.splice(0);
      if (step.done !== true) continue;
      if (step.value !== undefined) error(step.value.line, step.value.problem, step.value.remedy);
      return;
    }
  } catch (thrown) {
    const found = fileProblem(thrown);
    if (found === undefined) throw thrown;
    error(0, found.problem, found.remedy);
  } finally {
    await steps.return(undefined);
  }
}

async function* lineSteps(file: string, counts: PastCounts, reader: LogReader): AsyncGenerator<void, undefined> {
  yield* linesByChunk(utf8Octets(file), (line, number) => {
    counts.lines++;
    if (line.trim() === '') counts.others++;
    else reader.line(line, number);
    return true;
  });
  return undefined;
}

function rowSteps(
  file: string,
  delimiter: Delimiter,
  counts: PastCounts,
  reader: TrackingLog,
): AsyncGenerator<void, CsvMistake | undefined> {
  return rowsByChunk(file, { delimiter, isLax: true }, (cells, line) => {
    counts.lines++;
    reader.row(cells, line);
    return true;
  });
}

function lineReader(
  format: Exclude<PastFormat, 'message-tracking'>,
  counts: PastCounts,
  put: (message: PastMessage) => void,
  now: Date,
): LogReader {
  switch (format) {
    case 'postfix':
      return new PostfixLog(counts, put, now);
    case 'exim':
      return new EximLog(counts, put);
    case 'list':
      return {
        line: (line, number) => {
          const text = line.trim().replace(/^<(.*)>$/, '$1');
          const recipient = text.startsWith('#') ? undefined : parseMailbox(text);
          if (recipient !== undefined) put({ recipient, line: number });
          else if (text.startsWith('#') || (number === 1 && addressColumn([text.toLowerCase()]) !== undefined)) counts.others++;
          else counts.notUnderstood++;
        },
      };
  }
}

/** By the first line that one of the writers would write. */
function kindOf(head: string): { readonly format: PastFormat; readonly delimiter: Delimiter } | undefined {
  let isList = false;
  for (const line of head.split(/\r\n|\n|\r/, 500)) {
    if (isPostfixLine(line)) return { format: 'postfix', delimiter: ',' };
    if (isEximLine(line)) return { format: 'exim', delimiter: ',' };
    const { delimiter, columns } = headerOf(line);
    if (columns.length > 2 && isTrackingHeader(columns)) return { format: 'message-tracking', delimiter };
    isList ||= /^<?[^\s,;<>"]+@[^\s,;<>"@]+>?$/.test(line.trim());
  }
  return isList ? { format: 'list', delimiter: ',' } : undefined;
}
