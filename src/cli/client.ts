/** The operations of a running relay, over its admin API. */
import { createReadStream, type ReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { request as httpsRequest, type RequestOptions } from 'node:https';
import {
  type AcceptedTls,
  type CheckReport,
  type ConnectorState,
  type ConnectorTest,
  type ConnectorTls,
  type Explanation,
  OperationError,
  type Operations,
  type QueueChange,
  type QueueList,
  type QueueMessage,
  type Refusal,
  type Status,
  type Trace,
} from '../admin/contract.ts';
import type {
  DirectoryChange,
  DirectoryCheck,
  DirectoryDiff,
  DirectoryEntryShown,
  DirectoryHistory,
  DirectoryImported,
  DirectoryList,
  DirectoryRolledBack,
  DomainState,
  KeptExport,
  MxSwitched,
  NamedFile,
  Refreshed,
  Uploaded,
} from '../admin/directory-contract.ts';
import type { Diagnosis } from '../admin/doctor-contract.ts';
import type { ProbeHistory, ProbeList, ProbeReport } from '../admin/probe-contract.ts';
import type {
  ClientsReport,
  EvidenceVerification,
  MigrationReport,
  ShadowReport,
  TlsExceptions,
  TlsReport,
} from '../admin/report-contract.ts';
import type {
  WaveChange,
  WaveCheck,
  WaveCreated,
  WaveCreation,
  WaveDetails,
  WaveReplay,
  WaveReport,
  WaveRolledBack,
  WaveSchedule,
  WaveSummary,
  WaveSwitched,
} from '../admin/wave-contract.ts';

const ANSWER_LIMIT = 2 ** 28;
/** Milliseconds: a million recipients are sent and compared. */
const LONG = 900_000;
/** Milliseconds: more than the relay gives a `connector test`. */
const TEST = 90_000;

export interface ClientSettings {
  /** `http://127.0.0.1:8025` */
  readonly url: string;
  readonly token?: string;
  /** PEM certificates to trust. */
  readonly ca?: string;
  /** The relay's own certificate, which we know (it stands in the run file): its name need not match. */
  readonly pinned?: boolean;
  /** Milliseconds for one answer. */
  readonly deadline?: number;
}

/** Nobody listens there. */
export class Unreachable extends OperationError {
  constructor(url: string, cause: string) {
    super('unavailable', `the relay at ${url} cannot be reached: ${cause}`);
  }
}

type Value = string | number | boolean | undefined;
type Query = Readonly<Record<string, Value | readonly Value[]>>;

export class HttpOperations implements Operations {
  readonly #settings: ClientSettings;

  constructor(settings: ClientSettings) {
    this.#settings = settings;
  }

  /** Whether a relay listens and answers in time; rejects with `Unreachable` where nobody listens. */
  async ping(): Promise<void> {
    await this.#send('GET', '/healthz', undefined);
  }

  status = () => this.#get<Status>('/status');
  checkSettings = () => this.#post<CheckReport>('/settings/check');
  reload = () => this.#post<CheckReport>('/settings/reload');
  explain = (query: Query) => this.#get<Explanation>('/explain', query);
  listQueue = (query: Query) => this.#get<QueueList>('/queue', query);
  showMessage = (id: string) => this.#get<QueueMessage>(`/queue/${encodeURIComponent(id)}`);
  hold = (body: Query) => this.#post<QueueChange>('/queue/hold', body);
  release = (body: Query) => this.#post<QueueChange>('/queue/release', body);
  retry = (body: Query) => this.#post<QueueChange>('/queue/retry', body);
  expire = (body: Query) => this.#post<QueueChange>('/queue/expire', body);
  reroute = (body: Query) => this.#post<QueueChange>('/queue/reroute', body);
  listConnectors = async () => (await this.#get<{ connectors: ConnectorState[] }>('/connectors')).connectors;
  pauseConnector = (name: string) => this.#post<ConnectorState>(`/connectors/${encodeURIComponent(name)}/pause`);
  resumeConnector = (name: string) => this.#post<ConnectorState>(`/connectors/${encodeURIComponent(name)}/resume`);
  showConnectorTls = (name: string) => this.#get<ConnectorTls>(`/connectors/${encodeURIComponent(name)}/tls`);
  acceptTls = (name: string, body: Query) => this.#post<AcceptedTls>(`/connectors/${encodeURIComponent(name)}/accept-tls`, body);
  testConnector = (name: string) => this.#post<ConnectorTest>(`/connectors/${encodeURIComponent(name)}/test`, undefined, TEST);
  trace = (query: Query) => this.#get<Trace>('/trace', query);
  doctor = (query: Query) => this.#get<Diagnosis>('/doctor', query, TEST);

  importDirectory = (files: readonly NamedFile[], options: Query) =>
    this.#postFiles<DirectoryImported>('/directory/import', files, options);
  diffDirectory = (files: readonly NamedFile[], options: Query) =>
    this.#postFiles<DirectoryDiff>('/directory/diff', files, options);
  checkDirectory = () => this.#send('GET', '/api/v1/directory/check', undefined, LONG) as Promise<DirectoryCheck>;
  keepExport = (files: readonly NamedFile[], options: Query) => this.#postFiles<KeptExport>('/directory/export', files, options);
  listDirectory = () => this.#get<DirectoryList>('/directory');
  showRecipient = (address: string) => this.#get<DirectoryEntryShown>('/directory/recipient', { address });
  setRecipient = (body: Query) => this.#post<DirectoryChange>('/directory/set', body);
  directoryHistory = (query: Query) => this.#get<DirectoryHistory>('/directory/history', query);
  rollbackDirectory = (body: Query) => this.#post<DirectoryRolledBack>('/directory/rollback', body, LONG);
  refreshSource = (body: Query) => this.#post<Refreshed>('/directory/refresh', body, LONG);
  explainWith = (files: readonly NamedFile[], query: Query) => this.#postFiles<Explanation>('/explain/with', files, query);
  listDomains = async () => (await this.#get<{ domains: DomainState[] }>('/domains')).domains;
  verifyDomain = (name: string, body: Query) => this.#post<DomainState>(`/domains/${encodeURIComponent(name)}/verify`, body);
  switchMx = (name: string, body: Query) => this.#post<MxSwitched>(`/domains/${encodeURIComponent(name)}/mx`, body);
  shadow = (files: readonly NamedFile[], options: Query) => this.#postFiles<ShadowReport>('/shadow', files, options);
  reportClients = (query: Query) => this.#get<ClientsReport>('/report/clients', query);
  listProbes = () => this.#get<ProbeList>('/probes');
  runProbe = (name: string) => this.#post<ProbeReport>(`/probes/${encodeURIComponent(name)}/run`, undefined, LONG);
  probeHistory = (query: Query) => this.#get<ProbeHistory>('/probes/history', query);
  reportTls = (query: Query) => this.#get<TlsReport>('/report/tls', query, LONG);
  reportTlsExceptions = (query: Query) => this.#get<TlsExceptions>('/report/tls/exceptions', query, LONG);
  reportMigration = (query: Query) => this.#get<MigrationReport>('/report/migration', query, LONG);
  verifyEvidence = (query: Query) => this.#get<EvidenceVerification>('/report/verify', query, LONG);

  createWave = (name: string, body: WaveCreation) => this.#post<WaveCreated>(waves(name, 'create'), body);
  listWaves = async () => (await this.#get<{ waves: WaveSummary[] }>('/waves')).waves;
  showWave = (name: string) => this.#get<WaveDetails>(waves(name));
  checkWave = (name: string, query: Query) => this.#get<WaveCheck>(waves(name, 'check'), query);
  scheduleWave = (name: string, body: WaveSchedule) => this.#post<WaveSummary>(waves(name, 'schedule'), body);
  holdWave = (name: string, body: Query) => this.#post<WaveChange>(waves(name, 'hold'), body, LONG);
  bothWave = (name: string, body: Query) => this.#post<WaveChange>(waves(name, 'both'), body, LONG);
  switchWave = (name: string, body: Query) => this.#post<WaveSwitched>(waves(name, 'switch'), body, LONG);
  rollbackWave = (name: string, body: Query) => this.#post<WaveRolledBack>(waves(name, 'rollback'), body, LONG);
  reportWave = (name: string) => this.#get<WaveReport>(waves(name, 'report'));
  replayWave = (name: string, query: Query) => this.#get<WaveReplay>(waves(name, 'replay'), query);

  async #get<T>(path: string, query: Query = {}, deadline?: number): Promise<T> {
    const parameters = new URLSearchParams();
    for (const [name, value] of Object.entries(query)) {
      for (const one of [value].flat()) if (one !== undefined) parameters.append(name, String(one));
    }
    const search = parameters.size === 0 ? '' : `?${parameters.toString()}`;
    return (await this.#send('GET', `/api/v1${path}${search}`, undefined, deadline)) as T;
  }

  async #post<T>(path: string, body?: object, deadline?: number): Promise<T> {
    const payload: Payload | undefined =
      body === undefined ? undefined : { type: 'application/json', body: Buffer.from(JSON.stringify(body)) };
    return (await this.#send('POST', `/api/v1${path}`, payload, deadline)) as T;
  }

  /** Sends the files first, as they are, and then what to do with them. */
  async #postFiles<T>(path: string, files: readonly NamedFile[], body: Query): Promise<T> {
    const uploads: string[] = [];
    for (const { name, path: file } of files) {
      const { size } = await stat(file);
      const payload: Payload = { type: 'application/octet-stream', body: createReadStream(file), length: size };
      const answer = await this.#send('POST', `/api/v1/uploads?${new URLSearchParams({ name }).toString()}`, payload, LONG);
      uploads.push((answer as Uploaded).upload);
    }
    return await this.#post<T>(path, { ...body, uploads }, LONG);
  }

  async #send(method: string, path: string, payload: Payload | undefined, least = 0): Promise<unknown> {
    const { url, token, ca, pinned } = this.#settings;
    const deadline = Math.max(this.#settings.deadline ?? 60_000, least);
    const target = new URL(path, url);
    const options: RequestOptions = {
      method,
      signal: AbortSignal.timeout(deadline),
      headers: {
        accept: 'application/json',
        ...(token !== undefined && { authorization: `Bearer ${token}` }),
        ...(payload !== undefined && { 'content-type': payload.type, 'content-length': lengthOf(payload) }),
      },
      ...(ca !== undefined && { ca }),
      // Trusted alone is the certificate in `ca`, which is the relay's own: its name adds nothing
      ...(pinned === true && { checkServerIdentity: () => undefined }),
    };
    const { response, text } = await new Promise<{ response: IncomingMessage; text: string }>((resolve, reject) => {
      const request = (target.protocol === 'https:' ? httpsRequest : httpRequest)(target, options, (answer) => {
        readAll(answer).then((content) => resolve({ response: answer, text: content }), reject);
      });
      request.on('error', reject);
      if (payload === undefined || Buffer.isBuffer(payload.body)) request.end(payload?.body);
      else payload.body.on('error', (error) => request.destroy(error)).pipe(request);
    }).catch((error: NodeJS.ErrnoException) => {
      if (error.name === 'TimeoutError' || error.name === 'AbortError') {
        throw new OperationError('unavailable', `the relay at ${url} does not answer within ${deadline / 1000} s`);
      }
      throw error instanceof OperationError ? error : new Unreachable(url, error.code ?? error.message);
    });
    return understand(response.statusCode ?? 0, text, url);
  }
}

type Payload =
  | { readonly type: 'application/json'; readonly body: Buffer }
  | { readonly type: 'application/octet-stream'; readonly body: ReadStream; readonly length: number };

const lengthOf = (payload: Payload): number => (payload.type === 'application/json' ? payload.body.length : payload.length);

const waves = (name: string, verb?: string): string =>
  `/waves/${encodeURIComponent(name)}${verb === undefined ? '' : `/${verb}`}`;

async function readAll(answer: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of answer as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > ANSWER_LIMIT) throw new OperationError('unavailable', 'the answer is too large; ask for less');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

const REFUSALS: Readonly<Record<number, Refusal>> = {
  400: 'invalid',
  401: 'forbidden',
  403: 'forbidden',
  404: 'not-found',
  421: 'forbidden',
};

function understand(statusCode: number, text: string, url: string): unknown {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new OperationError('unavailable', `${url} answers ${statusCode} and no JSON: is it the admin API of a relay?`);
  }
  if (statusCode === 200) return value;
  const message = (value as { error?: { message?: unknown } }).error?.message;
  throw new OperationError(
    REFUSALS[statusCode] ?? 'unavailable',
    typeof message === 'string' ? message : `${url} answers ${statusCode}`,
  );
}
