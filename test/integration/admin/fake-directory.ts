/** The ports of the directory, the waves, the domains and the reports over a few values, for the tests of the API and of the command line. */
import { readFileSync } from 'node:fs';
import type {
  DirectoryCheck,
  DirectoryImported,
  DirectoryList,
  DomainState,
  FileFinding,
  NamedFile,
} from '../../../src/admin/directory-contract.ts';
import type { AdminPorts } from '../../../src/admin/ports.ts';
import type { ShadowReport } from '../../../src/admin/report-contract.ts';
import type { WaveCheck, WaveDetails, WaveReport, WaveSummary } from '../../../src/admin/wave-contract.ts';
import type { RouteDecision } from '../../../src/mail/route.ts';

const T = '2026-11-22T10:00:00.000Z';

export interface FakeDirectory {
  /** What was asked: the operation and its arguments. */
  readonly asked: { readonly what: string; readonly with: unknown }[];
  /** The content of each file that was read. */
  readonly read: { readonly name: string; readonly content: string }[];
  refusal: FileFinding | undefined;
  unsafe: boolean;
  check: DirectoryCheck;
  ports: Pick<AdminPorts, 'directory' | 'waves' | 'domains' | 'reports'>;
}

export const CHECK: DirectoryCheck = {
  version: 12,
  recipients: 2,
  sides: { 'on-premises': { origins: ['users.ldf'], recipients: 2, mailboxes: 1, 'taken-at': T }, cloud: null },
  severities: { error: 1, warning: 0, info: 0 },
  counts: { 'both-sides': 1 },
  findings: [
    {
      severity: 'error',
      kind: 'both-sides',
      address: 'anna@example.com',
      problem: 'it has a mailbox on-premises and one in the cloud',
      cause: 'A licence was given before the move',
      remedy: 'Take it away',
      commands: [{ where: 'cloud', line: "Set-User -Identity 'anna@example.com'" }],
      sources: ['ad users.ldf:2'],
    },
  ],
  omitted: 0,
  notes: [
    { text: 'No export of the cloud is known.', commands: [{ where: 'relay', line: 'bridgehead directory import x.csv' }] },
  ],
};

const summary = (name: string): WaveSummary => ({
  name,
  created: T,
  'created-by': 'anna',
  schedule: null,
  counts: { mailboxes: 2, probes: 0, 'on-premises': 2, both: 0, hold: 0, cloud: 0, confirmed: 0 },
  held: { messages: 0, octets: 0 },
});
const MAILBOX = {
  address: 'anna@example.com',
  kind: null,
  state: 'cloud' as const,
  since: T,
  confirmed: null,
  'overruled-by': null,
};

const DOMAIN: DomainState = {
  domain: 'example.com',
  type: 'internal-relay',
  'unknown-recipients': 'on-premises',
  mx: 'relay',
  'mx-since': null,
  proof: {
    state: 'unverified',
    since: T,
    'checked-at': T,
    answer: 'example.com has no TXT record',
    gated: true,
    override: null,
    message: 'example.com is not verified yet',
    remedy: 'Wait',
  },
};

const SHADOW: ShadowReport = {
  'directory-version': 12,
  recipients: 3,
  first: T,
  last: T,
  routes: { cloud: 1, 'on-premises': 1, reject: 0 },
  connectors: [{ connector: 'cloud', count: 1 }],
  domains: [{ domain: 'example.com', count: 2, unknown: 1, refused: 0, routes: { cloud: 1, 'on-premises': 1 } }],
  unknown: {
    count: 1,
    distinct: 1,
    top: [{ address: 'scanner@example.com', count: 1, line: 3, last: T, reply: '250 Ok', asks: null, reason: 'unknown' }],
  },
  refused: [],
  'too-large': { count: 0, largest: 0, examples: [] },
  outgoing: { count: 1, refused: 1, domains: [{ domain: 'example.net', count: 1 }] },
  notes: [],
};

