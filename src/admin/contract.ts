/**
 * The wire types of the admin API (contract.md, "HTTP") and the operations behind it. The HTTP server, its OpenAPI
 * description and the command line all take them from here.
 */
import { z } from 'zod';
import type { EventRecord } from '../mail/event.ts';
import type {
  DiffOptions,
  DirectoryChange,
  DirectoryCheck,
  DirectoryDiff,
  DirectoryEntryShown,
  DirectoryHistory,
  DirectoryImported,
  DirectoryList,
  DirectoryRolledBack,
  DomainState,
  ExportOptions,
  ImportOptions,
  KeptExport,
  MxRequest,
  MxSwitched,
  NamedFile,
  Refreshed,
  RefreshRequest,
  RollbackRequest,
  SetRequest,
  VerifyRequest,
  WhatIfOptions,
} from './directory-contract.ts';
import { uploads, whatIfOptions } from './directory-contract.ts';
import type { Diagnosis, DoctorQuery } from './doctor-contract.ts';
import type { ProbeOperations } from './probe-contract.ts';
import type { ClientsQuery, ClientsReport, ReportOperations, ShadowOptions, ShadowReport } from './report-contract.ts';
import type {
  WaveChange,
  WaveCheck,
  WaveCreated,
  WaveCreation,
  WaveDetails,
  WavePart,
  WaveReplay,
  WaveReport,
  WaveRolledBack,
  WaveSchedule,
  WaveSummary,
  WaveSwitched,
  WaveSwitchRequest,
} from './wave-contract.ts';

const time = z.iso.datetime().describe('ISO 8601 in UTC');
const duration = z
  .string()
  .regex(/^\d{1,6}[smhd]$/, 'write it like 30s, 5m, 2h or 4d')
  .describe('A duration: 30s, 5m, 2h, 4d');
const address = z.string().min(1, 'an address is missing').max(1024);
const peer = z.enum(['external', 'on-premises', 'cloud', 'gateway']);
const record = z
  .custom<EventRecord>()
  .meta({ type: 'object', description: 'An event record, as in the log and in `trace --json`' });
const tls = z
  .custom<NonNullable<EventRecord['tls']>>()
  .meta({ type: 'object', description: 'The TLS facts of the hop, as in the event record' });

// Status ------------------------------------------------------------------------------------------------------------

/** One meeting with a next hop. Absent facts are null: unknown is written as unknown (R19). */
const contact = z.object({ time, host: z.string().nullable(), reply: z.string().nullable(), tls: tls.nullable() });

export const connectorState = z.object({
  name: z.string(),
  side: z.enum(['cloud', 'on-premises', 'internet']),
  'next-hop': z.string(),
  'tls-mode': z.string(),
  state: z.enum(['active', 'paused']),
  'paused-by': z.string().nullable(),
  'paused-since': time.nullable(),
  waiting: z.int().describe('Messages whose last attempt went this way'),
  oldest: time.nullable().describe('When the oldest of them was received'),
  'last-success': contact.nullable(),
  'last-failure': contact.nullable(),
});
export type ConnectorState = z.output<typeof connectorState>;
export const connectorList = z.object({ connectors: z.array(connectorState) });

export const connectorTest = z.object({
  connector: z.string(),
  ok: z.boolean(),
  host: z.string().nullable(),
  reply: z.string().nullable(),
  tls: tls.nullable(),
  problem: z.string().nullable(),
  greeting: z.string().nullable().optional().describe('The 220 line'),
  extensions: z.array(z.string()).readonly().nullable().optional().describe('What it offers in EHLO, of what the relay uses'),
});
export type ConnectorTest = z.output<typeof connectorTest>;

/** What is known of the TLS of a connector's next hops. */
export const connectorTls = z.object({
  connector: z.string(),
  policy: z.string().describe('What its next hops are asked for'),
  source: z.string(),
  destinations: z.array(z.object({ domain: z.string(), policy: z.string(), source: z.string() })),
  hosts: z.array(
    z.object({
      host: z.string(),
      since: time,
      last: time,
      days: z.int().describe('Days on which it had TLS, and never went in clear'),
      learned: z.boolean().describe('For long enough that its loss counts'),
      protocol: z.string(),
      certificate: z
        .object({
          subject: z.string(),
          issuer: z.string(),
          names: z.array(z.string()),
          'valid-to': time,
          'key-sha256': z.string(),
          verified: z.boolean(),
        })
        .nullable(),
      finding: z.string().nullable(),
    }),
  ),
});
export type ConnectorTls = z.output<typeof connectorTls>;

