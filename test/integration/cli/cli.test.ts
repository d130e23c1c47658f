import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type AdminApi, openApi } from '../../../src/admin/api.ts';
import type { FileFinding } from '../../../src/admin/directory-contract.ts';
import { createMetrics } from '../../../src/admin/metrics.ts';
import { Uploads } from '../../../src/admin/uploads.ts';
import type { CliPorts } from '../../../src/cli/ports.ts';
import { runCli } from '../../../src/cli/run-cli.ts';
import { renderMessageTracking } from '../../../src/evidence/message-tracking-csv.ts';
import { renderTrace } from '../../../src/evidence/trace-table.ts';
import { silentLog } from '../../../src/platform/logger.ts';
import { readRunFile, removeRunFile, writeRunFile } from '../../../src/platform/run-file.ts';
import { type FakeRelay, fakeRelay, NOW, spooled } from '../admin/fake-relay.ts';
import { received, sent } from '../evidence/records.ts';

const TOKEN = 'a-token-of-some-length';
const BATCH_FILE: FileFinding = {
  severity: 'error',
  file: 'batch.csv',
  line: 1,
  address: '',
  problem: 'this is a migration batch file',
  remedy: 'bridgehead wave create NAME batch.csv',
};
const refuse = (head: Buffer): string | undefined => (head.includes('Password') ? 'this file has passwords' : undefined);
const GONE_PID = 2 ** 22 + 1; // beyond the kernel's largest

let directory: string;
let relay: FakeRelay;
let out: string;
let err: string;
let openedOffline: number;
let closedOffline: number;
let api: AdminApi | undefined;
let adminPort: number;

function ports(): CliPorts {
  return {
    version: '0.1.0',
    dataDirectoryOf: () => Promise.resolve(directory),
    adminOf: () => Promise.resolve({ address: '127.0.0.1', port: adminPort }),
    loadSettings: (file) =>
      Promise.resolve(
        file === 'wrong.yaml'
          ? {
              ok: false,
              mistakes: [
                {
                  file,
                  line: 3,
                  column: 5,
                  path: 'connectors[0].tls.mode',
                  problem: '"may" is not allowed here',
                  remedy: 'Write none or opportunistic',
                },
              ],
            }
          : { ok: true, settings: { dataDirectory: directory }, notes: [] },
      ),
    openOffline: () => {
      openedOffline += 1;
      return Promise.resolve({
        ...relay.operations,
        [Symbol.asyncDispose]: () => {
          closedOffline += 1;
          return Promise.resolve();
        },
      });
    },
    run: (file) => Promise.resolve(file === 'config/bridgehead.yaml' ? 0 : 78),
    smtpCheck: () => Promise.resolve({ ok: true, checked: [] }),
    demo: (args) => Promise.resolve(args.includes('--keep') ? 0 : 1),
    user: 'anna',
    readHeaders: () => Promise.resolve({ ok: true, report: { hops: [], 'vouched-encrypted': false }, text: '' }),
    inspectFile: (file) => Promise.resolve(file.endsWith('batch.csv') ? [BATCH_FILE] : []),
    readWaveList: () => Promise.resolve({ addresses: [{ address: 'anna@example.com', line: 2 }], findings: [] }),
    render: { story: renderTrace, csv: (records) => renderMessageTracking(records, '0.1.0', NOW) },
    stdout: { write: (text) => void (out += text) },
    stderr: { write: (text) => void (err += text) },
    now: () => NOW,
  };
}

async function cli(...argv: string[]): Promise<{ status: number; out: string; err: string }> {
  out = '';
  err = '';
  return { status: await runCli(argv, ports()), out, err };
}

async function startDaemon(token?: string): Promise<AdminApi> {
  api = await openApi(
    { address: '127.0.0.1', port: 0, version: '0.1.0', hostNames: [], ...(token !== undefined && { token }) },
    {
      operations: relay.operations,
      metrics: createMetrics(relay.activity, relay.ports, { now: () => NOW, monotonic: () => 0 }),
      readiness: () => ({ accepting: true }),
      uploads: new Uploads({ folder: join(directory, 'uploads'), clock: { now: () => NOW, monotonic: () => 0 }, refuse }),
      log: silentLog,
    },
  );
  return api;
}

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'cli-'));
  relay = fakeRelay();
  openedOffline = 0;
  closedOffline = 0;
  api = undefined;
  adminPort = 1;
});
afterEach(async () => {
  await api?.[Symbol.asyncDispose]();
  rmSync(directory, { recursive: true, force: true });
});

