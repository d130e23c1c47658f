/** The work of making a version of sources, as values in and values out: it runs here or in a thread of its own. */
import { mailboxKey, parseMailbox } from '../mail/address.ts';
import { Building, digestOf } from './build.ts';
import { type Comparison, compare } from './compare.ts';
import { CompiledIndex, type IndexImage } from './compiled-index.ts';
import { type GuardedPlace, goneFindings, SourceWatch, totalFindings } from './guards.ts';
import type { DirectoryChecks, DirectoryRecord, Finding } from './ports.ts';
import { RecordLines } from './record-lines.ts';
import { type RecordSet, readSet, SetWriter } from './record-sets.ts';
import { type Base, writeBase } from './snapshot.ts';
import { fileReader, type NamedFile } from './source-files.ts';

/** Where records come from: a file, a kept set, or lines of records and what their reader found. */
export type BuildPart =
  | ({ readonly kind: 'file' } & NamedFile)
  | { readonly kind: 'set'; readonly id: string }
  | {
      readonly kind: 'lines';
      readonly origin: string;
      readonly chunks: readonly Uint8Array[];
      readonly findings: readonly Finding[];
    };

export interface BuildInput {
  readonly name: string;
  readonly parts: readonly BuildPart[];
  /** A live source: a mistake concerns its own record alone, whose entry of before stays (C7). */
  readonly isLenient: boolean;
  /** What to type where its recipients are meant to go. */
  readonly yes: string;
  /** It was read anew: guarded and kept. The others are as they were. */
  readonly isFresh: boolean;
  /** What the source held before, for records that cannot be taken (C7). */
  readonly before?: string;
  /** Of a source that is as it was. */
  readonly digest?: string;
}

export interface BuildJob {
  readonly checks: DirectoryChecks;
  /** In their order of precedence. */
  readonly inputs: readonly BuildInput[];
  readonly folder: string;
  /** Write what is made; without it nothing is touched. */
  readonly keeps: boolean;
  /** The active version's records. */
  readonly old?: IndexImage;
  /** Keys of recipients that have an overlay. */
  readonly covered: readonly string[];
  /** Recipients of this source are meant to go; `true`: of any. */
  readonly yesShrink: boolean | string;
  /** Sources that the settings do not name any more, and do not call retired either. */
  readonly gone: readonly string[];
  /** Others are retired: their recipients are meant to go. */
  readonly isRetired: boolean;
  /** How much will be read, in octets: room is made for it at once. */
  readonly octets: number;
}

/** Two finished indexes. */
export interface CompareJob {
  readonly old: IndexImage;
  readonly next: IndexImage;
  readonly covered: readonly string[];
}

export const runCompare = ({ old, next, covered }: CompareJob): Comparison =>
  compare(new CompiledIndex(old), new CompiledIndex(next), new Set(covered));

export interface BuildAnswer {
  /** `mistakes`: the records are wrong. `guard`: they are right, and suspiciously few. */
  readonly refused?: 'mistakes' | 'guard';
  readonly findings: readonly Finding[];
  readonly base: Base;
  /** Of the base's file; empty where nothing was kept. */
  readonly baseId: string;
  readonly sets: ReadonlyMap<string, RecordSet>;
  readonly comparison: Comparison;
}

/** Passes over lenient sources; each leaves out the culprits of the one before. */
const MAX_PASSES = 6;

/** Rejects where a file or the disk fails; then nothing was kept but drafts. */
export async function runBuild(job: BuildJob): Promise<BuildAnswer> {
  const culprits = new Map<string, Set<string>>();
  const tolerated: Finding[] = [];
  for (let pass = 1; ; pass++) {
    const attempt = await build(job, culprits);
    let isNew = false;
    for (const [source, keys] of attempt.building.culprits) {
      const known = culprits.get(source) ?? new Set();
      for (const key of keys) {
        isNew ||= !known.has(key);
        known.add(key);
      }
      culprits.set(source, known);
    }
    if (!isNew || pass === MAX_PASSES) return conclude(job, attempt, tolerated, isNew);
    for (const writer of attempt.writers.values()) writer.drop();
    tolerated.push(...attempt.findings.filter(({ severity }) => severity !== 'error'));
  }
}

interface Attempt {
  readonly building: Building;
  readonly findings: readonly Finding[];
  readonly counts: Base['counts'];
  readonly writers: ReadonlyMap<string, SetWriter>;
  readonly watches: readonly SourceWatch[];
}

async function build(job: BuildJob, culprits: ReadonlyMap<string, ReadonlySet<string>>): Promise<Attempt> {
  const building = new Building(job.checks);
  const old = job.old === undefined ? undefined : new CompiledIndex(job.old);
  makeRoom(building.index, old, job.octets);
  const writers = new Map<string, SetWriter>();
  const watches: SourceWatch[] = [];
  try {
    for (const input of job.inputs) {
      const reading = new Reading(job, input, building, culprits.get(input.name));
      if (input.isFresh) {
        reading.writer = new SetWriter(job.keeps ? job.folder : undefined);
        writers.set(input.name, reading.writer);
        if (old !== undefined) watches.push((reading.watch = new SourceWatch(input.name, old)));
      }
      await reading.read();
    }
    return { building, ...(await building.finish()), writers, watches };
  } catch (error) {
    for (const writer of writers.values()) writer.drop();
    throw error;
  }
}

/** As much as the version before needs, and a little more; for a first one, by what a line of a file holds. */
function makeRoom(index: CompiledIndex, old: CompiledIndex | undefined, octets: number): void {
  const recipients = Math.ceil(Math.max(octets / 90, (old?.size ?? 0) * 1.05));
  const keys = Math.ceil(Math.max(recipients * 4, (old?.keys ?? 0) * 1.04));
  index.reserve({ recipients, keys, texts: Math.ceil(Math.max(octets * 0.6, (old?.textOctets ?? 0) * 1.05)) });
}

