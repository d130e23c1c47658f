/**
 * DNS that is silent, fails, lies and loops, while the mail of another domain goes on: one relay that delivers by MX, one
 * DNS server with a domain for each fault, mail servers on addresses of 127.0.0.0/8. What is a failure and what a deferral
 * is RFC 5321 §5.1 and RFC 7505; nobody who is named by a lie (ourselves, a link-local address) gets a connection.
 *
 *   node test/faults/dns.ts [--only PATTERN]
 */
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import type { EventRecord } from '../../src/mail/event.ts';
import { seeded, testMessage } from '../e2e/support/messages.ts';
import { Relay } from '../e2e/support/relay.ts';
import { SmtpClient } from '../e2e/support/smtp-client.ts';
import { freePorts, until, Workspace } from '../e2e/support/workspace.ts';
import { DnsServer, type TestRecords } from '../support/dns-server.ts';
import { drop, ScriptedPeer } from '../support/scripted-peer.ts';
import { say, some, table, verdict } from './report.ts';

interface Lie {
  readonly name: string;
  readonly records: Readonly<Record<string, TestRecords>>;
  /** The event of the record, and what its reply must contain. */
  readonly event: 'SEND' | 'DEFER' | 'FAIL';
  readonly says: RegExp;
  /** Asked once the others are through: it disturbs every question that is under way on the same socket. */
  readonly last?: true;
  /** Questions about it at most, in all; the MX of 1,500 is asked for twice, by UDP and TCP. */
  readonly questions?: number;
}

/** What a connection costs is bounded: so many addresses are tried in one attempt. */
const MOST_TARGETS = 8;
const MESSAGES = 5;
const MAIL = '127.0.1.1';
const DEAD = Array.from({ length: 50 }, (_, i) => `127.0.2.${i + 1}`);
/** The longest that mail of another domain may take meanwhile. */
const LATENCY_LIMIT_MS = 2_000;
const many = (count: number) => Array.from({ length: count }, (_, i) => [10 + i, `mx${i}.many.example`] as const);
const toMail = { 'mx.DOMAIN': { a: [MAIL] } };
const mx = (...exchanges: string[]) => exchanges.map((exchange, i) => [10 * i + 10, exchange] as const);

/** DOMAIN is the domain of the fault. */
const LIES: readonly Lie[] = [
  { name: 'no answer', records: { DOMAIN: { fail: 'silent' } }, event: 'DEFER', says: /^451 4\.4\.3.*ETIMEOUT/ },
  {
    name: 'no answer about the exchanger',
    records: { DOMAIN: { mx: mx('mx.DOMAIN') }, 'mx.DOMAIN': { fail: 'silent' } },
    event: 'DEFER',
    says: /^451 4\.4\.3.*ETIMEOUT/,
  },
  { name: 'SERVFAIL', records: { DOMAIN: { fail: 'servfail' } }, event: 'DEFER', says: /^451 4\.4\.3/ },
  {
    name: 'SERVFAIL about the exchanger',
    records: { DOMAIN: { mx: mx('mx.DOMAIN') }, 'mx.DOMAIN': { fail: 'servfail' } },
    event: 'DEFER',
    says: /^451 4\.4\.3/,
  },
  { name: 'REFUSED (lame delegation)', records: { DOMAIN: { fail: 'refused' } }, event: 'DEFER', says: /^451 4\.4\.3/ },
  { name: 'answers to another question', records: { DOMAIN: { fail: 'wrong-id' } }, event: 'DEFER', says: /^451 4\.4\.3/ },
  { name: 'garbage for an answer', records: { DOMAIN: { fail: 'garbage' } }, event: 'DEFER', says: /^451 4\.4\.3/, last: true },
  { name: 'NXDOMAIN', records: {}, event: 'FAIL', says: /^550 5\.1\.2/ },
  { name: 'neither MX nor address', records: { DOMAIN: {} }, event: 'FAIL', says: /^550 5\.1\.2/ },
  { name: 'null MX', records: { DOMAIN: { mx: [[0, '.']] } }, event: 'FAIL', says: /^556 5\.1\.10/ },
  { name: 'no MX, an address', records: { DOMAIN: { a: [MAIL] } }, event: 'SEND', says: /^250/ },
  {
    name: 'MX is our name',
    records: { DOMAIN: { mx: mx('relay.example') }, 'relay.example': { a: [MAIL] } },
    event: 'FAIL',
    says: /^550 5\.4\.6/,
  },
  {
    name: 'MX leads to our address',
    records: { DOMAIN: { mx: mx('mx.DOMAIN') }, 'mx.DOMAIN': { a: ['127.0.0.1'] } },
    event: 'FAIL',
    says: /^550 5\.4\.6/,
  },
  {
    name: 'our address behind a better MX',
    records: { DOMAIN: { mx: mx('mx.DOMAIN', 'relay.example') }, ...toMail },
    event: 'SEND',
    says: /^250/,
  },
  {
    name: 'MX leads to 0.0.0.0, this machine',
    records: { DOMAIN: { mx: mx('mx.DOMAIN') }, 'mx.DOMAIN': { a: ['0.0.0.0'] } },
    event: 'FAIL',
    says: /^550 5\.4\.4/,
  },
  {
    name: 'MX leads to 169.254.169.254',
    records: { DOMAIN: { mx: mx('mx.DOMAIN') }, 'mx.DOMAIN': { a: ['169.254.169.254'] } },
    event: 'FAIL',
    says: /^550 5\.4\.4/,
  },
  {
    name: 'MX is an alias',
    records: { DOMAIN: { mx: mx('alias.DOMAIN') }, 'alias.DOMAIN': { cname: 'mx.DOMAIN' }, ...toMail },
    event: 'SEND',
    says: /^250/,
  },
  {
    name: 'MX is an alias of itself, over another',
    records: { DOMAIN: { mx: mx('x.DOMAIN') }, 'x.DOMAIN': { cname: 'y.DOMAIN' }, 'y.DOMAIN': { cname: 'x.DOMAIN' } },
    event: 'FAIL',
    says: /^550 5\.4\.4/,
  },
  {
    name: 'the first MX has no address',
    records: { DOMAIN: { mx: mx('gone.DOMAIN', 'mx.DOMAIN') }, ...toMail },
    event: 'SEND',
    says: /^250/,
  },
  {
    name: 'the first MX cannot be looked up',
    records: { DOMAIN: { mx: mx('bad.DOMAIN', 'mx.DOMAIN') }, 'bad.DOMAIN': { fail: 'servfail' }, ...toMail },
    event: 'SEND',
    says: /^250/,
  },
  {
    name: 'truncated, whole over TCP',
    records: { DOMAIN: { mx: mx('mx.DOMAIN'), truncated: true }, 'mx.DOMAIN': { a: [MAIL], truncated: true } },
    event: 'SEND',
    says: /^250/,
  },
  { name: 'time to live 0', records: { DOMAIN: { mx: mx('mx.DOMAIN') }, ...toMail }, event: 'SEND', says: /^250/, questions: 2 },
  {
    name: 'AAAA alone, where the connector has ip: 4',
    records: { DOMAIN: { mx: mx('mx.DOMAIN') }, 'mx.DOMAIN': { aaaa: ['2001:db8::1'] } },
    event: 'FAIL',
    says: /IPv4 address/,
  },
  {
    name: '50 MX, all dead',
    records: {
      DOMAIN: { mx: DEAD.map((_, i) => [10, `dead${i}.DOMAIN`] as const) },
      ...Object.fromEntries(DEAD.map((address, i) => [`dead${i}.DOMAIN`, { a: [address] }])),
    },
    event: 'DEFER',
    says: /^451 4\.4\./,
  },
  {
    name: '1,500 MX without an address',
    records: { DOMAIN: { mx: many(1_500) } },
    event: 'FAIL',
    says: /^550 5\.4\.4/,
    questions: 2 + 32,
  },
];