export const acceptTlsRequest = z.strictObject({
  host: z.string().min(1).max(300).optional().describe('With or without its port; absent: every host that got worse'),
});
export type AcceptTlsRequest = z.output<typeof acceptTlsRequest>;
export const acceptedTls = z.object({
  connector: z.string(),
  accepted: z.array(z.object({ host: z.string(), kind: z.string() })),
});
export type AcceptedTls = z.output<typeof acceptedTls>;

const share = z.object({ encrypted: z.int(), all: z.int() });

const finding = z.object({
  code: z.string().optional().describe('Stable while the trouble lasts; `x#2` is a step further of `x#1`'),
  severity: z.enum(['error', 'warning', 'info']),
  problem: z.string(),
  remedy: z.string().nullable(),
});

/** One of our own certificates. Absent facts are null. */
const certificate = z.object({
  use: z.enum(['listener', 'admin', 'connector']),
  name: z.string().describe('The connector, or as `use`'),
  file: z.string(),
  subject: z.string().nullable(),
  issuer: z.string().nullable(),
  names: z.array(z.string()),
  'valid-to': time.nullable().describe('When the first of the chain ends'),
  'seconds-left': z.int().nullable(),
  sha256: z.string().nullable(),
  chain: z.enum(['complete', 'incomplete', 'self-signed']).nullable(),
  missing: z.string().nullable().describe('The issuer whose certificate the file lacks'),
  since: time.nullable().describe('When the relay took it'),
  problem: z.string().nullable().describe('Why the files as they are now are not in use'),
});

export const status = z.object({
  hostname: z.string(),
  version: z.string(),
  running: z.boolean(),
  accepting: z.boolean(),
  why: z.string().nullable().describe('Why no mail is accepted'),
  since: time.nullable().describe('When the relay was started'),
  queue: z.object({ messages: z.int(), octets: z.int(), untried: z.int(), oldest: time.nullable() }),
  connectors: z.array(connectorState),
  'last-hour': z.object({
    received: z.int(),
    sent: z.int(),
    deferred: z.int(),
    failed: z.int(),
    refused: z.int(),
    'tls-in': share,
    'tls-out': share,
  }),
  findings: z.array(finding),
  certificates: z.array(certificate).optional(),
});
export type Status = z.output<typeof status>;

// Settings ----------------------------------------------------------------------------------------------------------

const mistake = z.object({
  file: z.string(),
  line: z.int(),
  column: z.int(),
  path: z.string(),
  problem: z.string(),
  remedy: z.string(),
});
export const checkReport = z.object({ ok: z.boolean(), mistakes: z.array(mistake), notes: z.array(mistake) });
export type CheckReport = z.output<typeof checkReport>;

// Explain -----------------------------------------------------------------------------------------------------------

export const explainQuery = z.strictObject({
  recipient: address,
  from: z.string().max(1024).optional().describe('The sender; empty is the null sender'),
  peer: peer.optional(),
  size: z.coerce.number().int().nonnegative().optional().describe('Octets'),
  'directory-version': z.coerce.number().int().positive().optional().describe('By this version, in place of the active one'),
});
export const explainWithRequest = explainQuery
  .omit({ 'directory-version': true })
  .extend(whatIfOptions.shape)
  .extend({ uploads });
export type ExplainQuery = z.output<typeof explainQuery>;

export const explanation = z.object({
  recipient: z.string(),
  canonical: z.string(),
  route: z.enum(['cloud', 'on-premises', 'internet', 'both', 'hold', 'reject']),
  'routing-address': z.string().nullable(),
  connector: z.string().nullable(),
  'next-hop': z.string().nullable(),
  'tls-mode': z.string().nullable(),
  reply: z.string().describe('The answer to RCPT'),
  reason: z.string(),
  'directory-version': z.int(),
  steps: z.array(z.object({ step: z.string(), result: z.string(), source: z.string() })),
});
export type Explanation = z.output<typeof explanation>;

