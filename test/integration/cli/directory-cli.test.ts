import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type AdminApi, openApi } from '../../../src/admin/api.ts';
import type { FileFinding } from '../../../src/admin/directory-contract.ts';
import { createMetrics } from '../../../src/admin/metrics.ts';
import { Uploads } from '../../../src/admin/uploads.ts';
import type { CliPorts } from '../../../src/cli/ports.ts';
import { runCli } from '../../../src/cli/run-cli.ts';
import { silentLog } from '../../../src/platform/logger.ts';
import { type FakeRelay, fakeRelay, NOW } from '../admin/fake-relay.ts';

const TOKEN = 'a-token-of-some-length';
const clock = { now: () => NOW, monotonic: () => 0 };
const error = (problem: string): FileFinding => ({
  severity: 'error',
  file: 'x.csv',
  line: 3,
  address: 'a@b.example',
  problem,
  remedy: 'Mend it',
});
const refuse = (head: Buffer): string | undefined => (head.includes('Password') ? 'this file has passwords' : undefined);

let folder: string;
let relay: FakeRelay;
let api: AdminApi;
let wave: { addresses: { address: string; line: number }[]; findings: FileFinding[] };

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'directory-cli-'));
  relay = fakeRelay();
  wave = { addresses: [{ address: 'anna@example.com', line: 2 }], findings: [] };
  api = await openApi(
    { address: '127.0.0.1', port: 0, version: '0.1.0', hostNames: [], token: TOKEN },
    {
      operations: relay.operations,
      metrics: createMetrics(relay.activity, relay.ports, clock),
      readiness: () => ({ accepting: true }),
      uploads: new Uploads({ folder: join(folder, 'uploads'), clock, refuse }),
      log: silentLog,
    },
  );
  writeFileSync(join(folder, 'token'), TOKEN);
});
afterEach(async () => {
  await api[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
});

interface Answer {
  readonly status: number;
  readonly out: string;
  readonly err: string;
}

async function cli(...argv: string[]): Promise<Answer> {
  let out = '';
  let err = '';
  const ports: CliPorts = {
    version: '0.1.0',
    dataDirectoryOf: () => Promise.resolve(folder),
    adminOf: () => Promise.resolve(undefined),
    loadSettings: () => Promise.resolve({ ok: true, settings: { dataDirectory: folder }, notes: [] }),
    openOffline: () => Promise.resolve({ ...relay.operations, [Symbol.asyncDispose]: () => Promise.resolve() }),
    run: () => Promise.resolve(0),
    smtpCheck: () => Promise.resolve({ ok: true, checked: [] }),
    demo: () => Promise.resolve(0),
    user: 'anna',
    readHeaders: () => Promise.resolve({ ok: true, report: { hops: [], 'vouched-encrypted': false }, text: '' }),
    inspectFile: (path) => Promise.resolve(path.endsWith('batch.csv') ? [error('this is a migration batch file')] : []),
    readWaveList: () => Promise.resolve(wave),
    render: { story: () => '', csv: () => '' },
    stdout: { write: (text) => void (out += text) },
    stderr: { write: (text) => void (err += text) },
    now: () => NOW,
  };
  return { status: await runCli(argv, ports), out, err };
}

const file = (name: string, content: string): string => {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
};
const remote = (): string[] => ['--server', api.url, '--token-file', join(folder, 'token')];
const asked = (what: string): unknown => relay.directory.asked.find((one) => one.what === what)?.with;

describe.each([
  ['without a daemon', () => []],
  ['over --server', remote],
])('directory %s', (_, reach) => {
  it('imports files by their content, and says what has changed', async () => {
    const path = file('people.csv', 'address,route\nanna@example.com,cloud\n');
    const answer = await cli('directory', 'import', path, '--source', 'hr', '--yes-shrink', '--reason', 'monthly', ...reach());
    expect(answer).toMatchObject({ status: 0, err: '' });
    expect(answer.out).toContain('version 13 is active: 2 recipients, 1 cloud, 1 on-premises');
    expect(answer.out).toContain('queued mail: 2 of 5 recipients move with it');
    expect(relay.directory.read).toEqual([{ name: 'people.csv', content: 'address,route\nanna@example.com,cloud\n' }]);
    expect(asked('import')).toEqual({
      options: { source: 'hr', 'yes-shrink': true, reason: 'monthly', who: 'anna' },
      by: { who: 'anna', reason: 'monthly' },
    });
  });

  it('prints what contract.md says, and exits with 1 where a set is refused', async () => {
    const path = file('people.csv', 'x');
    relay.directory.refusal = error('it stands here twice');
    const answer = await cli('directory', 'import', path, '--json', ...reach());
    expect(answer.status).toBe(1);
    expect(JSON.parse(answer.out)).toMatchObject({
      version: 12,
      added: 1,
      removed: 0,
      changed: 1,
      applied: false,
      findings: [relay.directory.refusal],
    });
    expect((await cli('directory', 'import', path, ...reach())).out).toContain(
      'refused, and nothing has changed: version 12 stays active',
    );
  });

  it('tells in a dry run and by diff what would change, and changes nothing', async () => {
    const path = file('people.csv', 'x');
    const dry = await cli('directory', 'import', path, '--dry-run', ...reach());
    expect(dry).toMatchObject({ status: 0 });
    expect(dry.out).toContain('an import would make version 13');
    const diff = await cli('directory', 'diff', path, '--limit', '10', ...reach());
    expect(diff.status).toBe(0);
    expect(diff.out).toMatch(/ADDRESS +NOW +THEN[^]*anna@example.com +new +cloud/);
    expect(asked('diff')).toMatchObject({ limit: 10, offset: 0 });
  });

  it('sends no file that is no directory, and says that nothing has changed', async () => {
    const path = file('batch.csv', 'EmailAddress,Password');
    const answer = await cli('directory', 'import', path, ...reach());
    expect(answer.status).toBe(1);
    expect(answer.out).toMatch(/this is a migration batch file[^]*\nrefused, and nothing has changed\n$/);
    expect(relay.directory.read).toEqual([]);
  });

  it('calls the version of --with by its file, for it has no number yet', async () => {
    const path = file('people.csv', 'x');
    const { out } = await cli('explain', 'user@example.com', '--with', path, ...reach());
    expect(out).toContain('directory  the version that people.csv would make\n');
    expect(out).not.toContain('version 12');
  });

  it('answers what would be: with a file, and by another version', async () => {
    const path = file('people.csv', 'x');
    const what = await cli('explain', 'user@example.com', '--with', path, '--json', ...reach());
    expect(what.status).toBe(0);
    expect(JSON.parse(what.out)).toMatchObject({ route: 'cloud', 'directory-version': 12 });
    expect(relay.directory.read.map(({ name }) => name)).toEqual(['people.csv']);
    expect((await cli('explain', 'user@example.com', '--directory-version', '11', ...reach())).status).toBe(0);
    const missing = await cli('explain', 'user@example.com', '--directory-version', '99', ...reach());
    expect(missing).toMatchObject({ status: 2, out: '' });
    expect(missing.err).toContain('version 99 is not kept');
    expect((await cli('explain', 'a@example.com', '--directory-version', '9', '--with', path, ...reach())).status).toBe(2);
  });

  it('prints the findings of a check with what to type, and exits with 1 where there is an error', async () => {
    const answer = await cli('directory', 'check', ...reach());
    expect(answer.status).toBe(1);
    expect(answer.out).toContain('error  both-sides  anna@example.com');
    expect(answer.out).toContain("    [Exchange Online] Set-User -Identity 'anna@example.com'");
    expect(answer.out).toContain('    [here] bridgehead directory import x.csv');
    expect(answer.out).toContain('1 error, 0 warnings, 0 to know');
  });

  it('takes an export of the cloud for comparing alone', async () => {
    const path = file('exo.csv', 'PrimarySmtpAddress,RecipientTypeDetails\n');
    expect((await cli('directory', 'check', '--cloud', path, ...reach())).status).toBe(1);
    expect(asked('export')).toEqual({ side: 'cloud' });
    expect(relay.directory.read.map(({ name }) => name)).toEqual(['exo.csv']);
  });

  it('sets a word for one address with its reason, and takes it back', async () => {
    const set = await cli('directory', 'set', 'anna@example.com', '--route', 'cloud', '--reason', 'ticket 12', ...reach());
    expect(set).toMatchObject({ status: 0, out: 'version 13 is active\n' });
    expect(asked('set')).toEqual({ address: 'anna@example.com', route: 'cloud', by: { who: 'anna', reason: 'ticket 12' } });
    expect((await cli('directory', 'set', 'anna@example.com', '--lift', '--reason', 'done', ...reach())).status).toBe(0);
    expect(asked('unset')).toEqual({ address: 'anna@example.com', by: { who: 'anna', reason: 'done' } });
    for (const wrong of [
      ['--route', 'cloud'],
      ['--route', 'moon', '--reason', 'x'],
      ['--reason', 'x'],
      ['--route', 'cloud', '--lift', '--reason', 'x'],
    ])
      expect((await cli('directory', 'set', 'anna@example.com', ...wrong, ...reach())).status).toBe(2);
    relay.directory.refusal = error('it is none of ours');
    expect((await cli('directory', 'set', 'a@b.example', '--route', 'cloud', '--reason', 'x', ...reach())).err).toContain(
      'it is none of ours',
    );
  });

  it('shows, lists, refreshes and goes back', async () => {
    expect((await cli('directory', 'show', 'anna@example.com', ...reach())).out).toContain('route            cloud');
    expect((await cli('directory', 'show', 'nobody@example.com', ...reach())).status).toBe(1);
    expect((await cli('directory', 'list', ...reach())).out).toContain('Version 12: 2 recipients');
    expect((await cli('directory', 'history', '--json', ...reach())).out).toBe('{"active":12,"versions":[]}\n');
    expect((await cli('directory', 'rollback', '7', ...reach())).status).toBe(0);
    expect(asked('rollback')).toEqual({ version: 7, by: { who: 'anna' } });
    expect((await cli('directory', 'rollback', '11', ...reach())).out).toBe(
      'version 13, which restores version 11, is active: 3 recipients, 1 cloud, 2 on-premises\n  0 added, 0 removed, 1 changed\n         1  cloud → on-premises\nsources do not change it until the next import\n',
    );
    expect((await cli('directory', 'rollback', ...reach())).status).toBe(0);
    expect((await cli('directory', 'rollback', 'seven', ...reach())).status).toBe(2);
    expect((await cli('directory', 'refresh', 'ad', ...reach())).out).toBe('ad: 2 recipients\n');
    expect(asked('refresh')).toEqual({ name: 'ad', by: { who: 'anna' }, yesShrink: false });
    const other = await cli('directory', 'refresh', 'other', '--yes-shrink', ...reach());
    expect(other).toMatchObject({ status: 1, out: '' });
    expect(other.err).toContain('there is no source "other" to refresh');
  });

  it('moves waves', async () => {
    const list = file('pilot.txt', 'anna@example.com');
    const made = await cli('wave', 'create', 'pilot', list, '--at', '2h', ...reach());
    expect(made.status).toBe(0);
    expect(asked('wave create')).toEqual({
      name: 'pilot',
      addresses: ['anna@example.com'],
      options: { who: 'anna', at: NOW + 7_200_000 },
    });
    expect((await cli('wave', 'list', ...reach())).out).toMatch(/WAVE +MAILBOXES[^]*pilot +2/);
    expect((await cli('wave', 'show', 'pilot', ...reach())).out).toContain('anna@example.com');
    expect(await cli('wave', 'show', 'other', ...reach())).toMatchObject({ status: 1 });
    expect((await cli('wave', 'check', 'pilot', ...reach())).status).toBe(0);
    expect((await cli('wave', 'hold', 'pilot', ...reach())).out).toBe('wave pilot: 1 mailbox on hold (version 13)\n');
    const some = ['--except', 'a@example.com', '--except', 'b@example.com,c@example.com'];
    expect((await cli('wave', 'switch', 'pilot', ...some, ...reach())).out).toMatch(
      /^wave pilot: 1 mailbox switched to the cloud \(version 13\)\n( {2}left out: \S+\n)*warning: 2 mailboxes not checked: no export of the cloud is known[^]*bridgehead directory check --cloud FILE/,
    );
    expect(asked('wave switch')).toEqual({
      name: 'pilot',
      options: { who: 'anna', except: ['a@example.com', 'b@example.com', 'c@example.com'] },
    });
    expect((await cli('wave', 'report', 'pilot', ...reach())).out).toContain('1 in the cloud without a first delivery yet');
    expect((await cli('wave', 'rollback', 'pilot', '--only', 'a@example.com', ...reach())).out).toContain('Set-Mailbox');
    expect((await cli('wave', 'replay', 'pilot', '--since', '1h', ...reach())).status).toBe(0);
    expect(asked('wave replay')).toEqual({ name: 'pilot', options: { since: NOW - 3_600_000 } });
    expect((await cli('wave', 'schedule', 'pilot', 'none', ...reach())).status).toBe(0);
    expect(asked('wave schedule')).toEqual({ name: 'pilot', at: undefined, who: 'anna' });
  });

  it('refuses a switch that is found unsafe, unless it is forced with a reason', async () => {
    relay.directory.unsafe = true;
    expect((await cli('wave', 'check', 'pilot', ...reach())).status).toBe(1);
    const refused = await cli('wave', 'switch', 'pilot', ...reach());
    expect(refused.status).toBe(1);
    expect(refused.out).toContain('unsafe  anna@example.com: it is not there');
    expect((await cli('wave', 'switch', 'pilot', '--force', ...reach())).status).toBe(2);
    expect((await cli('wave', 'switch', 'pilot', '--force', '--reason', 'I know', ...reach())).status).toBe(0);
  });

  it('looks after domains, and guards the move of the MX', async () => {
    expect((await cli('domain', 'list', ...reach())).out).toMatch(/example.com +internal-relay +on-premises +relay +unverified/);
    expect((await cli('domain', 'verify', 'example.com', ...reach())).status).toBe(1);
    expect((await cli('domain', 'verify', 'example.com', '--override', ...reach())).status).toBe(2);
    await cli('domain', 'verify', 'example.com', '--override', '--reason', 'known', ...reach());
    expect(relay.directory.asked.at(-1)).toEqual({ what: 'verify', with: { who: 'anna', reason: 'known' } });
    expect((await cli('domain', 'verify', 'other.example', ...reach())).status).toBe(1);
    const refused = await cli('domain', 'mx', 'example.com', 'cloud', ...reach());
    expect(refused.status).toBe(1);
    expect(refused.out).toContain('anna@example.com (mailbox, on-premises)');
    expect((await cli('domain', 'mx', 'example.com', 'relay', ...reach())).status).toBe(0);
    expect((await cli('domain', 'mx', 'example.com', 'moon', ...reach())).status).toBe(2);
  });

  it('reports past mail and clients', async () => {
    const log = file('maillog', 'Nov 22 10:00:00 mx postfix/smtpd: ...');
    const report = await cli('shadow', log, ...reach());
    expect(report.status).toBe(0);
    expect(report.out).toMatch(/scanner@example.com +1/);
    expect(relay.directory.read.map(({ name }) => name)).toEqual(['maillog']);
    expect((await cli('report', 'clients', '--from', '7d', '--domain', 'Example.com', ...reach())).out).toBe(
      'Clients that write to example.com: none\n',
    );
    expect(asked('clients')).toEqual({ since: NOW - 7 * 86_400_000, domain: 'example.com' });
  });
});

describe('what must not leave the machine', () => {
  it('a migration batch file is not sent as a directory, for it may hold passwords', async () => {
    const answer = await cli('directory', 'import', file('batch.csv', 'EmailAddress,Password\n'), ...remote());
    expect(answer).toMatchObject({ status: 1 });
    expect(answer.out).toContain('this is a migration batch file');
    expect(relay.directory.asked).toEqual([]);
  });

  it('where another client sends one, nothing of it reaches the disk', async () => {
    const sent = await fetch(`${api.url}/api/v1/uploads?name=secret.csv`, {
      method: 'POST',
      headers: { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/octet-stream' },
      body: 'EmailAddress,Password\nanna@example.com,hunter2\n',
    });
    expect(sent.status).toBe(400);
    expect(await sent.text()).toContain('this file has passwords');
    expect(readdirSync(folder)).not.toContain('uploads');
  });

  it('of a list for a wave nothing but the addresses', async () => {
    wave = { addresses: [], findings: [error('the header has no column of addresses')] };
    const answer = await cli('wave', 'create', 'pilot', file('list.csv', 'x'), ...remote());
    expect(answer.status).toBe(1);
    expect(answer.out).toMatch(/the header has no column of addresses[^]*\nwave pilot was not made\n$/);
    expect(relay.directory.asked).toEqual([]);
  });
});

describe('uploads', () => {
  const send = async (name: string, body: string): Promise<string> => {
    const headers = { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/octet-stream' };
    const answer = await fetch(`${api.url}/api/v1/uploads?name=${encodeURIComponent(name)}`, { method: 'POST', headers, body });
    return ((await answer.json()) as { upload: string }).upload;
  };
  const use = (uploads: readonly string[]): Promise<Response> =>
    fetch(`${api.url}/api/v1/directory/import`, {
      method: 'POST',
      headers: { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' },
      body: JSON.stringify({ uploads }),
    });

  it('are read once, and gone from the disk afterwards', async () => {
    const upload = await send('../../etc/people.csv', 'address,route\n');
    expect(readdirSync(join(folder, 'uploads', upload))).toEqual(['people.csv']);
    expect((await use([upload])).status).toBe(200);
    expect(relay.directory.read).toEqual([{ name: 'people.csv', content: 'address,route\n' }]);
    expect(readdirSync(join(folder, 'uploads'))).toEqual([]);
    expect((await use([upload])).status).toBe(404);
  });

  it('need the token, and a file', async () => {
    const answer = await fetch(`${api.url}/api/v1/uploads?name=x`, {
      method: 'POST',
      headers: { 'content-type': 'application/octet-stream' },
      body: 'x',
    });
    expect(answer.status).toBe(401);
    expect((await use([])).status).toBe(400);
  });
});