const { values } = parseArgs({ options: { only: { type: 'string' } } });
const only = values.only === undefined ? undefined : new RegExp(values.only);
const lies = LIES.filter(({ name }) => only === undefined || only.test(name)).map((lie, i) => ({
  ...lie,
  domain: `lie${i}.example`,
}));

const named = (records: Lie['records'], domain: string): Record<string, TestRecords> =>
  JSON.parse(JSON.stringify(records).replaceAll('DOMAIN', domain)) as Record<string, TestRecords>;

await using workspace = new Workspace('dns');
await using senders = await ScriptedPeer.start();
await using dns = await DnsServer.start({
  'steady.example': { mx: mx('mx.steady.example') },
  'mx.steady.example': { a: [MAIL] },
  ...Object.assign({}, ...lies.map(({ records, domain }) => named(records, domain))),
});
// one port for all: mail exchangers are told by their addresses, and ours is 127.0.0.1
const [port = 0, adminPort = 0] = await freePorts(2);
await using mail = await ScriptedPeer.start({ address: MAIL }, port);
const dead = await Promise.all(DEAD.map((address) => ScriptedPeer.start({ address, greeting: drop }, port)));
const relay = new Relay(workspace, {
  port,
  adminPort,
  recipients: [],
  run: { main: fileURLToPath(new URL('./hasty-relay.ts', import.meta.url)), args: ['--mx-port', String(port)] },
  settings: `domains: [{ name: senders.example, type: internal-relay, unknown-recipients: on-premises, verify-recipients: off }]
peers: { on-premises: { networks: [127.0.0.1/32], relay-to: [own, cloud, internet] } }
connectors:
  - { name: on-premises, address-spaces: [senders.example], next-hop: { smart-hosts: ["127.0.0.1:${senders.port}"] }, tls: { mode: none } }
  - { name: internet, address-spaces: ["*"], next-hop: { mx: true }, tls: { mode: none }, ip: 4 }
limits: { exempt: [127.0.0.0/8] }
dns: { servers: ["${dns.server}"] }
queue: { retry: [2s], expire-after: 1d }
`,
});
await relay.start();

