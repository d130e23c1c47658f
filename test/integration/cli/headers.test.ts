/** `headers` as an administrator runs it: another process, a file or standard input. */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const MAIN = fileURLToPath(new URL('../../../src/main.ts', import.meta.url));
const MESSAGE = `Received: from out.example.net (out.example.net [198.51.100.7])
\t(using TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits))
\tby mx1.example.com (Bridgehead) with ESMTPS id 01J; Sun, 22 Nov 2026 10:00:05 +0000
Received: from pc.example.net ([198.51.100.9]) by out.example.net (Postfix)
\twith ESMTP id B1B2C3D4E5; Sun, 22 Nov 2026 10:00:01 +0000
Subject: hello

`;
const SETTINGS = `hostname: relay.example.com
relay-names: [mx1.example.com]
domains: [{ name: example.com, type: authoritative, unknown-recipients: on-premises }]
connectors:
  - { name: on-premises, address-spaces: [example.com], next-hop: { maildir: mail } }
`;
let directory: string;

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'headers-'));
  writeFileSync(join(directory, 'message.eml'), MESSAGE);
  writeFileSync(join(directory, 'bridgehead.yaml'), SETTINGS);
  writeFileSync(join(directory, 'wrong.yaml'), 'hostname: [');
});
afterAll(() => rmSync(directory, { recursive: true }));

interface Run {
  readonly status: number | null;
  readonly out: string;
  readonly err: string;
}

/** In a directory without settings. */
function headers(args: readonly string[], input = ''): Promise<Run> {
  const child = spawn(process.execPath, [MAIN, 'headers', ...args], { cwd: directory, timeout: 30_000 });
  const text = { out: '', err: '' };
  child.stdout.on('data', (chunk: Buffer) => (text.out += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (text.err += chunk.toString()));
  child.stdin.on('error', () => undefined); // it has read enough
  child.stdin.end(input);
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (status) => resolve({ status, ...text }));
  });
}

describe('bridgehead headers', () => {
  it('reads a file without settings, and vouches for nothing', async () => {
    const { status, out, err } = await headers(['message.eml']);
    expect({ status, err }).toEqual({ status: 0, err: '' });
    expect(out).toContain('pc.example.net [198.51.100.9] -> out.example.net');
    expect(out).toContain('Verdict: there is no hop that we can vouch for; 1 hop claims TLS; 1 was in clear\n');
  });

  it('reads standard input, as JSON, and trusts what is named', async () => {
    const { status, out } = await headers(['--json', '--trust', '*.example.com', '--require', 'tls'], MESSAGE);
    expect(status).toBe(0);
    expect(JSON.parse(out)).toMatchObject({
      hops: [
        { 'from-host': 'pc.example.net', 'from-ip': '198.51.100.9', with: 'ESMTP', tls: 'no', trusted: false },
        { 'by-host': 'mx1.example.com', tls: 'yes', 'tls-version': 'TLSv1.3', cipher: 'TLS_AES_256_GCM_SHA384', trusted: true },
      ],
      verdict: 'encrypted on the only hop we can vouch for; 1 further hop was in clear',
      encrypted: 1,
      plain: 1,
      unknown: 0,
    });
  });

  it('knows our names from the settings', async () => {
    const { status, out } = await headers(['--config', 'bridgehead.yaml', '--require', 'tls', 'message.eml']);
    expect(status).toBe(0);
    expect(out).toContain('encrypted on the only hop we can vouch for');
  });

  it('says no where TLS is required and not proven', async () => {
    expect((await headers(['--require', 'tls', 'message.eml'])).status).toBe(1);
    const trusted = ['--trust', 'mx1.example.com', '--trust', 'out.example.net'];
    expect((await headers([...trusted, '--require', 'tls', 'message.eml'])).status).toBe(1);
  });

  it('tells wrong words, wrong settings and what is no message apart', async () => {
    expect((await headers(['nowhere.eml'])).status).toBe(2);
    expect((await headers(['--require', 'dane', 'message.eml'])).status).toBe(2);
    expect((await headers(['--config', 'wrong.yaml', 'message.eml'])).status).toBe(78);
    const { status, out } = await headers([], 'no header at all\n');
    expect({ status, out }).toEqual({ status: 1, out: 'Verdict: there are no Received fields: nothing can be told\n' });
  });
});
