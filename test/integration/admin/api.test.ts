import { randomUUID } from 'node:crypto';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type AdminApi, type ApiSettings, openApi } from '../../../src/admin/api.ts';
import { createMetrics } from '../../../src/admin/metrics.ts';
import { ROUTES } from '../../../src/admin/routes.ts';
import { Uploads } from '../../../src/admin/uploads.ts';
import type { EventRecord } from '../../../src/mail/event.ts';
import type { Log } from '../../../src/platform/logger.ts';
import { type FakeRelay, fakeRelay, NOW, spooled } from './fake-relay.ts';

let relay: FakeRelay;
let logged: { fields: Record<string, unknown>; message: string }[];
let api: AdminApi;

const note = (fields: unknown, message?: string): void =>
  void logged.push({ fields: fields as Record<string, unknown>, message: message ?? '' });
const log = { trace: note, debug: note, info: note, warn: note, error: note, fatal: note } as unknown as Log;
const clock = { now: () => NOW, monotonic: () => 0 };

const open = (settings: Partial<ApiSettings> = {}): Promise<AdminApi> =>
  openApi(
    { address: '127.0.0.1', port: 0, version: '0.1.0', hostNames: ['mx1.example.com'], ...settings },
    {
      operations: relay.operations,
      metrics: createMetrics(relay.activity, relay.ports, clock),
      readiness: () => ({ accepting: relay.accepting }),
      log,
      uploads: new Uploads({ folder: join(tmpdir(), `uploads-${randomUUID()}`), clock }),
    },
  );

interface Answer {
  readonly status: number;
  readonly text: string;
  readonly headers: Record<string, unknown>;
}

function ask(path: string, options: { method?: string; headers?: Record<string, string>; body?: string } = {}): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const sent = request(
      new URL(path, api.url),
      { method: options.method ?? 'GET', headers: options.headers ?? {} },
      (answer) => {
        let text = '';
        answer.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
        answer.on('end', () => resolve({ status: answer.statusCode ?? 0, text, headers: answer.headers }));
      },
    );
    sent.on('error', reject);
    sent.end(options.body);
  });
}

const post = (path: string, body: unknown, headers: Record<string, string> = {}): Promise<Answer> =>
  ask(path, { method: 'POST', headers: { 'content-type': 'application/json', ...headers }, body: JSON.stringify(body) });

beforeEach(async () => {
  relay = fakeRelay();
  logged = [];
  api = await open();
});
afterEach(() => api[Symbol.asyncDispose]());

describe('the admin API', () => {
  it('answers what the operations answer', async () => {
    relay.messages = [spooled(1)];
    expect(JSON.parse((await ask('/api/v1/status')).text)).toMatchObject({
      hostname: 'mx1.example.com',
      accepting: true,
      queue: { messages: 1 },
    });
    expect(JSON.parse((await ask('/api/v1/queue')).text)).toMatchObject({
      messages: [{ id: spooled(1).id, recipients: [{ state: 'deferred' }] }],
      next: null,
    });
    expect(JSON.parse((await ask(`/api/v1/queue/${spooled(1).id}`)).text)).toMatchObject({ sender: 'x@example.net' });
    expect(JSON.parse((await ask('/api/v1/explain?recipient=user@example.com')).text)).toEqual({
      recipient: 'user@example.com',
      canonical: 'user@example.com',
      route: 'cloud',
      'routing-address': 'user@domain1.microsoftonline.com',
      connector: 'cloud',
      'next-hop': 'MX of the domain',
      'tls-mode': 'opportunistic',
      reply: '250 2.1.5 Ok',
      reason: 'directory: migrated',
      'directory-version': 12,
      steps: [
        { step: 'directory', result: 'cloud as user@domain1.microsoftonline.com', source: 'recipients.csv:12' },
        { step: 'tls', result: 'opportunistic', source: 'connector cloud' },
      ],
    });
    expect(JSON.parse((await ask('/api/v1/trace?since=2026-11-22T00:00:00Z')).text)).toEqual({ records: [], more: false });
  });

  it('steers the queue by what is named, and by nothing else', async () => {
    relay.messages = [spooled(1)];
    expect((await post('/api/v1/queue/hold', { recipient: 'a@example.com', 'older-than': '2h' })).status).toBe(200);
    expect(relay.steered).toEqual([
      { selector: { recipient: 'a@example.com', olderThan: 7_200_000 }, steering: { kind: 'hold' } },
    ]);
    expect((await post('/api/v1/queue/expire', {})).status).toBe(400);
    expect((await post('/api/v1/queue/expire', { recipent: 'a@example.com' })).status).toBe(400);
    expect((await post('/api/v1/queue/reroute', { all: true, to: 'nowhere' })).status).toBe(404);
    expect(relay.steered).toHaveLength(1);
  });

  it('writes an audit line for each change, and none for questions', async () => {
    await ask('/api/v1/connectors/cloud/pause', { method: 'POST' });
    await ask('/api/v1/status');
    const lines = logged.filter((line) => line.message === 'operator change');
    expect(lines.map((line) => line.fields)).toMatchObject([
      { change: 'pause', target: 'cloud', client: '127.0.0.1', answer: { state: 'paused' } },
    ]);
  });

  it('describes every one of its paths', async () => {
    const description = JSON.parse((await ask('/api/v1/openapi.json')).text) as {
      openapi: string;
      paths: Record<string, Record<string, unknown>>;
    };
    expect(description.openapi).toBe('3.1.0');
    expect(Object.keys(description.paths)).toContain('/api/v1/queue/{id}');
    expect(Object.values(description.paths).flatMap((path) => Object.keys(path))).toHaveLength(ROUTES.length + 1);
    expect(description.paths['/api/v1/queue/reroute']?.['post']).toMatchObject({
      requestBody: { content: { 'application/json': { schema: { required: ['to'] } } } },
    });
  });

  it('shows health, readiness, metrics and a page with the state of the moment', async () => {
    const event: EventRecord = {
      time: new Date(NOW).toISOString(),
      event: 'SEND',
      connector: 'cloud',
      'duration-ms': 41,
      tls: { result: 'verified' },
    };
    relay.activity.note(event, NOW);
    expect((await ask('/healthz')).status).toBe(200);
    expect((await ask('/readyz')).status).toBe(200);
    const metrics = (await ask('/metrics')).text;
    expect(metrics).toContain('bridgehead_events_total{event="SEND",connector="cloud"} 1');
    expect(metrics).toContain('bridgehead_delivery_seconds_bucket{connector="cloud",le="0.05"} 1');
    expect(metrics).toContain('bridgehead_delivery_seconds_bucket{connector="cloud",le="0.025"} 0');
    expect(metrics).toContain('bridgehead_tls_results_total{direction="out",result="verified"} 1');
    relay.accepting = false;
    expect((await ask('/readyz')).status).toBe(503);
    const page = await ask('/');
    expect(page.headers['content-security-policy']).toContain("default-src 'none'");
    expect(page.text).toContain('not accepting mail: 452 4.3.1 Insufficient system storage');
  });
});

