/** The reports for people who ask for proof, over the ports. */
import { OperationError } from './contract.ts';
import type { AdminPorts } from './ports.ts';
import type { EvidenceVerification, MigrationReport, ReportOperations, TlsExceptions, TlsReport } from './report-contract.ts';

/** Milliseconds since the epoch: from `since` to just before `until`. */
interface Span {
  readonly since: number;
  readonly until: number;
}
type ReportQuery = Span & { readonly domain?: string };

/** The records as reports read them: whole spans, however many there are. */
export interface ProofPort {
  tls(query: ReportQuery): Promise<Omit<TlsReport, 'hostname' | 'version' | 'made' | keyof Span | 'domain'>>;
  exceptions(query: ReportQuery, after: string | undefined, limit: number): Promise<TlsExceptions>;
  deliveries(
    query: ReportQuery,
  ): Promise<
    readonly { readonly day: string; readonly cloud: number; readonly 'on-premises': number; readonly internet: number }[]
  >;
  verify(span: Span): Promise<EvidenceVerification>;
}

const WEEK = 7 * 86_400_000;

export function createReportOperations(
  { proof, status, directory, waves }: Pick<AdminPorts, 'proof' | 'status' | 'directory' | 'waves'>,
  now: () => number,
): ReportOperations {
  const head = ({ since, until }: Span, domain: string | undefined) => ({
    hostname: status.hostname,
    version: status.version,
    made: iso(now()),
    since: iso(since),
    until: iso(until),
    domain: domain ?? null,
  });
  return {
    async reportTls({ domain, ...times }) {
      const span = spanOf(times, now());
      return { ...head(span, domain), ...(await proof.tls(within(span, domain))) };
    },
    async reportTlsExceptions({ domain, after, limit, ...times }) {
      return proof.exceptions(within(spanOf(times, now()), domain), after, Number(limit ?? 5000));
    },
    async reportMigration({ domain, ...times }) {
      const span = spanOf(times, now());
      const { version, recipients } = directory.list();
      const people = await directory.people();
      const counted = Object.values(people).reduce((sum, count) => sum + count, 0);
      const confirmations: { readonly day: string; readonly encrypted: boolean }[] = [];
      const shown = waves.list().map(({ name }) => {
        const { created, counts: sides, mailboxes } = waves.show(name);
        const confirmed = mailboxes.flatMap((one) => (one.confirmed === null || one.kind === 'probe' ? [] : [one.confirmed]));
        const own = confirmed.map(({ time, tls }) => ({ day: time.slice(0, 10), encrypted: isEncrypted(tls?.result) }));
        confirmations.push(...own);
        const { probes: _, ...rest } = sides;
        return { name, created, ...rest, encrypted: own.filter(({ encrypted }) => encrypted).length };
      });
      return {
        ...head(span, domain),
        directory: { version, recipients: counted, ...people, probes: recipients - counted },
        waves: shown,
        days: byDay(
          await proof.deliveries(within(span, domain)),
          confirmations.map(({ day }) => day),
          span,
        ),
      };
    },
    verifyEvidence: ({ since, until }) =>
      proof.verify({
        since: since === undefined ? Number.NEGATIVE_INFINITY : Date.parse(since),
        until: until === undefined ? Number.POSITIVE_INFINITY : Date.parse(until),
      }),
  };
}

function spanOf({ since, until }: { since?: string | undefined; until?: string | undefined }, now: number): Span {
  const to = until === undefined ? now : Date.parse(until);
  const from = since === undefined ? to - WEEK : Date.parse(since);
  if (from >= to) throw new OperationError('invalid', `${iso(from)} is not before ${iso(to)}: nothing lies between them`);
  return { since: from, until: to };
}

const within = (span: Span, domain: string | undefined): ReportQuery =>
  domain === undefined ? span : { ...span, domain: domain.toLowerCase().replace(/^@/, '') };

const isEncrypted = (result: string | undefined): boolean => result === 'encrypted' || result === 'verified';

/** Days on which there was something; what was confirmed before the span counts from the start. */
function byDay(
  deliveries: Awaited<ReturnType<ProofPort['deliveries']>>,
  confirmed: readonly string[],
  { since, until }: Span,
): MigrationReport['days'] {
  const [from, to] = [iso(since).slice(0, 10), iso(until - 1).slice(0, 10)];
  const days = new Set([...deliveries.map(({ day }) => day), ...confirmed.filter((day) => day >= from && day <= to)]);
  return [...days].sort().map((day) => {
    const of = deliveries.find((one) => one.day === day);
    return {
      day,
      cloud: of?.cloud ?? 0,
      'on-premises': of?.['on-premises'] ?? 0,
      internet: of?.internet ?? 0,
      confirmed: confirmed.filter((one) => one === day).length,
      'confirmed-so-far': confirmed.filter((one) => one <= day).length,
    };
  });
}

function iso(milliseconds: number): string {
  return new Date(milliseconds).toISOString();
}