class Reading {
  writer: SetWriter | undefined;
  watch: SourceWatch | undefined;
  readonly #job: BuildJob;
  readonly #input: BuildInput;
  readonly #building: Building;
  readonly #culprits: ReadonlySet<string> | undefined;
  #origin = '';

  constructor(job: BuildJob, input: BuildInput, building: Building, culprits: ReadonlySet<string> | undefined) {
    this.#job = job;
    this.#input = input;
    this.#building = building;
    this.#culprits = culprits;
  }

  async read(): Promise<void> {
    const { name, parts, isLenient, before } = this.#input;
    const [first] = parts;
    this.#origin = first === undefined || first.kind === 'set' ? '' : first.origin;
    this.#building.begin(name, this.#origin, isLenient);
    if (this.#culprits !== undefined && before !== undefined) {
      // C7: who cannot be taken as the source has it now stays as it was
      this.#lines(readSet(this.#job.folder, before), (record, key) => {
        if (this.#culprits?.has(key) === true) this.#take(record, key);
      });
    }
    for (const part of parts) await this.#read(part);
  }

  async #read(part: BuildPart): Promise<void> {
    switch (part.kind) {
      case 'file':
        this.#from(part.origin);
        return fileReader(this.#input.name, part, this.#job.checks).read({
          record: (record) => this.#offer(record),
          finding: (finding) => this.#finding(finding),
        });
      case 'lines':
        this.#from(part.origin);
        for (const finding of part.findings) this.#finding(finding);
        return this.#lines(part.chunks, (record) => this.#offer(record));
      case 'set':
        return this.#lines(readSet(this.#job.folder, part.id), (record) => this.#offer(record));
    }
  }

  #lines(chunks: Iterable<Uint8Array>, each: (record: DirectoryRecord, key: string) => void): void {
    const lines = new RecordLines(
      (record) => each(record, mailboxKey(record.address)),
      (origin) => this.#from(origin),
    );
    for (const chunk of chunks) lines.take(chunk);
  }

  #from(origin: string): void {
    this.#origin = origin;
    this.#building.from(origin);
  }

  #offer(record: DirectoryRecord): void {
    const key = mailboxKey(record.address);
    if (this.#culprits?.has(key) !== true) this.#take(record, key);
  }

  #take(record: DirectoryRecord, key: string): void {
    this.#building.record(record);
    this.watch?.record(record, key);
    this.writer?.record(record, this.#origin);
  }

  #finding(finding: Finding): void {
    const isTolerated = this.#input.isLenient && finding.severity === 'error';
    this.#building.finding(isTolerated ? { ...finding, severity: 'warning' } : finding);
    if (!isTolerated) return;
    const address = parseMailbox(finding.address);
    if (address !== undefined) this.#building.blame(this.#input.name, mailboxKey(address));
  }
}

function conclude(job: BuildJob, attempt: Attempt, tolerated: readonly Finding[], isUnsettled: boolean): BuildAnswer {
  const { building, writers, watches, counts } = attempt;
  const findings = distinct([...tolerated, ...attempt.findings]);
  if (isUnsettled)
    findings.push({
      severity: 'error',
      file: '',
      line: 0,
      address: '',
      problem: 'the live sources contradict themselves in too many ways',
      remedy: 'Mend what the other findings name',
    });
  const isWrong = findings.some(({ severity }) => severity === 'error');
  const image = building.index.finish();
  const next = new CompiledIndex(image);
  const old = new CompiledIndex(job.old);
  const comparison = compare(old, next, new Set(job.covered));
  if (!isWrong && job.yesShrink !== true && job.old !== undefined) {
    const guarded = watches.filter(({ name }) => name !== job.yesShrink);
    const shrunken = [
      ...guarded.flatMap((watch) => watch.findings(placeOf(job, watch.name))),
      ...job.gone.flatMap((name) => goneFindings(name, old, next, comparison)),
    ];
    // whoever a source lost is lost in total as well: said once. What the one may lose that is meant to shrink, the total may
    const isMeant = typeof job.yesShrink === 'string' || job.isRetired;
    const first = isMeant ? undefined : job.inputs.find(({ isFresh }) => isFresh)?.name;
    if (shrunken.length === 0 && first !== undefined) shrunken.push(...totalFindings(old, next, comparison, placeOf(job, first)));
    findings.push(...shrunken);
  }
  const isRefused = findings.some(({ severity }) => severity === 'error');
  const sets = new Map<string, RecordSet>();
  for (const [name, writer] of writers) {
    if (isRefused) writer.drop();
    else sets.set(name, writer.keep());
  }
  const digest = digestOf(job.inputs.map(({ name, digest: kept }) => [name, sets.get(name)?.digest ?? kept ?? '']));
  const base: Base = { image, digest, counts, findings };
  return {
    ...(isRefused && { refused: isWrong ? 'mistakes' : 'guard' }),
    findings,
    base,
    baseId: isRefused || !job.keeps ? '' : writeBase(job.folder, base),
    sets,
    comparison,
  };
}

function placeOf(job: BuildJob, name: string): GuardedPlace {
  const input = job.inputs.find((one) => one.name === name);
  const part = input?.parts[0];
  return { origin: part === undefined || part.kind === 'set' ? name : part.origin, yes: input?.yes ?? '' };
}

function distinct(findings: readonly Finding[]): Finding[] {
  const seen = new Map<string, Finding>();
  for (const finding of findings) seen.set(`${finding.file}\t${finding.line}\t${finding.address}\t${finding.problem}`, finding);
  return [...seen.values()];
}
