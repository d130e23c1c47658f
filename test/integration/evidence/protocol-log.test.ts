import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ProtocolLog, type ProtocolLogLimits } from '../../../src/evidence/protocol-log.ts';
import { silentLog } from '../../../src/platform/logger.ts';
import { NOON } from './records.ts';

const ENDS = { localAddress: '::ffff:10.1.0.9', localPort: 40001, remoteAddress: '2001:db8::9', remotePort: 25 };
let root: string;
let now: number;

const open = (limits: Partial<ProtocolLogLimits> = {}): ProtocolLog =>
  new ProtocolLog({
    directory: join(root, 'protocol-log'),
    version: '1.2.3',
    clock: { now: () => now, monotonic: () => now },
    log: silentLog,
    limits,
  });
const names = (): string[] => readdirSync(join(root, 'protocol-log')).sort();
const lines = (name: string): string[] => readFileSync(join(root, 'protocol-log', name), 'utf8').split('\r\n');

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'protocol-'));
  now = NOON;
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

describe("the protocol log in Exchange's form", () => {
  it('has its header lines, its fields and its five events', async () => {
    await using log = open();
    const session = log.open('SEND', 'cloud', ENDS, 'S1');
    session.received('220 mail.example ESMTP\r\n250-mail.exam');
    session.received('ple\r\n250 SIZE, "big"\r\n');
    session.sent('MAIL FROM:<a@b.example>\r\nDATA\r\n');
    session.note('TLS: TLSv1.3 with TLS_AES_256_GCM_SHA384');
    session.end();
    session.end();
    await log.flush();
    const head = '2026-11-22T12:00:00.000Z,cloud,S1';
    const ends = '10.1.0.9:40001,[2001:db8::9]:25';
    expect(lines('SEND20261122-1.log')).toEqual([
      '#Software: Bridgehead',
      '#Version: 1.2.3',
      '#Log-Type: SMTP Send Protocol Log',
      '#Date: 2026-11-22T12:00:00.000Z',
      '#Fields: date-time,connector-id,session-id,sequence-number,local-endpoint,remote-endpoint,event,data,context',
      `${head},0,${ends},+,,`,
      `${head},1,${ends},<,220 mail.example ESMTP,`,
      `${head},2,${ends},<,250-mail.example,`,
      `${head},3,${ends},<,"250 SIZE, ""big""",`,
      `${head},4,${ends},>,MAIL FROM:<a@b.example>,`,
      `${head},5,${ends},>,DATA,`,
      `${head},6,${ends},*,,TLS: TLSv1.3 with TLS_AES_256_GCM_SHA384`,
      `${head},7,${ends},-,,`,
      '',
    ]);
  });

  it('never has what a client shows to prove who it is', async () => {
    await using log = open();
    const session = log.open('RECV', '0.0.0.0:25', ENDS, 'S1');
    session.received('AUTH PLAIN AGFkbWluAHNlY3JldA==\r\nauth login c2VjcmV0\r\n');
    await log.flush();
    const text = lines('RECV20261122-1.log').join('\n');
    expect(text).toContain('AUTH PLAIN (not logged)');
    expect(text).not.toMatch(/AGFkbWlu|c2VjcmV0/);
  });

  it('lets no peer write a formula or a line of its own', async () => {
    await using log = open();
    const session = log.open('RECV', '0.0.0.0:25', ENDS, 'S1');
    session.received('=HYPERLINK("http://evil.example")\r\nEHLO a\rb\0c\r\n');
    await log.flush();
    const text = lines('RECV20261122-1.log');
    expect(text[6]).toContain(`,<,"'=HYPERLINK(""http://evil.example"")",`);
    expect(text[7]).toContain(',<,EHLO a b c,');
    expect(text).toHaveLength(9);
  });

  it('makes nothing where nothing is logged', async () => {
    {
      await using log = open();
      await log.flush();
    }
    expect(existsSync(join(root, 'protocol-log'))).toBe(false);
  });

  it('begins a new file each day and where one is full, and goes on in it after a restart', async () => {
    const say = async (log: ProtocolLog): Promise<void> => {
      log.open('SEND', 'cloud', ENDS).sent('x'.repeat(1000));
      await log.flush();
    };
    {
      await using log = open({ file: 1500 });
      await say(log);
      await say(log);
      await say(log);
      now += 86_400_000;
      await say(log);
    }
    {
      await using log = open();
      await say(log);
    }
    expect(names()).toEqual(['SEND20261122-1.log', 'SEND20261122-2.log', 'SEND20261123-1.log']);
    expect(lines('SEND20261123-1.log').filter((line) => line.startsWith('#Fields'))).toHaveLength(1);
    expect(lines('SEND20261123-1.log').filter((line) => line.includes(',+,'))).toHaveLength(2);
  });

  it('keeps within its space, the newest last to go', async () => {
    await using log = open({ file: 1000, directory: 4000 });
    for (let i = 0; i < 9; i++) {
      log.open('RECV', '0.0.0.0:25', ENDS).sent('x'.repeat(1000));
      await log.flush();
    }
    expect(names()).toEqual(['RECV20261122-7.log', 'RECV20261122-8.log', 'RECV20261122-9.log'].slice(-names().length));
    expect(names().length).toBeLessThan(4);
  });

  it('leaves out what the disk cannot take in time, and says so', async () => {
    await using log = open({ waiting: 1000 });
    const session = log.open('SEND', 'cloud', ENDS, 'S1');
    for (let i = 0; i < 100; i++) session.sent('NOOP');
    await log.flush();
    expect(lines('SEND20261122-1.log').at(-2)).toMatch(/,\*,,\d+ lines were left out: the disk does not keep up$/);
  });
});
