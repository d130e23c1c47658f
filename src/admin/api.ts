/** The admin API over HTTP: routes, guard, health, metrics and the page on one address (contract.md, "HTTP"). */
import type { AddressInfo } from 'node:net';
import { Readable } from 'node:stream';
import { Server as TlsServer } from 'node:tls';
import { type FastifyError, type FastifyInstance, type FastifyReply, type FastifyRequest, fastify } from 'fastify';
import type { Registry } from 'prom-client';
import type { z } from 'zod';
import type { Log } from '../platform/logger.ts';
import type { ApiRoute } from './api-route.ts';
import { OperationError, type Operations, type Refusal } from './contract.ts';
import { uploadQuery } from './directory-contract.ts';
import { type AccessSettings, Guard, refusalToStart } from './guard.ts';
import { describeApi } from './openapi.ts';
import { PAGE_POLICY, renderPage } from './page.ts';
import { ROUTES } from './routes.ts';
import { UPLOAD_LIMIT, type Uploads } from './uploads.ts';

const BODY_LIMIT = 2 ** 20;
/** Of what is wrong with a request, told in its answer; and characters of each: it names what was sent. */
const MOST_ISSUES = 20;
const LONGEST_ISSUE = 300;
/** Milliseconds. */
const LONGEST_UPLOAD = 900_000;
const STATUS: Record<Refusal, number> = { 'not-found': 404, invalid: 400, forbidden: 403, unavailable: 503 };

export interface ApiSettings extends AccessSettings {
  /** 0 takes a free one. */
  readonly port: number;
  readonly version: string;
}

export interface ApiParts {
  readonly operations: Operations;
  readonly metrics: Registry;
  /** Whether mail is accepted, and why not (`/readyz`). */
  readonly readiness: () => { readonly accepting: boolean; readonly why?: string };
  readonly log: Log;
  readonly uploads: Uploads;
}

export interface AdminApi extends AsyncDisposable {
  /** `http://127.0.0.1:8025` */
  readonly url: string;
  /** For all handshakes to come (PEM); nothing where the API speaks clear HTTP. */
  setCertificate(tls: { readonly certificate: string; readonly key: string }): void;
}

/** Opens the API; rejects where the settings would leave it open to the network. */
export async function openApi(settings: ApiSettings, parts: ApiParts): Promise<AdminApi> {
  const refusal = refusalToStart(settings);
  if (refusal !== undefined) throw new Error(refusal);
  const app = createServer(settings);
  const guard = new Guard(settings);
  app.addHook('onRequest', async (request, reply) => {
    const { headers } = request;
    void reply.headers({
      'x-content-type-options': 'nosniff',
      'cache-control': 'no-store',
      'referrer-policy': 'no-referrer',
      'content-security-policy': PAGE_POLICY,
    });
    // Probes come without a token and under any name; they learn nothing but up or down
    if (request.url === '/healthz' || request.url === '/readyz') return;
    const site = headers['sec-fetch-site'];
    const denial = guard.judge({
      host: headers.host,
      origin: headers.origin,
      fetchSite: typeof site === 'string' ? site : undefined,
      authorization: headers.authorization,
    });
    if (denial === undefined) return;
    parts.log.warn({ client: request.ip, status: denial.status }, 'admin request denied');
    if (denial.status === 401) void reply.header('www-authenticate', 'Bearer');
    return sendProblem(reply, denial.status, 'denied', denial.message);
  });
  app.setErrorHandler((error: FastifyError, request, reply) => answerError(error, request, reply, parts.log));
  app.setNotFoundHandler((_, reply) => sendProblem(reply, 404, 'not-found', 'There is nothing here; see /api/v1/openapi.json'));

  app.get('/healthz', () => ({ ok: true }));
  app.get('/readyz', (_, reply) => {
    const { accepting } = parts.readiness();
    return reply.code(accepting ? 200 : 503).send({ accepting });
  });
  app.get('/metrics', async (_, reply) => reply.type(parts.metrics.contentType).send(await parts.metrics.metrics()));
  app.get('/', async (_, reply) => reply.type('text/html; charset=utf-8').send(renderPage(await parts.operations.status())));
  const description = describeApi(settings.version);
  app.get('/api/v1/openapi.json', () => description);
  for (const route of ROUTES) addRoute(app, route, parts);
  addUploads(app, parts);

  try {
    await app.listen({ host: settings.address, port: settings.port });
  } catch (error) {
    await app.close();
    throw error;
  }
  const { port } = app.server.address() as AddressInfo;
  const host = settings.address.includes(':') ? `[${settings.address}]` : settings.address;
  return {
    url: `${settings.tls === undefined ? 'http' : 'https'}://${host}:${port}`,
    setCertificate({ certificate, key }) {
      if (app.server instanceof TlsServer) app.server.setSecureContext({ cert: certificate, key, minVersion: 'TLSv1.2' });
    },
    [Symbol.asyncDispose]: () => app.close(),
  };
}

