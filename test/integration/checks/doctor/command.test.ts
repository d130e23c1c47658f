/** `bridgehead doctor` as an administrator types it: beside a running relay, without one, and without a network. */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Diagnosis } from '../../../../src/checks/doctor/doctor.ts';
import { Company, DOMAIN, HOST, type Setup } from './company.ts';

const MAIN = fileURLToPath(new URL('../../../../src/main.ts', import.meta.url));

let company: Company;
let folder: string | undefined;
let daemon: ChildProcess | undefined;
beforeAll(async () => {
  company = await Company.open();
});
afterEach(() => {
  daemon?.kill('SIGKILL');
  daemon = undefined;
  if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
});
afterAll(() => company[Symbol.asyncDispose]());

/** Right, but for the port that a test may listen on, and without a policy that only the Internet could give. */
function setUp(change: (setup: Setup) => void = () => {}): string {
  const setup = company.right();
  setup.settings.listeners = [{ address: '127.0.0.1', port: 0 }];
  setup.settings['admin'] = { port: 0 };
  delete setup.records[`_mta-sts.${DOMAIN}`];
  change(setup);
  folder = company.write(setup);
  writeFileSync(join(folder, 'root.pem'), company.authorities.root.cert);
  return folder;
}

const environment = (at: string): NodeJS.ProcessEnv => ({ ...process.env, NODE_EXTRA_CA_CERTS: join(at, 'root.pem') });

interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

const bridgehead = (at: string, ...words: readonly string[]): Promise<Ran> =>
  new Promise((resolve) => {
    const command = [MAIN, ...words, '--config', join(at, 'bridgehead.yaml')];
    execFile(process.execPath, command, { env: environment(at) }, (error, out, err) =>
      resolve({ code: error === null ? 0 : Number(error.code), out, err }),
    );
  });

async function startRelay(at: string): Promise<void> {
  const child = spawn(process.execPath, [MAIN, 'run', '--config', join(at, 'bridgehead.yaml')], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: environment(at),
  });
  daemon = child;
  let seen = '';
  for await (const chunk of child.stdout.setEncoding('utf8').iterator({ destroyOnReturn: false }) as AsyncIterable<string>) {
    seen += chunk;
    if (!seen.includes('the relay accepts mail')) continue;
    child.stdout.resume();
    return;
  }
  throw new Error(seen);
}

async function stopRelay(): Promise<void> {
  if (daemon === undefined) return;
  const exit = once(daemon, 'exit');
  daemon.kill('SIGTERM');
  await exit;
}

/** What depends on where the test runs, not on the setup. */
const OF_THE_MACHINE = ['running-as-root', 'open-files-low', 'data-volatile', 'data-remote', 'disk-low', 'inodes-low'];
const codes = ({ findings }: Diagnosis): string[] =>
  findings
    .map(({ severity, code, subject }) => `${severity} ${code} ${subject}`)
    .filter((one) => !OF_THE_MACHINE.some((code) => one.includes(code)));

describe('bridgehead doctor', { timeout: 60_000 }, () => {
  it('says the same beside a running relay as without one, and what it cannot know without', async () => {
    const at = setUp((setup) => void delete setup.records['1.0.0.127.in-addr.arpa']);
    await startRelay(at);
    const beside = await bridgehead(at, 'doctor', '--json');
    expect(beside.err).toBe('');
    const quiet = JSON.parse((await bridgehead(at, 'doctor', '--offline', '--json')).out) as Diagnosis;
    expect(quiet.unchecked.map(({ why }) => why)).toContain('--offline');
    await stopRelay();
    const without = await bridgehead(at, 'doctor', '--json');
    const [first, second] = [JSON.parse(beside.out), JSON.parse(without.out)] as [Diagnosis, Diagnosis];
    expect(codes(first)).toEqual(codes(second));
    expect(codes(first)).toContain('warning ptr-missing 127.0.0.1');
    expect(codes(first)).toContain('warning listener-port listeners');
    expect([beside.code, without.code]).toEqual([1, 1]);
    const unknown = (one: Diagnosis): string[] => one.unchecked.map(({ what }) => what);
    expect(unknown(first)).not.toContain('the limit of open files and the user of the relay');
    expect(unknown(second)).toContain('the limit of open files and the user of the relay');
  });

  it('prints what is wrong, why it matters and what to type, with the commands for Exchange Online', async () => {
    const at = setUp((setup) => void (setup.records[DOMAIN] = { ...setup.records[DOMAIN], mx: [[0, '.']] }));
    const { out, code } = await bridgehead(at, 'doctor');
    expect(code).toBe(1);
    expect(out).toContain('error    domains  mx-null\n');
    expect(out).toContain(`    > ${DOMAIN}. 300 IN MX 10 ${HOST}.\n`);
    expect(out).toContain('In Exchange Online');
    expect(out).toContain(`-RequireTls $true -TlsSenderCertificateName '${HOST}'`);
    expect(out).toContain(`-TlsSettings DomainValidation -TlsDomain '${HOST}'`);
    expect(
      Math.max(
        ...out
          .split('\n')
          .filter((line) => !line.startsWith('    >'))
          .map((line) => line.length),
      ),
    ).toBeLessThanOrEqual(100);
  });

  it('looks at one area, and ends with 0 where it is right', async () => {
    const at = setUp();
    await bridgehead(at, 'domain', 'verify', DOMAIN);
    const { out, code } = await bridgehead(at, 'doctor', '--only', 'domains');
    expect(out.trim()).toBe('Nothing is wrong.');
    expect(code).toBe(0);
    expect((await bridgehead(at, 'doctor', '--only', 'weather')).code).toBe(2);
  });

  it('asks nobody with --offline, and says so', async () => {
    const answer = await company.examine(company.right(), { offline: true });
    expect(answer.findings.filter(({ severity }) => severity !== 'note')).toEqual([]);
    const unknown = answer.unchecked.map(({ what, why }) => `${what}: ${why}`);
    expect(unknown).toContain('what DNS says of our names and addresses: --offline');
    expect(unknown).toContain('connector cloud: --offline');
  });

  it('calls nothing wrong that DNS does not answer', async () => {
    const setup = company.right();
    for (const name of Object.keys(setup.records)) if (name !== 'mail.cloud.test') setup.records[name] = { fail: 'servfail' };
    const answer = await company.examine(setup);
    const said = answer.findings.filter(({ severity, area }) => severity !== 'note' && (area === 'dns' || area === 'domains'));
    expect(said).toEqual([]);
    expect(answer.unchecked.filter(({ why }) => why.includes('SERVFAIL')).length).toBeGreaterThan(5);
  });
});
