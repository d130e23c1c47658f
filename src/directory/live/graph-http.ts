/** One HTTP exchange with Microsoft, bounded in time and size; what fails says what to do. */

export type GraphAnswer = Readonly<Record<string, unknown>>;

/** Octets of one page; 999 users with many addresses each stay far under it. */
const MAX_PAGE = 64 * 1024 * 1024;

/** What Graph, or the way to it, has against a question. `status` 0: no answer at all. */
export class GraphError extends Error {
  readonly status: number;
  /** `Authorization_RequestDenied` and the like. */
  readonly code: string;
  readonly remedy: string;

  constructor(status: number, problem: string, remedy: string, code = '') {
    super(problem);
    this.status = status;
    this.remedy = remedy;
    this.code = code;
  }

  /** Of an answer `{"error":{"code":...,"message":...}}`. */
  static of(status: number, body: Readonly<Record<string, unknown>>): GraphError {
    const { code = '', message = '' } = (body['error'] ?? {}) as { readonly code?: string; readonly message?: string };
    const words = [String(code), String(message).split('\n')[0]].filter((word) => word !== '').join(': ');
    return new GraphError(
      status,
      `HTTP ${status}${words === '' ? '' : ` ${words.slice(0, 300)}`}`,
      REMEDIES[status] ?? OTHERWISE,
      String(code),
    );
  }
}

const OTHERWISE = 'The relay tries again by itself; if it lasts, look at the state of Microsoft 365';
const REMEDIES: Readonly<Record<number, string>> = {
  401: 'Look at tenant, client-id and the secret or certificate of the application',
  403: 'Grant the application User.Read.All, Group.Read.All and OrgContact.Read.All, with the consent of an administrator',
  404: 'Mend graph.url; it ends with the version, such as /v1.0',
};

export interface HttpAnswer {
  readonly status: number;
  readonly body: GraphAnswer;
  /** Milliseconds. */
  readonly retryAfter?: number;
}

/** One HTTP exchange. What cannot be reached, or is no JSON, is a `GraphError`. */
export async function ask(
  url: string,
  request: { readonly method?: string; readonly headers: Record<string, string>; readonly body?: string },
  deadline: number,
  signal: AbortSignal,
): Promise<HttpAnswer> {
  signal.throwIfAborted();
  const host = new URL(url).host;
  try {
    // a redirect would carry the token elsewhere
    const response = await fetch(url, {
      ...request,
      redirect: 'error',
      signal: AbortSignal.any([signal, AbortSignal.timeout(deadline)]),
    });
    const text = await bounded(response, host);
    const retryAfter = retryAfterOf(response.headers.get('retry-after'));
    return {
      status: response.status,
      body: json(text, response.status, host),
      ...(retryAfter === undefined ? {} : { retryAfter }),
    };
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof GraphError) throw error;
    const { name, message, cause } = error as Error;
    const why =
      name === 'TimeoutError'
        ? `no answer within ${deadline / 1000} s`
        : cause instanceof Error && cause.message !== ''
          ? cause.message
          : ((cause as NodeJS.ErrnoException | undefined)?.code ?? message);
    throw new GraphError(0, `${host}: ${why}`.slice(0, 300), 'Look at the way there; the relay tries again by itself');
  }
}

async function bounded(response: Response, host: string): Promise<string> {
  const chunks: Uint8Array[] = [];
  let octets = 0;
  for await (const chunk of response.body ?? []) {
    octets += chunk.length;
    if (octets > MAX_PAGE) throw new GraphError(0, `${host}: an answer of more than 64 MiB`, 'Look at what answers there');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function json(text: string, status: number, host: string): GraphAnswer {
  try {
    const body: unknown = JSON.parse(text);
    if (typeof body === 'object' && body !== null && !Array.isArray(body)) return body as GraphAnswer;
  } catch {
    // a gateway's page of HTML
  }
  if (status !== 200) return {};
  throw new GraphError(0, `${host} answers with something that is no JSON object`, 'Look at what answers there (a proxy?)');
}

/** RFC 9110 §10.2.3: seconds, or a date. */
function retryAfterOf(value: string | null): number | undefined {
  if (value === null) return undefined;
  if (/^\d{1,6}$/.test(value)) return Number(value) * 1000;
  const until = Date.parse(value);
  return Number.isNaN(until) ? undefined : Math.max(0, until - Date.now());
}