// Queue -------------------------------------------------------------------------------------------------------------

const selection = {
  id: z.union([z.string(), z.array(z.string()).max(1000)]).optional(),
  recipient: address.optional(),
  sender: z.string().max(1024).optional().describe('Empty is the null sender'),
  domain: address.optional(),
  connector: address.optional(),
  'older-than': duration.optional(),
};
export const queueQuery = z.strictObject({
  ...selection,
  limit: z.coerce.number().int().min(1).max(1000).default(100),
  after: z.string().optional().describe('Where the page before ended'),
});
export type QueueQuery = z.input<typeof queueQuery>;

const NOTHING_NAMED = 'name what is meant: id, recipient, sender, domain, connector, older-than or all';
const namesSomething = (value: Record<string, unknown>): boolean =>
  value['all'] === true || Object.keys(selection).some((name) => value[name] !== undefined);

/** What an operation on the queue is meant for. All that is named must be true; nothing named is refused. */
export const queueSelection = z.strictObject({ ...selection, all: z.boolean().optional() }).refine(namesSomething, NOTHING_NAMED);
export const queueReroute = z
  .strictObject({ ...selection, all: z.boolean().optional(), to: address })
  .refine(namesSomething, NOTHING_NAMED);
export type QueueSelection = z.output<typeof queueSelection>;
export type QueueReroute = z.output<typeof queueReroute>;

const advice = z
  .object({ meaning: z.string(), cause: z.string(), remedy: z.string(), relay: z.string() })
  .describe('What a reply means, why it most often comes, what to do, and what the relay does about it');

export const queueMessage = z.object({
  id: z.string(),
  received: time,
  sender: z.string(),
  'message-id': z.string().nullable(),
  size: z.int(),
  peer,
  client: z.string().nullable(),
  recipients: z.array(
    z.object({
      recipient: z.string(),
      state: z.enum(['queued', 'deferred', 'held', 'relayed', 'failed', 'expired']),
      attempts: z.int(),
      'next-attempt': time.nullable(),
      connector: z.string().nullable(),
      'held-by': z.string().nullable(),
      'last-reply': z.string().nullable(),
      advice: advice.nullable().optional().describe('On the last reply; for one message alone, null where nothing is known'),
    }),
  ),
});
export type QueueMessage = z.output<typeof queueMessage>;
export const queueList = z.object({ messages: z.array(queueMessage), next: z.string().nullable() });
export type QueueList = z.output<typeof queueList>;
export const queueChange = z.object({
  messages: z.int(),
  recipients: z.int(),
  'still-held': z
    .array(z.object({ by: z.string(), recipients: z.int() }))
    .optional()
    .describe('Not released, for the directory, a wave or a rule holds them'),
});
export type QueueChange = z.output<typeof queueChange>;

// Trace -------------------------------------------------------------------------------------------------------------

export const traceQuery = z.strictObject({
  recipient: address.optional(),
  sender: z.string().max(1024).optional().describe('Empty is the null sender'),
  'message-id': address.optional(),
  id: address.optional(),
  client: address.optional().describe("The client's IP address"),
  since: time.optional(),
  until: time.optional(),
  limit: z.coerce.number().int().min(1).max(100_000).default(1000),
});
export type TraceQuery = z.input<typeof traceQuery>;
export const trace = z.object({ records: z.array(record), more: z.boolean().describe('More matched than the limit allows') });
export type Trace = z.output<typeof trace>;

// Operations --------------------------------------------------------------------------------------------------------

