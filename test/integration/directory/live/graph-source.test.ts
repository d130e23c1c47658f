/** Microsoft Graph as a source, against a stand-in over HTTP (coexistence.md 4.3 f). */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { graphSource } from '../../../../src/directory/live/graph-source.ts';
import type { Fetched, GraphSettings, LiveChecks, LiveSource } from '../../../../src/directory/live/ports.ts';
import { type Domain, parseDomain } from '../../../../src/mail/address.ts';
import { signedRsa } from '../../../support/certificates.ts';
import { GraphServer } from '../../../support/graph-server.ts';

const domain = (text: string): Domain => parseDomain(text) as Domain;
const CHECKS: LiveChecks = {
  domains: [{ name: domain('contoso.com'), includeSubdomains: false }],
  routingDomains: [domain('contoso.mail.onmicrosoft.com')],
};
const EXCHANGE = { service: 'exchange', capabilityStatus: 'Enabled', servicePlanId: 'efb87545-963c-4e0d-99df-69c6916d9eb0' };

const user = (name: string, more: Record<string, unknown> = {}): Record<string, unknown> => ({
  userPrincipalName: `${name}@contoso.com`,
  mail: `${name}@contoso.com`,
  userType: 'Member',
  onPremisesSyncEnabled: true,
  proxyAddresses: [`SMTP: ${name}@contoso.com`, `smtp:${name}@contoso.mail.onmicrosoft.com`, `SIP:${name}@contoso.com`],
  assignedPlans: [EXCHANGE],
  ...more,
});