export function fakeDirectory(decision: RouteDecision): FakeDirectory {
  const asked: FakeDirectory['asked'] = [];
  const note = <T>(what: string, given: unknown, answer: T): T => {
    asked.push({ what, with: given });
    return answer;
  };
  const take = (files: readonly NamedFile[]): void => {
    for (const { name, path } of files) fake.read.push({ name, content: readFileSync(path, 'utf8') });
  };
  const counts = { cloud: 1, 'on-premises': 1, hold: 0, both: 0 };
  const list: DirectoryList = { version: 12, recipients: 2, counts, pinned: null, sources: [], live: [], set: [], waves: [] };
  const imported = (isDry: boolean): DirectoryImported => ({
    version: fake.refusal === undefined ? 13 : 12,
    recipients: 2,
    ...counts,
    added: 1,
    removed: 0,
    changed: 1,
    moves: { 'on-premises → cloud': 1 },
    queued: { recipients: 5, moves: 2, changes: { 'on-premises → cloud': 2 }, list: [] },
    findings: fake.refusal === undefined ? [] : [fake.refusal],
    applied: fake.refusal === undefined && !isDry,
  });
  const wave = { name: 'pilot', version: 13, moved: ['anna@example.com'] };
  const carried = { name: 'pilot', messages: [], incomplete: [], instructions: [] };
  const known = (name: string): string => {
    if (name === 'pilot') return name;
    throw Object.assign(new Error(`there is no wave "${name}"`), { refusal: 'not-found' });
  };
  const fake: FakeDirectory = {
    asked,
    read: [],
    refusal: undefined,
    unsafe: false,
    check: CHECK,
    ports: {
      directory: {
        import(files, options, by) {
          take(files);
          return Promise.resolve(note('import', { options, by }, imported(options['dry-run'] === true)));
        },
        diff(files, options) {
          take(files);
          const { applied: _, ...rest } = imported(true);
          const entries = [
            {
              address: 'anna@example.com',
              from: null,
              to: { route: 'cloud' as const, 'routing-address': null, source: 'imported x.csv:2' },
            },
          ];
          return Promise.resolve(note('diff', options, { ...rest, ok: fake.refusal === undefined, entries, more: false }));
        },
        check: () => Promise.resolve(fake.check),
        keepExport(files, options) {
          take(files);
          return Promise.resolve(
            note('export', options, { side: options.side, kept: true, recipients: 2, mailboxes: 1, findings: [] }),
          );
        },
        list: () => list,
        people: async () => counts,
        show: (address) =>
          address.localPart === 'nobody'
            ? undefined
            : {
                version: 12,
                pinned: null,
                addresses: [{ address: address.address, role: 'primary' }],
                set: null,
                waves: [],
                entry: { address, route: 'cloud', primary: 'on-premises', source: 'plain recipients.csv:2' },
                'of-sources': null,
              },
        set: (change, by) =>
          Promise.resolve(
            note(
              'set',
              { ...change, address: change.address.address, by },
              fake.refusal === undefined ? { ok: true, version: 13, findings: [] } : { ok: false, findings: [fake.refusal] },
            ),
          ),
        unset: (address, by) =>
          Promise.resolve(note('unset', { address: address.address, by }, { ok: true, version: 13, findings: [] })),
        history: () => ({ active: 12, versions: [] }),
        rollback: (version, by) =>
          Promise.resolve(
            note(
              'rollback',
              { version, by },
              {
                ok: true as const,
                version: 13,
                changed: true,
                restored: 11,
                findings: [],
                recipients: 3,
                cloud: 1,
                'on-premises': 2,
                hold: 0,
                both: 0,
                differences: { added: 0, removed: 0, changed: 1, moves: { 'cloud → on-premises': 1 } },
                queued: null,
              },
            ),
          ),
        refresh: (name, by, yesShrink) =>
          Promise.resolve(
            note(
              'refresh',
              { name, by, yesShrink },
              name === 'ad' ? { ok: true, recipients: 2, problem: null, remedy: null, findings: [] } : undefined,
            ),
          ),
        explain(trial) {
          if ('files' in trial) take(trial.files);
          else if (trial.version === 99)
            return Promise.resolve([
              {
                severity: 'error',
                file: '',
                line: 0,
                address: '',
                problem: 'version 99 is not kept',
                remedy: 'directory history',
              },
            ]);
          return Promise.resolve(note('explain', trial, decision));
        },
      },
      waves: {
        create: (name, of, options) =>
          Promise.resolve(
            note(
              'wave create',
              { name, addresses: of.addresses.map(({ mailbox }) => mailbox.address), options },
              { created: true, wave: summary(name), findings: [] },
            ),
          ),
        list: () => [summary('pilot')],
        show: (name): WaveDetails => ({ ...summary(known(name)), mailboxes: [{ ...MAILBOX, steps: [] }] }),
        schedule: (name, at, who) => Promise.resolve(note('wave schedule', { name, at, who }, summary(name))),
        hold: (name, options) => Promise.resolve(note('wave hold', { name, options }, wave)),
        both: (name, options) => Promise.resolve(note('wave both', { name, options }, wave)),
        switch: (name, options) =>
          Promise.resolve(
            note(
              'wave switch',
              { name: known(name), options },
              fake.unsafe && options.force !== true
                ? { switched: false, name, unsafe: [{ address: 'anna@example.com', why: 'it is not there', remedy: 'Look' }] }
                : { ...wave, switched: true, except: options.except ?? [], forced: [], unchecked: 2 },
            ),
          ),
        rollback: (name, options) =>
          Promise.resolve(
            note('wave rollback', { name, options }, { ...wave, ...carried, 'under-way': 0, powershell: ['Set-Mailbox'] }),
          ),
        replay: (name, options) => Promise.resolve(note('wave replay', { name, options }, carried)),
        report: (name): Promise<WaveReport> =>
          Promise.resolve({
            ...summary(name),
            mailboxes: [{ ...MAILBOX, held: 3, 'held-now': 0, delivered: { cloud: 3, 'on-premises': 0 }, bounced: [] }],
            incomplete: [],
          }),
        check: (_, to): Promise<WaveCheck> =>
          Promise.resolve({
            to,
            version: 12,
            safe: 1,
            unsafe: fake.unsafe ? 1 : 0,
            unknown: 0,
            mailboxes: [
              {
                address: 'anna@example.com',
                'routing-address': null,
                verdict: fake.unsafe ? 'unsafe' : 'safe',
                reasons: fake.unsafe ? [{ blocks: true, problem: 'it is not there', remedy: 'Look', commands: [] }] : [],
              },
            ],
            notes: [],
          }),
      },
      domains: {
        list: () => [DOMAIN],
        verify: (name, override) => Promise.resolve(note('verify', override, name === 'example.com' ? DOMAIN : undefined)),
        mx: (name, { mx }, by) =>
          Promise.resolve(
            note(
              'mx',
              { mx, by },
              name === 'example.com'
                ? {
                    domain: name,
                    mx: 'relay' as const,
                    done: mx === 'relay',
                    refused: mx === 'relay' ? null : '1 recipient is not in the cloud yet',
                    since: null,
                    remaining: { count: 1, kinds: { mailbox: 1 }, list: ['anna@example.com (mailbox, on-premises)'] },
                    steps: [],
                    notes: [],
                  }
                : undefined,
            ),
          ),
      },
      reports: {
        shadow(files) {
          take(files);
          return Promise.resolve(SHADOW);
        },
        clients: (query) =>
          Promise.resolve(
            note('clients', query, { since: null, domain: query.domain ?? null, clients: [], omitted: 0, more: false }),
          ),
      },
    },
  };
  return fake;
}
