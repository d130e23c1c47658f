/** The watch on our own certificates, over real files and a real program. */
import { chmodSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { rootCertificates } from 'node:tls';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Certificates } from '../../../src/admin/certificates.ts';
import type { CertificatePlace } from '../../../src/admin/watched-certificate.ts';
import { describeChain } from '../../../src/checks/certificate-chain.ts';
import { openLog } from '../../../src/platform/logger.ts';
import { runProgram } from '../../../src/platform/run-program.ts';
import { chainedServer, chainRoot, serverWithoutIntermediate } from '../../support/certificate-chains.ts';
import { selfSigned, signed, signedRsa, type TestCertificate } from '../../support/certificates.ts';

const DAY = 86_400_000;

let folder: string;
let now: number;
let taken: string[];
let refuse: string | undefined;
let logged: { msg: string; [field: string]: unknown }[];
let certificates: Certificates | undefined;

const path = (name: string) => join(folder, name);
const listener = (): CertificatePlace => ({
  use: 'listener',
  name: 'listener',
  certificate: path('mx.pem'),
  key: path('mx.key'),
});

/** As certbot does: new files, then the names moved over; `only` in the middle of it. */
function renew(pair: TestCertificate, only?: 'certificate' | 'key', name = 'mx'): void {
  const put = (file: string, text: string): void => {
    writeFileSync(`${file}.new`, text);
    renameSync(`${file}.new`, file);
  };
  if (only !== 'key') put(path(`${name}.pem`), pair.cert);
  if (only !== 'certificate') put(path(`${name}.key`), pair.key);
}

async function open(places: readonly CertificatePlace[] = [listener()], renewalHook?: readonly string[]): Promise<Certificates> {
  const log = await openLog(
    { level: 'info', format: 'json' },
    { write: (line) => void logged.push(JSON.parse(line) as (typeof logged)[number]) },
  );
  certificates = await Certificates.open(
    { places, ...(renewalHook !== undefined && { renewalHook }) },
    {
      describe: (der, at) => describeChain(der, rootCertificates, at),
      take: ({ use, name }) => {
        if (refuse !== undefined) return Promise.reject(new Error(refuse));
        taken.push(`${use} ${name}`);
        return Promise.resolve();
      },
      run: (command, environment, stop) => runProgram(command, environment, 5_000, stop),
      clock: { now: () => now, monotonic: () => now },
      log,
    },
  );
  return certificates;
}