let folder: string;
let graph: GraphServer;
/** Milliseconds that were waited, without waiting. */
let waits: number[];
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'bridgehead-graph-'));
  await writeFile(join(folder, 'secret'), 'not a secret\n');
  graph = await GraphServer.start();
  waits = [];
});
afterEach(async () => {
  await graph[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
});

function source(more: Partial<GraphSettings> = {}): LiveSource {
  const settings: GraphSettings = {
    kind: 'graph',
    name: 'tenant',
    url: `${graph.origin}/v1.0`,
    signInUrl: graph.origin,
    tenant: 'contoso.onmicrosoft.com',
    clientId: 'app',
    secretFile: join(folder, 'secret'),
    refresh: 300_000,
    deadline: 2_000,
    ...more,
  };
  return graphSource(settings, CHECKS, {
    clock: { now: () => Date.now(), monotonic: () => performance.now() },
    delay: (milliseconds) => {
      waits.push(milliseconds);
      return Promise.resolve();
    },
    stateFile: join(folder, 'state', 'tenant.jsonl'),
  });
}

const fetch = (from: LiveSource): Promise<Fetched> => from.fetch(new AbortController().signal);
const got = (fetched: Fetched): string[] =>
  fetched.ok
    ? fetched.records.map(({ address, kind, route, routingAddress }) =>
        [address.address, kind, route, ...(routingAddress === undefined ? [] : [routingAddress.address])].join(' '),
      )
    : [fetched.problem];

describe('a Graph source', () => {
  it('reads users, groups and contacts, page by page, with one token', async () => {
    for (const name of ['anna', 'ben', 'carla']) graph.put('users', name, user(name));
    graph.put('groups', 'team', { mail: 'team@contoso.com', mailEnabled: true, proxyAddresses: ['SMTP:team@contoso.com'] });
    graph.put('contacts', 'partner', { mail: 'partner@elsewhere.example', proxyAddresses: ['SMTP:partner@elsewhere.example'] });
    expect(got(await fetch(source()))).toEqual([
      'anna@contoso.com mailbox cloud anna@contoso.mail.onmicrosoft.com',
      'ben@contoso.com mailbox cloud ben@contoso.mail.onmicrosoft.com',
      'carla@contoso.com mailbox cloud carla@contoso.mail.onmicrosoft.com',
      'team@contoso.com group cloud',
    ]);
    expect(graph.log).toEqual([
      'POST /contoso.onmicrosoft.com/oauth2/v2.0/token',
      'GET /v1.0/users/delta',
      'GET /v1.0/users/delta',
      'GET /v1.0/groups/delta',
      'GET /v1.0/contacts/delta',
    ]);
  });

  it('takes no alias in a routing domain for a proof of a mailbox there', async () => {
    graph.put('users', 'anna', user('anna', { assignedPlans: [] }));
    graph.put('users', 'guest', user('guest', { userType: 'Guest' }));
    expect(got(await fetch(source()))).toEqual(['anna@contoso.com mail-user on-premises anna@contoso.mail.onmicrosoft.com']);
  });

  it('asks for changes alone the next time, and lays them over what it knows', async () => {
    for (const name of ['anna', 'ben', 'carla']) graph.put('users', name, user(name));
    const from = source();
    await fetch(from);
    graph.put('users', 'anna', { proxyAddresses: ['SMTP:anna.new@contoso.com', 'smtp:anna@contoso.com'] });
    graph.remove('users', 'ben');
    graph.put('users', 'dan', user('dan'));
    graph.log.length = 0;
    expect(got(await fetch(from))).toEqual([
      'anna.new@contoso.com mailbox cloud',
      'carla@contoso.com mailbox cloud carla@contoso.mail.onmicrosoft.com',
      'dan@contoso.com mailbox cloud dan@contoso.mail.onmicrosoft.com',
    ]);
    expect(graph.log.filter((line) => line.includes('users'))).toHaveLength(2);
    graph.log.length = 0;
    expect(got(await fetch(from))).toHaveLength(3);
    expect(graph.log).toHaveLength(3);
  });

  it('goes on from its kept state after a restart, and without it reads everything', async () => {
    for (const name of ['anna', 'ben', 'carla', 'dan', 'eva']) graph.put('users', name, user(name));
    await fetch(source());
    graph.put('users', 'anna', { mail: 'anna@contoso.com', assignedPlans: [] });
    graph.log.length = 0;
    const again = got(await fetch(source()));
    expect(again[0]).toBe('anna@contoso.com mail-user on-premises anna@contoso.mail.onmicrosoft.com');
    expect(again).toHaveLength(5);
    expect(graph.log.filter((line) => line.includes('users'))).toHaveLength(1);
    await writeFile(
      join(folder, 'state', 'tenant.jsonl'),
      (await readFile(join(folder, 'state', 'tenant.jsonl'), 'utf8')).slice(0, 400),
    );
    graph.log.length = 0;
    expect(got(await fetch(source()))).toEqual(again);
    expect(graph.log.filter((line) => line.includes('users'))).toHaveLength(3);
  });

  it('keeps no token and no secret in its state', async () => {
    graph.put('users', 'anna', user('anna'));
    await fetch(source());
    const state = await readFile(join(folder, 'state', 'tenant.jsonl'), 'utf8');
    expect(state).not.toContain('not a secret');
    for (const token of graph.tokens) expect(state).not.toContain(token);
  });

  it('knows who is in a group, who joined and who left', async () => {
    for (const name of ['anna', 'ben']) graph.put('users', name, user(name));
    graph.put('groups', 'team', {
      mail: 'team@contoso.com',
      mailEnabled: true,
      proxyAddresses: ['SMTP:team@contoso.com'],
      'members@delta': [{ id: 'anna' }],
    });
    const from = source();
    const members = async (): Promise<(string | undefined)[] | undefined> => {
      const fetched = await fetch(from);
      return fetched.ok
        ? fetched.records.find(({ kind }) => kind === 'group')?.members?.map(({ localPart }) => localPart)
        : undefined;
    };
    expect(await members()).toEqual(['anna']);
    graph.put('groups', 'team', { 'members@delta': [{ id: 'ben' }, { id: 'anna', '@removed': { reason: 'deleted' } }] });
    expect(await members()).toEqual(['ben']);
  });

  it('reads everything anew where Graph has forgotten its link (410)', async () => {
    for (const name of ['anna', 'ben']) graph.put('users', name, user(name));
    const from = source();
    await fetch(from);
    graph.troubles.push({ status: 410, body: { error: { code: 'syncStateNotFound', message: 'The sync state is gone.' } } });
    graph.remove('users', 'ben');
    expect(got(await fetch(from))).toEqual(['anna@contoso.com mailbox cloud anna@contoso.mail.onmicrosoft.com']);
  });

  it('reads plain lists from a server that knows no changes and asks nobody to sign in', async () => {
    graph.knowsDelta = false;
    for (const name of ['anna', 'ben', 'carla']) graph.put('users', name, user(name));
    const {
      clientId: _client,
      tenant: _tenant,
      secretFile: _secret,
      ...open
    } = {
      kind: 'graph' as const,
      name: 'tenant',
      url: `${graph.origin}/v1.0`,
      signInUrl: graph.origin,
      tenant: '',
      clientId: '',
      secretFile: '',
      refresh: 300_000,
      deadline: 2_000,
    };
    const from = graphSource(open, CHECKS, { clock: { now: () => 0, monotonic: () => 0 }, delay: () => Promise.resolve() });
    expect(got(await fetch(from))).toHaveLength(3);
    graph.remove('users', 'ben');
    graph.objects.users.delete('ben');
    expect(got(await fetch(from))).toHaveLength(2);
    expect(graph.log.some((line) => line.startsWith('POST'))).toBe(false);
  });

  it('signs in by a certificate: a signed assertion that names it', async () => {
    graph.certificate = signedRsa.cert;
    await writeFile(join(folder, 'app.pem'), signedRsa.cert);
    await writeFile(join(folder, 'app.key'), signedRsa.key);
    graph.put('users', 'anna', user('anna'));
    const { secretFile: _none, ...rest } = { secretFile: '', certificate: join(folder, 'app.pem'), key: join(folder, 'app.key') };
    expect(got(await fetch(source(rest)))).toHaveLength(1);
  });
});

describe('Graph in trouble', () => {
  it('that throttles is given the time it asks for (429, Retry-After)', async () => {
    graph.put('users', 'anna', user('anna'));
    graph.troubles.push(
      { status: 429, headers: { 'retry-after': '17' } },
      { status: 503 },
      { status: 429, headers: { 'retry-after': '1' } },
    );
    expect(got(await fetch(source()))).toHaveLength(1);
    expect(waits).toEqual([17_000, 4_000, 1_000]);
  });

  it('that throttles for ever is left for the next refresh', async () => {
    for (let i = 0; i < 6; i++) graph.troubles.push({ status: 429, headers: { 'retry-after': '10' } });
    expect(await fetch(source())).toMatchObject({ ok: false, problem: 'HTTP 429' });
    expect(waits).toHaveLength(5);
  });

  it('in the middle of a round changes nothing: the next round asks by the old link', async () => {
    for (const name of ['anna', 'ben', 'carla']) graph.put('users', name, user(name));
    const from = source();
    await fetch(from);
    graph.put('users', 'dan', user('dan'));
    graph.put('users', 'eva', user('eva'));
    graph.put('users', 'finn', user('finn'));
    graph.troubles.push({
      status: 200,
      body: { value: [{ id: 'anna', '@removed': {} }], '@odata.nextLink': `${graph.origin}/v1.0/nowhere` },
    });
    expect(await fetch(from)).toMatchObject({ ok: false, problem: expect.stringContaining('HTTP 404') });
    expect(got(await fetch(from))).toHaveLength(6);
  });

  it('signs in anew, once, where its token has ended', async () => {
    graph.put('users', 'anna', user('anna'));
    const from = source();
    await fetch(from);
    graph.tokens.clear();
    graph.tokens.add('of somebody else');
    expect(got(await fetch(from))).toHaveLength(1);
    expect(graph.log.filter((line) => line.startsWith('POST'))).toHaveLength(2);
  });

  it('that refuses the secret says so, without showing it', async () => {
    await writeFile(join(folder, 'secret'), 'a wrong one');
    const fetched = await fetch(source());
    expect(fetched).toMatchObject({
      ok: false,
      problem: 'signing in failed: HTTP 401 invalid_client: AADSTS7000215: Invalid client secret provided.',
      remedy: expect.stringContaining('secret'),
    });
    expect(JSON.stringify(fetched)).not.toContain('a wrong one');
  });

  it('that names the rights it wants is answered with the remedy', async () => {
    graph.troubles.push({
      status: 403,
      body: { error: { code: 'Authorization_RequestDenied', message: 'Insufficient privileges' } },
    });
    expect(await fetch(source())).toMatchObject({
      ok: false,
      problem: 'HTTP 403 Authorization_RequestDenied: Insufficient privileges',
      remedy: expect.stringContaining('User.Read.All'),
    });
  });

  it('never sends our token to another server, whatever a link says', async () => {
    await using elsewhere = await GraphServer.start();
    for (const name of ['anna', 'ben', 'carla']) graph.put('users', name, user(name));
    graph.leadsTo = `${elsewhere.origin}/v1.0/users/delta`;
    expect(await fetch(source())).toMatchObject({ ok: false, problem: 'the service names a page at another server' });
    expect(elsewhere.log).toEqual([]);
    graph.leadsTo = undefined;
    graph.troubles.push({ status: 302, headers: { location: `${elsewhere.origin}/v1.0/users/delta` } });
    expect(await fetch(source())).toMatchObject({ ok: false });
    expect(elsewhere.log).toEqual([]);
  });

  it('that is away, or is a proxy with a page of its own, is named', async () => {
    graph.troubles.push({ status: 200, body: '<html>sign in to the hotel</html>' });
    expect(await fetch(source())).toMatchObject({ ok: false, problem: expect.stringContaining('no JSON object') });
    const gone = source();
    await graph[Symbol.asyncDispose]();
    expect(await fetch(gone)).toMatchObject({ ok: false, problem: expect.stringContaining('ECONNREFUSED') });
  });
});
