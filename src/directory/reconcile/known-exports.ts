/**
 * Exports that are kept for comparing alone: what a side has, without a word in routing. A mailbox is in the cloud days
 * before its mail goes there, so the cloud's own export must not become a source of routes by being looked at.
 */
import { readFileSync, renameSync, rmSync } from 'node:fs';
import { copyFile } from 'node:fs/promises';
import { join } from 'node:path';
import { makeDirectory, replaceFile, syncDirectoryNow } from '../../platform/files.ts';
import type { DirectoryChecks, Finding } from '../ports.ts';
import { isFormat, openFileSource } from '../readers/open-source.ts';
import { SideIndex, type SideName, type SideSource } from './side-index.ts';

interface Kept {
  /** Milliseconds since the epoch. */
  readonly takenAt: number;
  readonly files: readonly { readonly name: string; readonly format: string }[];
}

export interface KnownFile {
  /** What findings call it. */
  readonly name: string;
  /** Absolute path. */
  readonly path: string;
}

/** What became of an export; nothing was kept where a finding is an error. */
export interface KeptExport {
  readonly side: SideName;
  readonly kept: boolean;
  readonly recipients: number;
  readonly mailboxes: number;
  readonly findings: readonly Finding[];
}

export class KnownExports {
  readonly #folder: string;

  /** `folder`: absolute path, made where it is missing. */
  constructor(folder: string) {
    this.#folder = folder;
  }

  /** Puts an export in the place of the one before, once it is read whole. Rejects when the disk fails; nothing changes then. */
  async keep(
    side: SideName,
    files: readonly KnownFile[],
    format: string | undefined,
    checks: DirectoryChecks,
    now: number,
  ): Promise<KeptExport> {
    const findings: Finding[] = [];
    const index = new SideIndex(side);
    const kept: { name: string; format: string }[] = [];
    for (const { name, path } of files) {
      if (format !== undefined && !isFormat(format)) return refused(side, name, `there is no format "${format}"`);
      const opened = await openFileSource({
        name: `${side}-export`,
        file: path,
        checks,
        side,
        ...(format !== undefined && { format }),
      });
      if (!opened.ok) return { side, kept: false, recipients: 0, mailboxes: 0, findings: opened.findings };
      if (opened.format === 'recipients-csv')
        return refused(side, name, 'this is a list of our own, and says nothing of what a server has');
      await index.read({ side, source: opened.source }, { finding: (finding) => findings.push(finding) });
      kept.push({ name, format: opened.format });
    }
    const { recipients, mailboxes } = index.facts;
    if (findings.some(({ severity }) => severity === 'error')) return { side, kept: false, recipients, mailboxes, findings };
    await this.#store(side, files, { takenAt: now, files: kept });
    return { side, kept: true, recipients, mailboxes, findings };
  }

  /** The export of a side that is kept, as sources; empty where there is none. */
  async sources(side: SideName, checks: DirectoryChecks): Promise<SideSource[]> {
    const kept = this.#kept(side);
    const sources: SideSource[] = [];
    for (const [i, { name, format }] of (kept?.files ?? []).entries()) {
      const file = join(this.#folder, side, fileName(i, name));
      const opened = await openFileSource({ name: `${side}-export`, file, checks, side, ...(isFormat(format) && { format }) });
      if (opened.ok && kept !== undefined)
        sources.push({ side, source: { ...opened.source, origin: name }, takenAt: kept.takenAt });
    }
    return sources;
  }

  /** A crash before the end leaves the export of before, or none: then nothing is known, and nothing wrong is believed. */
  async #store(side: SideName, files: readonly KnownFile[], kept: Kept): Promise<void> {
    const folder = join(this.#folder, side);
    const draft = `${folder}.new`;
    rmSync(draft, { recursive: true, force: true });
    makeDirectory(draft);
    for (const [i, { name, path }] of files.entries()) await copyFile(path, join(draft, fileName(i, name)));
    replaceFile(join(draft, 'export.json'), `${JSON.stringify(kept)}\n`);
    rmSync(folder, { recursive: true, force: true });
    renameSync(draft, folder);
    syncDirectoryNow(this.#folder);
  }

  #kept(side: SideName): Kept | undefined {
    try {
      return JSON.parse(readFileSync(join(this.#folder, side, 'export.json'), 'utf8')) as Kept;
    } catch {
      return undefined;
    }
  }
}

const fileName = (index: number, name: string): string => `${index}-${name.replace(/[^\w.-]/g, '_').slice(-80)}`;

const refused = (side: SideName, file: string, problem: string): KeptExport => ({
  side,
  kept: false,
  recipients: 0,
  mailboxes: 0,
  findings: [
    { severity: 'error', file, line: 0, address: '', problem, remedy: 'Give an export of Exchange, LDIF, or Graph JSON' },
  ],
});
