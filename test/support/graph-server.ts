/** A stand-in for Microsoft Graph and its sign-in: pages, delta queries with links, throttling, application tokens. */
import { constants, createHash, verify, X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

type Kind = 'users' | 'groups' | 'contacts';
type GraphFields = Readonly<Record<string, unknown>>;

export class GraphServer implements AsyncDisposable {
  /** By id, as the tenant has them now. */
  readonly objects: Readonly<Record<Kind, Map<string, GraphFields>>> = {
    users: new Map(),
    groups: new Map(),
    contacts: new Map(),
  };
  /** `GET /v1.0/users/delta` and `POST /tenant/oauth2/v2.0/token`, in their order, without queries. */
  readonly log: string[] = [];
  pageSize = 2;
  knowsDelta = true;
  /** Answers before the next question is answered: taken from the front. */
  readonly troubles: { readonly status: number; readonly headers?: Record<string, string>; readonly body?: unknown }[] = [];
  /** What may sign in. */
  secret = 'not a secret';
  certificate: string | undefined;
  /** Tokens that count. */
  readonly tokens = new Set<string>();
  /** A next link that leads elsewhere. */
  leadsTo: string | undefined;
  readonly #changes: { readonly kind: Kind; readonly fields: GraphFields }[] = [];
  readonly #server: Server;

  private constructor() {
    this.#server = createServer((request, response) => void this.#answer(request, response));
  }

  static async start(): Promise<GraphServer> {
    const server = new GraphServer();
    server.#server.listen(0, '127.0.0.1');
    await once(server.#server, 'listening');
    return server;
  }

  get origin(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Adds or changes an object; a delta tells of these fields alone. */
  put(kind: Kind, id: string, fields: GraphFields): void {
    const { 'members@delta': _members, ...lasting } = fields;
    this.objects[kind].set(id, { ...this.objects[kind].get(id), ...lasting, id });
    this.#changes.push({ kind, fields: { id, ...fields } });
  }

  remove(kind: Kind, id: string): void {
    this.objects[kind].delete(id);
    this.#changes.push({ kind, fields: { id, '@removed': { reason: 'deleted' } } });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#server.listening) return;
    const closed = once(this.#server, 'close');
    this.#server.close();
    this.#server.closeAllConnections();
    await closed;
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', this.origin);
    this.log.push(`${request.method} ${url.pathname}`);
    const send = (status: number, body: unknown, headers: Record<string, string> = {}): void => {
      response.writeHead(status, { 'content-type': 'application/json', ...headers });
      response.end(typeof body === 'string' ? body : JSON.stringify(body));
    };
    if (url.pathname.endsWith('/oauth2/v2.0/token')) return this.#signIn(await textOf(request), url, send);
    const trouble = this.troubles.shift();
    if (trouble !== undefined) return send(trouble.status, trouble.body ?? {}, trouble.headers);
    if (this.tokens.size > 0 && !this.tokens.has((request.headers.authorization ?? '').replace('Bearer ', '')))
      return send(401, { error: { code: 'InvalidAuthenticationToken', message: 'Access token is empty or has expired.' } });
    const [, , kind = '', delta] = url.pathname.split('/');
    if (!(kind in this.objects) || (delta === 'delta' && !this.knowsDelta))
      return send(404, { error: { code: 'ResourceNotFound', message: 'Resource not found for the segment.' } });
    send(200, this.#page(kind as Kind, delta === 'delta', url));
  }

  #page(kind: Kind, isDelta: boolean, url: URL): unknown {
    const since = url.searchParams.get('$deltatoken');
    const all = since === null ? this.#everything(kind, isDelta) : this.#since(kind, Number(since));
    const at = Number(url.searchParams.get('$skiptoken') ?? 0);
    const value = all.slice(at, at + this.pageSize);
    const link = (token: Record<string, string>): string =>
      `${this.origin}${url.pathname}?${new URLSearchParams(token).toString()}`;
    if (at + this.pageSize < all.length) {
      const next = { $skiptoken: String(at + this.pageSize), ...(since === null ? {} : { $deltatoken: since }) };
      return { value, '@odata.nextLink': this.leadsTo ?? link(next) };
    }
    return { value, ...(isDelta ? { '@odata.deltaLink': link({ $deltatoken: String(this.#changes.length) }) } : {}) };
  }

  #everything(kind: Kind, isDelta: boolean): readonly GraphFields[] {
    if (!isDelta || kind !== 'groups') return [...this.objects[kind].values()];
    return [...this.objects[kind].values()].map((group) => ({
      ...group,
      'members@delta': this.#changes
        .filter(({ fields }) => fields['id'] === group['id'])
        .flatMap(({ fields }) => (fields['members@delta'] as readonly unknown[] | undefined) ?? []),
    }));
  }

  #since(kind: Kind, mark: number): readonly GraphFields[] {
    return this.#changes
      .slice(mark)
      .filter((change) => change.kind === kind)
      .map(({ fields }) => fields);
  }

  #signIn(body: string, url: URL, send: (status: number, body: unknown) => void): void {
    const form = new URLSearchParams(body);
    const isKnown =
      this.certificate === undefined
        ? form.get('client_secret') === this.secret
        : isSigned(form.get('client_assertion') ?? '', this.certificate, `${this.origin}${url.pathname}`);
    if (!isKnown || form.get('grant_type') !== 'client_credentials' || form.get('scope') !== `${this.origin}/.default`)
      return send(401, {
        error: 'invalid_client',
        error_description: 'AADSTS7000215: Invalid client secret provided.\r\nTrace ID: 1',
      });
    const token = createHash('sha256').update(`${this.tokens.size}`).digest('hex');
    this.tokens.add(token);
    send(200, { token_type: 'Bearer', expires_in: 3599, access_token: token });
  }
}

function isSigned(assertion: string, certificate: string, audience: string): boolean {
  const [head = '', claims = '', signature = ''] = assertion.split('.');
  const parsed = new X509Certificate(certificate);
  const thumbprint = Buffer.from(parsed.fingerprint256.replaceAll(':', ''), 'hex').toString('base64url');
  const decode = (part: string): Record<string, unknown> =>
    JSON.parse(Buffer.from(part, 'base64url').toString()) as Record<string, unknown>;
  return (
    decode(head)['x5t#S256'] === thumbprint &&
    decode(claims)['aud'] === audience &&
    verify(
      'sha256',
      Buffer.from(`${head}.${claims}`),
      { key: parsed.publicKey, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_DIGEST },
      Buffer.from(signature, 'base64url'),
    )
  );
}

async function textOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString();
}