/** What an operator can do; the same beside a daemon, over HTTP and without a daemon. Rejects with `OperationError`. */
export interface Operations extends DirectoryOperations, WaveOperations, ReportOperations, ProbeOperations {
  status(): Promise<Status>;
  checkSettings(): Promise<CheckReport>;
  /** Reads settings and directory anew; whole or not at all (P7). */
  reload(): Promise<CheckReport>;
  explain(query: ExplainQuery): Promise<Explanation>;
  listQueue(query: QueueQuery): Promise<QueueList>;
  showMessage(id: string): Promise<QueueMessage>;
  hold(selection: QueueSelection): Promise<QueueChange>;
  release(selection: QueueSelection): Promise<QueueChange>;
  retry(selection: QueueSelection): Promise<QueueChange>;
  expire(selection: QueueSelection): Promise<QueueChange>;
  reroute(request: QueueReroute): Promise<QueueChange>;
  listConnectors(): Promise<ConnectorState[]>;
  pauseConnector(name: string): Promise<ConnectorState>;
  resumeConnector(name: string): Promise<ConnectorState>;
  testConnector(name: string): Promise<ConnectorTest>;
  showConnectorTls(name: string): Promise<ConnectorTls>;
  acceptTls(name: string, request: AcceptTlsRequest): Promise<AcceptedTls>;
  trace(query: TraceQuery): Promise<Trace>;
  /** Looks at DNS, certificates, connectors, directory and machine; changes nothing. */
  doctor(query: DoctorQuery): Promise<Diagnosis>;
}

/** The directory, the domains, and what is asked of past mail. Files are read once and belong to the caller. */
export interface DirectoryOperations {
  importDirectory(files: readonly NamedFile[], options: ImportOptions): Promise<DirectoryImported>;
  diffDirectory(files: readonly NamedFile[], options: DiffOptions): Promise<DirectoryDiff>;
  checkDirectory(): Promise<DirectoryCheck>;
  /** Keeps what one side has, for comparing alone: it has no word in routing. */
  keepExport(files: readonly NamedFile[], options: ExportOptions): Promise<KeptExport>;
  listDirectory(): Promise<DirectoryList>;
  showRecipient(address: string): Promise<DirectoryEntryShown>;
  setRecipient(request: SetRequest): Promise<DirectoryChange>;
  directoryHistory(query: { readonly limit: number }): Promise<DirectoryHistory>;
  rollbackDirectory(request: RollbackRequest): Promise<DirectoryRolledBack>;
  refreshSource(request: RefreshRequest): Promise<Refreshed>;
  /** By the directory that an import of the files would make. */
  explainWith(files: readonly NamedFile[], query: ExplainQuery & WhatIfOptions): Promise<Explanation>;
  listDomains(): Promise<readonly DomainState[]>;
  verifyDomain(name: string, request: VerifyRequest): Promise<DomainState>;
  switchMx(name: string, request: MxRequest): Promise<MxSwitched>;
  shadow(files: readonly NamedFile[], options: ShadowOptions): Promise<ShadowReport>;
  reportClients(query: ClientsQuery): Promise<ClientsReport>;
}

export interface WaveOperations {
  createWave(name: string, request: WaveCreation): Promise<WaveCreated>;
  listWaves(): Promise<readonly WaveSummary[]>;
  showWave(name: string): Promise<WaveDetails>;
  checkWave(name: string, query: { readonly to: 'cloud' | 'on-premises' }): Promise<WaveCheck>;
  scheduleWave(name: string, request: WaveSchedule): Promise<WaveSummary>;
  holdWave(name: string, request: WavePart): Promise<WaveChange>;
  bothWave(name: string, request: WavePart): Promise<WaveChange>;
  switchWave(name: string, request: WaveSwitchRequest): Promise<WaveSwitched>;
  rollbackWave(name: string, request: WavePart): Promise<WaveRolledBack>;
  reportWave(name: string): Promise<WaveReport>;
  replayWave(name: string, query: { readonly since?: string | undefined }): Promise<WaveReplay>;
}

/** `not-found`: there is no such thing; `invalid`: the question is wrong; `unavailable`: not possible at the moment. */
export type Refusal = 'not-found' | 'invalid' | 'forbidden' | 'unavailable';

/** An operation that was not done, said so that an operator can act on it. */
export class OperationError extends Error {
  readonly refusal: Refusal;

  constructor(refusal: Refusal, message: string) {
    super(message);
    this.refusal = refusal;
  }
}

/** The body of every answer that is not the one asked for. */
export const problem = z.object({ error: z.object({ code: z.string(), message: z.string() }) });