const chance = seeded(11);
async function send(client: SmtpClient, token: string, to: string): Promise<void> {
  const { kind } = await client.send(`${token}@senders.example`, [to], testMessage(token, 2_000, chance).bytes);
  if (kind !== 'acked') throw new Error(`${to} was not taken: ${kind}`);
}

/** Mail of a domain that nothing ails, one message after the other: how long each takes. */
const latencies: number[] = [];
let going = true;
async function steady(): Promise<void> {
  const opened = await SmtpClient.open(port);
  await opened?.client.command('EHLO sender.example');
  for (let i = 0; going && opened !== undefined; i++) {
    const arrivals = () => mail.messages.filter(({ rcpts }) => rcpts[0]?.includes('@steady.example')).length;
    const began = performance.now();
    await send(opened.client, `steady${i}`, 'a@steady.example');
    await until('mail of another domain arrives', () => arrivals() > i, 30_000, 5);
    latencies.push(performance.now() - began);
    await delay(50);
  }
  await opened?.client.quit();
}

const flow = steady();
const opened = await SmtpClient.open(port);
if (opened === undefined) throw new Error('the relay does not greet');
await opened.client.command('EHLO sender.example');
let records = new Map<string, EventRecord[]>();
/** The first of each message: what comes later may be a retry while another fault is at work. */
const seen = (domain: string, event: string) => {
  const found = (records.get(domain) ?? []).filter((record) => record.event === event);
  return found.filter((record, i) => found.findIndex((one) => one['spool-id'] === record['spool-id']) === i);
};
const dsnsOf = (i: number) => senders.messages.filter(({ rcpts }) => rcpts[0]?.includes(`<l${i}r`) === true).length;
for (const last of [undefined, true] as const) {
  const wave = [...lies.entries()].filter(([, lie]) => lie.last === last);
  for (let round = 0; round < MESSAGES; round++)
    for (const [i, { domain }] of wave) await send(opened.client, `l${i}r${round}`, `a@${domain}`);
  const done = () => {
    records = Map.groupBy(
      relay.trace('--since', '1d', '--limit', '100000'),
      ({ recipient = '' }) => recipient.split('@')[1] ?? '',
    );
    return wave.every(
      ([i, { domain, event }]) => seen(domain, event).length >= MESSAGES && (event !== 'FAIL' || dsnsOf(i) >= MESSAGES),
    );
  };
  await until('every message has its record', async () => done() || (await delay(500), false), 90_000).catch(() => {});
}
await opened.client.quit();
going = false;
await flow;

const broken: string[] = [];
const rows = lies.map(({ name, domain, event, says, questions: most }, i) => {
  const found = seen(domain, event).map(({ reply }) =>
    reply === undefined ? '' : `${reply.code} ${reply.enhanced ?? ''} ${reply.text}`,
  );
  const others = ['SEND', 'DEFER', 'FAIL'].filter((other) => other !== event && seen(domain, other).length > 0);
  const answered = found.filter((text) => says.test(text));
  const questions = dns.questions.filter(
    (question) =>
      question.endsWith(` ${domain}`) || question.endsWith(`.${domain}`) || (most === 34 && question.endsWith('.many.example')),
  );
  if (found.length < MESSAGES)
    broken.push(`${name}: ${found.length} of ${MESSAGES} have ${event}${others.length > 0 ? `, and ${others.join(', ')}` : ''}`);
  if (answered.length < found.length) broken.push(`${name}: ${some(found.filter((text) => !says.test(text)))}`);
  if (event !== 'DEFER' && others.length > 0) broken.push(`${name}: also ${others.join(', ')}`);
  if (most !== undefined && questions.length > most) broken.push(`${name}: ${questions.length} questions, ${most} expected`);
  const dsns = dsnsOf(i);
  if (dsns !== (event === 'FAIL' ? MESSAGES : 0)) broken.push(`${name}: ${dsns} DSNs`);
  return [name, event, questions.length, dsns, (found[0] ?? '').slice(0, 90)];
});
say(table(['DNS', 'record', 'questions', 'DSNs', 'what it says'], rows));

const attempts = lies.findIndex(({ name }) => name.startsWith('50 MX'));
const tries = (records.get(lies[attempts]?.domain ?? '') ?? []).filter(({ attempt }) => attempt !== undefined).length;
const connections = dead.reduce((sum, { sessions }) => sum + sessions.length, 0);
// one more attempt may be under way
if (connections > (tries + 1) * MOST_TARGETS) broken.push(`${connections} connections to dead exchangers in ${tries} attempts`);
latencies.sort((a, b) => a - b);
const [median = 0, longest = 0] = [latencies[Math.floor(latencies.length / 2)], latencies.at(-1)];
say(
  `50 dead exchangers: ${connections} connections in ${tries} attempts; mail of another domain meanwhile: ${latencies.length} messages, median ${median.toFixed(0)} ms, longest ${longest.toFixed(0)} ms`,
);
if (longest > LATENCY_LIMIT_MS) broken.push(`mail of another domain took ${longest.toFixed(0)} ms`);
process.exitCode = verdict('dns', broken);
await relay.stop();
await Promise.all(dead.map((peer) => peer[Symbol.asyncDispose]()));