describe('the exit status of a command', () => {
  const found = (): void => {
    relay.messages = [spooled(1)];
    relay.records = [received(1), sent(1)];
  };
  it.each<[string, number, (() => void)?]>([
    ['run', 0],
    ['run --config other.yaml', 78],
    ['demo --keep', 0],
    ['status', 0],
    ['check', 0],
    ['check --config wrong.yaml', 78],
    ['status --config wrong.yaml', 78],
    ['trace --config wrong.yaml', 78],
    ['explain user@example.com', 0],
    ['explain nobody@example.com', 0],
    ['explain user', 2],
    ['explain', 2],
    ['explain a@example.com b@example.com', 2],
    ['explain a@example.com --peer stranger', 2],
    ['explain a@example.com --size many', 2],
    ['queue list', 0],
    ['queue list --recipient user1@example.com', 1],
    ['queue list --recipient user1@example.com', 0, found],
    ['queue show 01NOWHERE', 1],
    [`queue show ${spooled(1).id}`, 0, found],
    ['queue show', 2],
    ['queue hold --all', 1],
    ['queue hold --all', 0, found],
    ['queue release --id A --id B', 0, found],
    ['queue retry --domain example.com', 0, found],
    ['queue expire', 2, found],
    ['queue expire --older-than soon', 2, found],
    ['queue expire --older-than 2h', 0, found],
    ['queue reroute --all', 2, found],
    ['queue reroute --all --to cloud', 0, found],
    ['queue reroute --all --to nowhere', 1, found],
    ['queue', 2],
    ['queue dance', 2],
    ['connector list', 0],
    ['connector pause cloud', 0],
    ['connector pause nowhere', 1],
    ['connector resume cloud', 0],
    ['connector test cloud', 0],
    ['connector test on-premises', 1],
    ['trace', 1],
    ['trace --recipient user1@example.com', 0, found],
    ['trace --since 1h --until now --format csv', 0, found],
    ['trace --since whenever', 2, found],
    ['trace --format xml', 2, found],
    ['trace --token-file x', 2, found],
    ['trace --unknown', 2],
    ['dance', 2],
    ['', 2],
    ['--help', 0],
    ['queue --help', 0],
    ['trace --help', 0],
    ['dance --help', 2],
    ['--version', 0],
    ['status --server nonsense', 2],
    ['status --server http://127.0.0.1:1', 1],
  ])('"%s" is %i', async (line, status, given) => {
    given?.();
    const answer = await cli(...line.split(' ').filter((word) => word !== ''));
    expect(answer.status).toBe(status);
  });
});

