/** Files as sources: which reader, and whether a file is still what was read of it. */
import { stat } from 'node:fs/promises';
import { basename } from 'node:path';
import type { DirectoryChecks, DirectorySource, RecordSink } from './ports.ts';
import type { Side } from './readers/object-records.ts';
import { isFormat, type OpenedSource, openFileSource } from './readers/open-source.ts';
import { FORMATS, headerOf, recognise } from './readers/recognise.ts';
import { readHead } from './readers/text-file.ts';

export interface NamedFile {
  readonly file: string;
  /** The name that findings and reasons show. */
  readonly origin: string;
  /** Absent: recognised from the content. */
  readonly format?: string;
  /** Where an Exchange export was made. */
  readonly side?: Side;
}

/** A file as a source. What it is and what it has wrong is told when it is read. */
export function fileReader(name: string, named: NamedFile, checks: DirectoryChecks): DirectorySource {
  const { origin } = named;
  const own = basename(named.file);
  return {
    name,
    origin,
    async read(sink) {
      const shown: RecordSink = {
        record: (record) => sink.record(record),
        // a file that was handed in lies under a name that nobody knows
        finding: (finding) => sink.finding(finding.file === own ? { ...finding, file: origin } : finding),
      };
      const opened = await openNamed(name, named, checks);
      if (opened.ok) return opened.source.read(shown);
      for (const finding of opened.findings) shown.finding(finding);
    },
  };
}

async function openNamed(name: string, { file, format, side }: NamedFile, checks: DirectoryChecks): Promise<OpenedSource> {
  if (format !== undefined && !isFormat(format)) {
    const remedy = `Known: ${FORMATS.join(', ')}`;
    return {
      ok: false,
      findings: [
        { severity: 'error', file: basename(file), line: 0, address: '', problem: `there is no format "${format}"`, remedy },
      ],
    };
  }
  const options = { name, file, checks, ...(format !== undefined && { format }), ...(side !== undefined && { side }) };
  const opened = await openFileSource(options);
  if (opened.ok || format !== undefined || !(await looksPlain(file))) return opened;
  return openFileSource({ ...options, format: 'recipients-csv' });
}

/** Our own form with a mistake in its header line: its reader says best what is wrong with it. */
async function looksPlain(file: string): Promise<boolean> {
  const head = await readHead(file).catch(() => '');
  const header = head.split(/\r\n|\n|\r/).find((line) => line.trim() !== '' && !line.startsWith('#')) ?? '';
  return recognise(head) === undefined && headerOf(header).columns.includes('route');
}

/** A clock of two seconds' steps (FAT) is the coarsest that a file system has. */
const COARSEST = 2_000;

/**
 * What tells one content of a file from another without reading it; empty where it was written so short a time ago that
 * the next write may look the same. `undefined`: there is no such file.
 */
export async function stampOf(file: string, now: number): Promise<string | undefined> {
  try {
    const { size, mtimeNs, ino, mtimeMs } = await stat(file, { bigint: true });
    return Number(mtimeMs) > now - COARSEST ? '' : `${size}:${mtimeNs}:${ino}`;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

/** Octets; 0 where there is no such file. */
export async function sizeOf(file: string): Promise<number> {
  return (await stat(file).catch(() => undefined))?.size ?? 0;
}