function createServer(settings: ApiSettings): FastifyInstance {
  const options = {
    logger: false,
    bodyLimit: BODY_LIMIT,
    // a request that is not sent whole by then ends (P8): its header soon, its body in the time that a large directory takes
    requestTimeout: LONGEST_UPLOAD,
    keepAliveTimeout: 5_000,
    forceCloseConnections: true,
    exposeHeadRoutes: false,
  } as const;
  const { tls } = settings;
  const http = { headersTimeout: 30_000 };
  const app =
    tls === undefined
      ? fastify({ ...options, http })
      : (fastify({
          ...options,
          https: { ...http, cert: tls.certificate, key: tls.key, minVersion: 'TLSv1.2' },
        }) as unknown as FastifyInstance);
  app.removeContentTypeParser('text/plain'); // JSON alone: a form of another site cannot send that unasked
  return app;
}

function addRoute(app: FastifyInstance, route: ApiRoute, { operations, log, uploads }: ApiParts): void {
  app.route({
    method: route.method,
    url: `/api/v1${route.path}`,
    ...(route.bodyLimit !== undefined && { bodyLimit: route.bodyLimit }),
    handler: async (request) => {
      const input = parse(route.query ?? route.body, route.method === 'GET' ? request.query : request.body);
      const parameter = Object.values(request.params as Record<string, string>)[0] ?? '';
      const named = (input as { uploads?: readonly string[] } | undefined)?.uploads;
      const answer =
        named === undefined
          ? await route.run(operations, input, parameter, [])
          : await uploads.use(named, (files) => route.run(operations, input, parameter, files));
      // The audit log: who changed what, and what it came to
      if (route.change !== undefined)
        log.info(
          { change: route.change, client: request.ip, target: parameter || input, answer: brief(answer) },
          'operator change',
        );
      return answer;
    },
  });
}

/** Files come as they are and go to the disk as they come; as JSON such a one would be read whole into memory first. */
function addUploads(app: FastifyInstance, { uploads }: ApiParts): void {
  void app.register(async (own) => {
    own.removeAllContentTypeParsers();
    own.addContentTypeParser('application/octet-stream', (_, payload, done) => done(null, payload));
    own.addContentTypeParser('*', (_request, _payload, done) => done(new OperationError('invalid', ONLY_OCTETS)));
    own.post('/api/v1/uploads', { bodyLimit: UPLOAD_LIMIT }, async (request) => {
      const { name } = parse(uploadQuery, request.query) as z.output<typeof uploadQuery>;
      if (!(request.body instanceof Readable)) throw new OperationError('invalid', ONLY_OCTETS);
      return await uploads.receive(name, request.body);
    });
  });
}
const ONLY_OCTETS = 'send the file as application/octet-stream';

/** Lists are left out: an import may name thousands of recipients. */
function brief(answer: unknown): unknown {
  if (typeof answer !== 'object' || answer === null) return answer;
  return Object.fromEntries(Object.entries(answer).filter(([, value]) => !Array.isArray(value)));
}

function parse(schema: z.ZodType | undefined, value: unknown): unknown {
  if (schema === undefined) return undefined;
  const parsed = schema.safeParse(value ?? {});
  if (parsed.success) return parsed.data;
  const all = parsed.error.issues;
  const issues = all
    .slice(0, MOST_ISSUES)
    .map(({ path, message }) => (path.length === 0 ? message : `${path.join('.')}: ${message}`).slice(0, LONGEST_ISSUE));
  if (all.length > MOST_ISSUES) issues.push(`and ${all.length - MOST_ISSUES} more`);
  throw new OperationError('invalid', issues.join('; '));
}

function answerError(error: FastifyError | OperationError, request: FastifyRequest, reply: FastifyReply, log: Log): FastifyReply {
  if (error instanceof OperationError) return sendProblem(reply, STATUS[error.refusal], error.refusal, error.message);
  const { statusCode } = error;
  if (statusCode !== undefined && statusCode >= 400 && statusCode < 500)
    return sendProblem(reply, statusCode, 'invalid', error.message);
  // What broke is for the log alone
  log.error({ err: error, method: request.method, route: request.routeOptions.url }, 'admin request failed');
  return sendProblem(reply, 500, 'failed', 'The relay could not do this; its log has the cause');
}

function sendProblem(reply: FastifyReply, status: number, code: string, message: string): FastifyReply {
  return reply.code(status).send({ error: { code, message } });
}