describe('the command line', () => {
  it('asks the running daemon, and answers the same as without one', async () => {
    relay.messages = [spooled(1)];
    relay.records = [received(1), sent(1)];
    const lines = ['status --json', 'queue list --json', 'connector list', 'explain user@example.com --json', 'trace --json'];
    const offline = [];
    for (const line of lines) offline.push((await cli(...line.split(' '))).out);
    expect([openedOffline, closedOffline]).toEqual([5, 5]);
    const { url } = await startDaemon();
    writeRunFile(directory, { pid: process.pid, adminUrl: url });
    const online = [];
    for (const line of lines) online.push((await cli(...line.split(' '))).out);
    expect(online).toEqual(offline);
    expect(openedOffline).toBe(5);
  });

  it('finds a daemon whose disk does not give the run file, by the address of the settings', async () => {
    const { url } = await startDaemon();
    mkdirSync(join(directory, 'run.json')); // EISDIR, as EIO would
    expect((await cli('status')).status).toBe(0);
    expect(openedOffline).toBe(1); // nobody listens there
    adminPort = Number(new URL(url).port);
    expect((await cli('status')).status).toBe(0);
    expect(openedOffline).toBe(1);
  });

  it('shows the daemon the token that the run file names', async () => {
    const { url } = await startDaemon(TOKEN);
    const tokenFile = join(directory, 'token');
    writeFileSync(tokenFile, `${TOKEN}\n`);
    writeRunFile(directory, { pid: process.pid, adminUrl: url, tokenFile });
    expect((await cli('status')).status).toBe(0);
    expect(openedOffline).toBe(0);
  });

  it('reaches a relay elsewhere with --server and --token-file, without any settings', async () => {
    const { url } = await startDaemon(TOKEN);
    const tokenFile = join(directory, 'token');
    writeFileSync(tokenFile, `${TOKEN}\n`);
    expect((await cli('status', '--config', 'wrong.yaml', '--server', url, '--token-file', tokenFile)).status).toBe(0);
    const denied = await cli('status', '--server', url);
    expect(denied).toMatchObject({ status: 1, out: '' });
    expect(denied.err).toContain('token');
  });

  it('works on the data directory where the run file was left behind by a crash', async () => {
    writeRunFile(directory, { pid: GONE_PID, adminUrl: 'http://127.0.0.1:1' });
    expect(readRunFile(directory)).toBeUndefined();
    expect((await cli('status')).status).toBe(0);
    // another process has the pid now, and nobody listens
    writeRunFile(directory, { pid: process.pid, adminUrl: 'http://127.0.0.1:1' });
    expect((await cli('status')).status).toBe(0);
    expect(openedOffline).toBe(2);
    removeRunFile(directory);
    expect(readRunFile(directory)).toBeUndefined();
  });

  it('does not touch the data directory of a daemon that answers nonsense', async () => {
    const server = createServer((socket) => socket.end('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nno'));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    writeRunFile(directory, { pid: process.pid, adminUrl: `http://127.0.0.1:${(server.address() as { port: number }).port}` });
    const answer = await cli('status');
    server.close();
    expect(answer).toMatchObject({ status: 1, out: '' });
    expect(openedOffline).toBe(0);
  });

  it('prints one record a line with --json, and Exchange fields with --format csv', async () => {
    relay.records = [received(1), sent(1)];
    const json = await cli('trace', '--json');
    expect(
      json.out
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line) as unknown),
    ).toEqual(relay.records);
    const csv = await cli('trace', '--format', 'csv');
    expect(csv.out.split('\r\n')[4]).toMatch(/^#Fields: date-time,client-ip,client-hostname/);
  });

  it('says on standard error that more matched than it shows', async () => {
    relay.records = [received(1)];
    relay.more = true;
    const answer = await cli('trace', '--json');
    expect(answer.err).toContain('more matched');
    expect(answer.out.trimEnd().split('\n')).toHaveLength(1);
  });

  it('names file, line and path of each mistake in the settings', async () => {
    expect((await cli('check', '--config', 'wrong.yaml')).out).toBe(
      'wrong.yaml:3:5: connectors[0].tls.mode: "may" is not allowed here. Write none or opportunistic.\n',
    );
    expect((await cli('check')).out).toBe('ok\n');
  });

  it('hands the queue what was selected', async () => {
    relay.messages = [spooled(1)];
    await cli('queue', 'release', '--id', 'A', '--id', 'B', '--older-than', '2h', '--sender', '');
    expect(relay.steered).toEqual([
      { selector: { id: 'A', sender: '', olderThan: 7_200_000 }, steering: { kind: 'release' } },
      { selector: { id: 'B', sender: '', olderThan: 7_200_000 }, steering: { kind: 'release' } },
    ]);
  });

  it('does not claim to release what somebody else holds', async () => {
    relay.holder = 'wave:pilot';
    expect(await cli('queue', 'release', '--all')).toEqual({
      status: 1,
      out: '',
      err: 'still held by wave:pilot: 2 recipients; end that hold, or queue reroute --to NAME\n',
    });
  });

  it('tells the state on one screen', async () => {
    relay.messages = [spooled(1)];
    for (const event of [received(-60), sent(-60)]) relay.activity.note(event, Date.parse(event.time));
    const { out: screen } = await cli('status');
    expect(screen).toContain('mx1.example.com  accepting mail    (Bridgehead 0.1.0, up 3 h 12 min)');
    expect(screen).toContain('Last hour  1 received, 1 sent, 0 deferred, 0 failed, 0 refused; TLS in 100 %, out 100 %');
    expect(screen).toMatch(/cloud {2,}active {2,}1 {2,}2 h {2}59 s ago, TLSv1.3 encrypted {2}none seen/);
    expect(screen).toContain('warning  the certificate is self-signed');
  });
});