const codes = () => certificates?.findings().map(({ code }) => code);

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'certificates-'));
  [taken, logged, refuse, now] = [[], [], undefined, Date.UTC(2026, 10, 23)];
});
afterEach(async () => {
  await certificates?.[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
});

describe('the watch on certificates', () => {
  it('takes a changed pair once, and lists what is in use', async () => {
    renew(chainedServer);
    const watch = await open();
    expect(watch.list()).toMatchObject([
      {
        use: 'listener',
        file: path('mx.pem'),
        names: ['mx.test', 'localhost'],
        since: '2026-11-23T00:00:00.000Z',
        problem: null,
      },
    ]);
    now += 60_000;
    await watch.look();
    expect(taken).toEqual([]);
    renew(signed);
    await watch.look();
    await watch.look();
    expect(taken).toEqual(['listener listener']);
    expect(watch.list()).toMatchObject([{ issuer: 'CN=Bridgehead Test CA', since: '2026-11-23T00:01:00.000Z' }]);
    expect(logged.filter(({ msg }) => msg === 'certificate taken')).toHaveLength(1);
  });

  it('keeps the old pair while the new one is not whole, and says so where that lasts', async () => {
    renew(chainedServer);
    const watch = await open();
    const before = watch.list();
    renew(signed, 'certificate');
    await watch.look();
    expect(taken).toEqual([]);
    expect(codes()?.join()).not.toContain('unusable');
    expect(watch.list()[0]?.sha256).toBe(before[0]?.sha256);
    now += 31_000;
    await watch.look();
    expect(watch.findings()[0]).toMatchObject({ code: 'certificate-unusable:listener', severity: 'error' });
    expect(watch.findings()[0]?.problem).toMatch(/mx\.key is not the key of .*mx\.pem; the one before it stays in use/);
    renew(signed, 'key');
    await watch.look();
    expect(taken).toEqual(['listener listener']);
    expect(codes()?.join()).not.toContain('unusable');
  });

  it('keeps the old one where whoever uses it refuses the new, and tries again', async () => {
    renew(chainedServer);
    const watch = await open();
    refuse = 'ee key too small';
    renew(signed);
    await watch.look();
    now += 60_000;
    await watch.look();
    expect(watch.findings()[0]?.problem).toContain('ee key too small');
    refuse = undefined;
    await watch.look();
    expect(taken).toEqual(['listener listener']);
  });

  it('tells 30, 14, 7 and 1 days ahead and when it has ended: a step each in findings and log', async () => {
    renew(signed);
    const watch = await open();
    const end = Date.parse(watch.list()[0]?.['valid-to'] ?? '');
    const seen: (string | undefined)[] = [];
    for (const days of [31, 30, 20, 14, 10, 7, 3, 1, 0.5, 0, -1]) {
      now = end - days * DAY;
      await watch.look();
      await watch.look();
      seen.push(
        codes()
          ?.find((code) => code?.startsWith('certificate-expiry'))
          ?.replace('certificate-expiry:listener', ''),
      );
    }
    expect(seen).toEqual([undefined, '#30', '#30', '#14', '#14', '#7', '#7', '#1', '#1', '#expired', '#expired']);
    expect(logged.map(({ level, msg }) => `${String(level)} ${msg}`)).toEqual([
      ...Array.from({ length: 4 }, () => 'warn certificate expires soon'),
      'error certificate has expired',
    ]);
    expect(watch.findings().find(({ code }) => code?.endsWith('#expired'))).toMatchObject({ severity: 'error' });
    expect(watch.list()[0]?.['seconds-left']).toBe(-86_400);
    // renewed: the alarm is over
    now = Date.UTC(2026, 10, 23);
    renew(chainedServer);
    await watch.look();
    expect(codes()?.join()).not.toContain('expiry');
  });

  it('names the intermediate that is not there (R14)', async () => {
    renew(serverWithoutIntermediate);
    const watch = await open();
    expect(watch.list()[0]).toMatchObject({ chain: 'incomplete' });
    const found = watch.findings()[0];
    expect(found).toMatchObject({ code: 'certificate-chain:listener' });
    expect(found?.problem).toContain(`lacks the certificate of "${watch.list()[0]?.missing}"`);
    writeFileSync(path('mx.pem'), `${chainedServer.cert}${chainRoot}\n`);
    await watch.look();
    expect(watch.list()[0]).toMatchObject({ chain: 'complete' });
    expect(watch.findings()).toEqual([]);
  });

  it('says of a certificate that the relay made, or that signed itself, what it is good for', async () => {
    renew(selfSigned);
    renew(selfSigned, undefined, 'client');
    const client: CertificatePlace = {
      use: 'connector',
      name: 'cloud',
      certificate: path('client.pem'),
      key: path('client.key'),
    };
    const watch = await open([{ ...listener(), selfMade: true }, client]);
    expect(watch.findings().map(({ code, severity }) => [code, severity])).toEqual([
      ['certificate-self-made:listener', 'info'],
      ['certificate-self-signed:connector/cloud', 'warning'],
    ]);
  });

  it('says of a file that is not there why, from the start on', async () => {
    const watch = await open();
    expect(watch.findings()).toMatchObject([{ code: 'certificate-unusable:listener', severity: 'error' }]);
    expect(watch.findings()[0]?.problem).toContain('ENOENT');
    expect(watch.list()).toMatchObject([{ subject: null, 'valid-to': null, chain: null }]);
  });

  it('runs the program of the administrator once for each renewed file, with what it needs and nothing of our environment', async () => {
    vi.stubEnv('BRIDGEHEAD_TEST_SECRET', 'secret');
    renew(chainedServer);
    const program = path('hook');
    writeFileSync(program, `#!/bin/sh\nenv | sort > "$1.$BRIDGEHEAD_USE"\necho "did $2"\n`);
    chmodSync(program, 0o700);
    const admin: CertificatePlace = { ...listener(), use: 'admin', name: 'admin' };
    const watch = await open([listener(), admin], [program, path('out'), 'a b; rm -rf *']);
    renew(signedRsa);
    await watch.look();
    expect(taken).toEqual(['listener listener', 'admin admin']);
    await vi.waitFor(() => expect(logged.filter(({ msg }) => msg === 'renewal hook done')).toHaveLength(1), { timeout: 5_000 });
    expect(logged.at(-1)).toMatchObject({ output: 'did a b; rm -rf *' });
    const environment = readFileSync(path('out.admin'), 'utf8');
    expect(environment).toContain(`BRIDGEHEAD_CERTIFICATE=${path('mx.pem')}`);
    expect(environment).toMatch(/BRIDGEHEAD_SHA256=[0-9a-f]{64}/);
    expect(environment).not.toContain('secret');
    vi.unstubAllEnvs();
  });

  it('says so where the program fails', async () => {
    renew(chainedServer);
    const watch = await open([listener()], ['/bin/sh', '-c', 'echo no disk >&2; exit 3']);
    renew(signed);
    await watch.look();
    await vi.waitFor(() => expect(codes()).toContain('certificate-hook'), { timeout: 5_000 });
    expect(logged.at(-1)).toMatchObject({ msg: 'renewal hook failed', problem: 'it ended with status 3', output: 'no disk' });
  });
});

describe('a program that is run', () => {
  const never = new AbortController().signal;

  it('ends at its deadline with all that it started, and what it writes is bounded', async () => {
    const loud = await runProgram(['/bin/sh', '-c', 'yes | head -c 100000; exit 0'], {}, 5_000, never);
    expect(loud).toMatchObject({ status: 0 });
    expect(loud.output.length).toBeLessThanOrEqual(4_096);
    const late = await runProgram(['/bin/sh', '-c', 'sleep 60 & sleep 60'], {}, 100, never);
    expect(late.problem).toContain('did not end within 0.1 s');
  });

  it('that cannot be run is a problem and no exception; so is one that the end of the relay cuts short', async () => {
    expect((await runProgram(['/nowhere/hook'], {}, 1_000, never)).problem).toBe('hook cannot be run (ENOENT)');
    const stop = new AbortController();
    const running = runProgram(['/bin/sh', '-c', 'sleep 60'], {}, 60_000, stop.signal);
    stop.abort();
    expect((await running).problem).toBe('the relay stops');
  });
});
