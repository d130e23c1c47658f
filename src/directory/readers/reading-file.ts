/** One reading of one file: what the file has wrong becomes a finding, only a broken machine rejects. */
import { basename } from 'node:path';
import type { RecordSink } from '../ports.ts';
import { Report } from './report.ts';
import { fileProblem } from './text-file.ts';

export async function readingFile(
  file: string,
  sink: Pick<RecordSink, 'finding'>,
  read: (report: Report) => Promise<void>,
): Promise<void> {
  const report = new Report(sink, basename(file));
  try {
    await read(report);
  } catch (thrown) {
    const found = fileProblem(thrown);
    if (found === undefined) throw thrown;
    report.error(0, '', found.problem, found.remedy);
  }
}