describe('the guard of the admin API', () => {
  it('refuses a foreign Host (DNS rebinding), and takes addresses and its own names', async () => {
    expect((await ask('/api/v1/status', { headers: { host: 'evil.example' } })).status).toBe(421);
    expect((await ask('/api/v1/status', { headers: { host: 'localhost:8025' } })).status).toBe(200);
    expect((await ask('/api/v1/status', { headers: { host: 'MX1.example.com' } })).status).toBe(200);
    expect((await ask('/api/v1/status', { headers: { host: '[::1]:8025' } })).status).toBe(200);
    expect((await ask('/api/v1/status', { headers: { host: 'user@localhost' } })).status).toBe(421);
  });

  it('refuses pages of other sites, and offers no CORS', async () => {
    const host = new URL(api.url).host;
    expect((await post('/api/v1/queue/hold', { all: true }, { origin: 'https://evil.example' })).status).toBe(403);
    expect((await post('/api/v1/queue/hold', { all: true }, { origin: 'null' })).status).toBe(403);
    expect((await post('/api/v1/queue/hold', { all: true }, { 'sec-fetch-site': 'cross-site' })).status).toBe(403);
    expect((await ask('/api/v1/status', { method: 'OPTIONS', headers: { origin: `http://${host}` } })).status).toBe(404);
    const own = await post('/api/v1/queue/hold', { all: true }, { origin: `http://${host}` });
    expect(own.status).toBe(200);
    expect(Object.keys(own.headers).filter((name) => name.startsWith('access-control'))).toEqual([]);
    expect(relay.steered).toHaveLength(1);
  });

  it('takes JSON alone, at most 1 MB of it, and no __proto__', async () => {
    const form = { method: 'POST', headers: { 'content-type': 'application/x-www-form-urlencoded' }, body: 'all=true' };
    expect((await ask('/api/v1/queue/hold', form)).status).toBe(415);
    expect(
      (await ask('/api/v1/queue/hold', { ...form, headers: { 'content-type': 'text/plain' }, body: '{"all":true}' })).status,
    ).toBe(415);
    expect((await post('/api/v1/queue/hold', { id: ['x'.repeat(2 ** 20)] })).status).toBe(413);
    expect(
      (
        await ask('/api/v1/queue/hold', {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: '{"__proto__":{"all":true}}',
        })
      ).status,
    ).toBe(400);
    expect(
      (await ask('/api/v1/queue/hold', { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{' })).status,
    ).toBe(400);
    expect((await ask('/api/v1/nothing')).status).toBe(404);
    expect((await ask('/api/v1/queue/..%2f..%2fetc%2fpasswd')).status).toBe(404);
    expect(relay.steered).toEqual([]);
  });

  it('says nothing of what broke inside to the caller', async () => {
    relay.ports.queue.load = () => {
      throw new Error('secret path /var/lib');
    };
    const answer = await ask('/api/v1/queue/x');
    expect(answer.status).toBe(500);
    expect(answer.text).not.toContain('secret');
    expect(logged.at(-1)?.message).toBe('admin request failed');
  });

  it('wants the token where there is one, except for the probes', async () => {
    await api[Symbol.asyncDispose]();
    api = await open({ token: 'a-token-of-some-length' });
    expect((await ask('/api/v1/status')).status).toBe(401);
    expect((await ask('/metrics')).status).toBe(401);
    expect((await ask('/')).status).toBe(401);
    expect((await ask('/api/v1/status', { headers: { authorization: 'Bearer wrong' } })).status).toBe(401);
    expect((await ask('/healthz')).status).toBe(200);
    expect((await ask('/api/v1/status', { headers: { authorization: 'Bearer a-token-of-some-length' } })).status).toBe(200);
  });

  it('does not start off loopback without token and TLS, nor with a short token', async () => {
    await expect(open({ address: '0.0.0.0' })).rejects.toThrow('lacks a token (admin.token-file) and TLS (admin.tls)');
    await expect(open({ address: '0.0.0.0', token: 'a-token-of-some-length' })).rejects.toThrow('lacks TLS');
    await expect(open({ token: 'short' })).rejects.toThrow('16 or more');
    await expect(open({ token: 'a token with spaces in it' })).rejects.toThrow('without spaces');
  });
});
