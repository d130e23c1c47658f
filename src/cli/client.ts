/** The operations of a running relay, over its admin API. */
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { request as httpsRequest, type RequestOptions } from 'node:https';
import {
  type CheckReport,
  type ConnectorState,
  type ConnectorTest,
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

const ANSWER_LIMIT = 2 ** 28;

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
  testConnector = (name: string) => this.#post<ConnectorTest>(`/connectors/${encodeURIComponent(name)}/test`);
  trace = (query: Query) => this.#get<Trace>('/trace', query);

  async #get<T>(path: string, query: Query = {}): Promise<T> {
    const parameters = new URLSearchParams();
    for (const [name, value] of Object.entries(query)) {
      for (const one of [value].flat()) if (one !== undefined) parameters.append(name, String(one));
    }
    const search = parameters.size === 0 ? '' : `?${parameters.toString()}`;
    return (await this.#send('GET', `/api/v1${path}${search}`, undefined)) as T;
  }

  async #post<T>(path: string, body?: Query): Promise<T> {
    return (await this.#send('POST', `/api/v1${path}`, body)) as T;
  }

  async #send(method: string, path: string, body: Query | undefined): Promise<unknown> {
    const { url, token, ca, pinned, deadline = 60_000 } = this.#settings;
    const target = new URL(path, url);
    const payload = body === undefined ? undefined : JSON.stringify(body);
    const options: RequestOptions = {
      method,
      signal: AbortSignal.timeout(deadline),
      headers: {
        accept: 'application/json',
        ...(token !== undefined && { authorization: `Bearer ${token}` }),
        ...(payload !== undefined && { 'content-type': 'application/json', 'content-length': Buffer.byteLength(payload) }),
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
      request.end(payload);
    }).catch((error: NodeJS.ErrnoException) => {
      if (error.name === 'TimeoutError' || error.name === 'AbortError') {
        throw new OperationError('unavailable', `the relay at ${url} does not answer within ${deadline / 1000} s`);
      }
      throw error instanceof OperationError ? error : new Unreachable(url, error.code ?? error.message);
    });
    return understand(response.statusCode ?? 0, text, url);
  }
}

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
