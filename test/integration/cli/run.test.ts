/** The program itself, as a service manager sees it. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Client } from '../reception/perimeter.ts';

const MAIN = fileURLToPath(new URL('../../../src/main.ts', import.meta.url));
const settings = (format: string): string => `hostname: mx1.example.com
data-directory: var
listeners: [{ address: 127.0.0.1, port: 0 }]
domains:
  - { name: example.com, type: internal-relay, unknown-recipients: reject }
cloud: { routing-domains: [tenant.mail.onmicrosoft.com] }
connectors:
  - { name: cloud, address-spaces: [tenant.mail.onmicrosoft.com], next-hop: { maildir: var/cloud } }
  - { name: on-premises, address-spaces: [example.com], next-hop: { maildir: var/mail } }
directory: { sources: [{ name: plain, file: recipients.csv }] }
admin: { address: 127.0.0.1, port: 0 }
log: { level: info, format: ${format} }
`;

let folder: string;
let daemon: ChildProcess | undefined;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'run-'));
  writeFileSync(join(folder, 'recipients.csv'), 'address,route\nanna@example.com,on-premises\n');
});
afterEach(() => {
  daemon?.kill('SIGKILL');
  rmSync(folder, { recursive: true, force: true });
});

const words = (...args: readonly string[]): string[] => [MAIN, ...args, '--config', join(folder, 'bridgehead.yaml')];

type Started = ChildProcess & { stdout: NonNullable<ChildProcess['stdout']> };

/** The relay, once it takes mail, and where. */
async function start(format: string): Promise<{ child: Started; port: number }> {
  writeFileSync(join(folder, 'bridgehead.yaml'), settings(format));
  const child = spawn(process.execPath, words('run'), { stdio: ['ignore', 'pipe', 'inherit'] });
  daemon = child;
  child.stdout.setEncoding('utf8');
  const log = await said(child, 'the relay accepts mail');
  return { child, port: Number(/listening\D+127\.0\.0\.1:(\d+)/.exec(log)?.[1]) };
}

/** What the relay writes until it has said so. */
async function said(child: Started, what: string): Promise<string> {
  let seen = '';
  for await (const chunk of child.stdout.iterator({ destroyOnReturn: false }) as AsyncIterable<string>) {
    seen += chunk;
    if (seen.includes(what)) return seen;
  }
  throw new Error(`it never said "${what}": ${seen}`);
}

async function startWithMailUnderWay() {
  const { child, port } = await start('json');
  const client = await Client.open(port);
  await client.upToData(['anna@example.com']);
  return { child, client };
}

describe('bridgehead run', () => {
  it.each(['json', 'pretty'])(
    'ends at SIGTERM also where nobody reads its log any more (%s)',
    { timeout: 30_000 },
    async (format) => {
      const { child } = await start(format);
      const exit = once(child, 'exit');
      const gone = once(child.stdout, 'close');
      child.stdout.destroy();
      await gone;
      child.kill('SIGTERM');
      expect(await exit).toEqual([0, null]);
    },
  );

  it('writes its last words before it ends', { timeout: 30_000 }, async () => {
    const { child } = await start('json');
    let rest = '';
    child.stdout.on('data', (chunk: string) => {
      rest += chunk;
    });
    const closed = once(child, 'close');
    child.kill('SIGTERM');
    expect(await closed).toEqual([0, null]);
    expect(rest).toContain('the relay stops');
  });

  it('takes two signals of one Ctrl-C for one: what is under way still ends', { timeout: 30_000 }, async () => {
    const { child, client } = await startWithMailUnderWay();
    const exit = once(child, 'exit');
    child.kill('SIGINT');
    await said(child, 'the relay stops');
    child.kill('SIGINT');
    child.kill('SIGTERM');
    expect(await client.command('Subject: under way\r\n\r\n.')).toMatch(/^250 /);
    client.socket.end();
    expect(await exit).toEqual([0, null]);
  });

  it('ends at once when it is asked again', { timeout: 30_000 }, async () => {
    const { child, client } = await startWithMailUnderWay();
    const exit = once(child, 'exit');
    const asking = setInterval(() => child.kill('SIGINT'), 100);
    expect(await exit).toEqual([1, null]);
    clearInterval(asking);
    client.socket.destroy();
  });

  it('answers commands by what it has read, whatever the files hold by now; check reads them', { timeout: 30_000 }, async () => {
    await start('json');
    writeFileSync(join(folder, 'recipients.csv'), 'address,route\nanna@example.com,nowhere\n');
    writeFileSync(join(folder, 'bridgehead.yaml'), settings('json').replace('type: internal-relay', 'type: nothing'));
    const status = spawn(process.execPath, words('status'), { stdio: 'ignore' });
    expect(await once(status, 'exit')).toEqual([0, null]);
    const check = spawn(process.execPath, words('check'), { stdio: 'ignore' });
    expect(await once(check, 'exit')).toEqual([78, null]);
  });
});

it('check says what the guards would refuse, beside a relay that goes on (C6)', { timeout: 30_000 }, async () => {
  writeFileSync(join(folder, 'recipients.csv'), 'address,route\nanna@example.com,cloud\nben@example.com,cloud\n');
  await start('json');
  writeFileSync(join(folder, 'bridgehead.yaml'), settings('json').replace(/^directory: .*/m, 'directory: {}'));
  const check = spawn(process.execPath, words('check'), { stdio: ['ignore', 'pipe', 'inherit'] });
  let said = '';
  check.stdout.setEncoding('utf8').on('data', (text: string) => {
    said += text;
  });
  expect(await once(check, 'close')).toEqual([78, null]);
  expect(said).toContain('plain: the settings do not name the source plain any more: nobody would know 2 of 2 with route cloud');
  writeFileSync(join(folder, 'bridgehead.yaml'), settings('json').replace(/^directory: .*/m, 'directory: { retired: [plain] }'));
  expect(await once(spawn(process.execPath, words('check'), { stdio: 'ignore' }), 'exit')).toEqual([0, null]);
});

it('commands end quietly where nobody reads on (`| head`)', { timeout: 30_000 }, async () => {
  writeFileSync(join(folder, 'bridgehead.yaml'), settings('json'));
  const command = spawn(process.execPath, words('explain', 'anna@example.com', '--json'), { stdio: ['ignore', 'pipe', 'pipe'] });
  command.stdout.destroy();
  let said = '';
  command.stderr.setEncoding('utf8').on('data', (text: string) => {
    said += text;
  });
  expect(await once(command, 'close')).toEqual([0, null]);
  expect(said).toBe('');
});
