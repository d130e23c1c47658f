/** What operators ask of mail that was: how another relay's past would go here, and who sent through us. */
import { OperationError } from './admin/contract.ts';
import type { NamedFile } from './admin/directory-contract.ts';
import type { AdminPorts } from './admin/ports.ts';
import type { MxSwitches } from './directory/mx-switch.ts';
import { openPastLog } from './directory/readers/past-logs.ts';
import { clientsOf } from './evidence/clients.ts';
import type { EvidenceAnswer, EvidenceFilter } from './evidence/filter.ts';
import type { EventRecord } from './mail/event.ts';
import type { Clock } from './platform/clock.ts';
import type { AdmissionDeps } from './routing/admission.ts';
import { type PastMessage, shadow } from './routing/shadow.ts';

export interface PastMailParts {
  readonly admission: AdmissionDeps;
  readonly evidence: { query(filter: EvidenceFilter): Promise<EvidenceAnswer> };
  readonly mx: Pick<MxSwitches, 'state'>;
  readonly clock: Clock;
}

/** Milliseconds. */
const HOUR = 3_600_000;
/** Of evidence, asked at once for `report clients`. */
const SPAN = 6 * HOUR;
const RECORDS_OF_A_SPAN = 50_000;
const CLIENTS_SINCE = 7 * 24 * HOUR;

export function pastReports({ admission, evidence, mx, clock }: PastMailParts): AdminPorts['reports'] {
  return {
    async shadow(files, { top }) {
      const notes: string[] = [];
      const past = pastMail(files, new Date(clock.now()), notes);
      const report = await shadow(past, admission.routing(), admission.directory.active(), { top });
      return { ...report, notes: [...report.notes, ...notes] };
    },
    async clients({ since, until, domain }) {
      const moved = domain === undefined ? undefined : mx.state(domain);
      const now = clock.now();
      const from = since ?? (moved?.mx === 'cloud' && moved.since !== null ? Date.parse(moved.since) : now - CLIENTS_SINCE);
      let isCut = false;
      const spans = async function* (): AsyncGenerator<EventRecord> {
        for (let start = from; start < (until ?? now + 1); start += SPAN) {
          const filter = { since: start, until: Math.min(start + SPAN, until ?? now + 1), limit: RECORDS_OF_A_SPAN };
          const { records, more } = await evidence.query(filter);
          isCut ||= more;
          yield* records;
        }
      };
      const { clients, omitted } = await clientsOf(spans(), domain === undefined ? {} : { domain });
      return { since: new Date(from).toISOString(), domain: domain ?? null, clients, omitted, more: isCut };
    },
  };
}

/** The logs one behind the other; what of them could not be read is noted. */
async function* pastMail(files: readonly NamedFile[], now: Date, notes: string[]): AsyncGenerator<PastMessage> {
  for (const { name, path } of files) {
    const opened = await openPastLog(path, now);
    if (!opened.ok)
      throw new OperationError(
        'invalid',
        `${name}: ${opened.findings.map(({ problem, remedy }) => `${problem}. ${remedy}`).join('; ')}`,
      );
    const { messages, counts, findings } = opened.log;
    yield* messages;
    if (counts.notUnderstood > 0) notes.push(`${name}: ${counts.notUnderstood} of ${counts.lines} lines were not understood`);
    for (const { line, problem } of findings) notes.push(`${name}, line ${line}: ${problem}; what stands behind it was not read`);
  }
}
