import { mkdtempSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import type { Taken } from '../../../src/demo/pretend-server.ts';
import { Processes } from '../../../src/demo/processes.ts';
import { ON_PREMISES_USERS, SAMPLES, type Sample } from '../../../src/demo/samples.ts';
import { send } from '../../../src/demo/send.ts';

const both = SAMPLES.findIndex((sample) => sample.expect.length === 2);

describe('a pretend server of the demo', () => {
  const directory = mkdtempSync(join(tmpdir(), 'bridgehead-test-'));
  const processes = new Processes();
  const signal = AbortSignal.timeout(20_000);

  afterAll(async () => {
    await processes[Symbol.asyncDispose]();
    rmSync(directory, { recursive: true, force: true });
  });

  it('takes mail over TLS for its own users and refuses all others', async () => {
    const taken: Taken[] = [];
    const options = { name: 'exchange.example.com', directory, breaksStartTls: false, users: ON_PREMISES_USERS };
    const port = await processes.pretendServer(options, (one) => taken.push(one), signal);
    const result = await send(SAMPLES[both] as Sample, port);
    expect([...result.refused.keys()]).toEqual(['maria@example.com']);
    expect(result.refused.get('maria@example.com')).toMatch(/^550 5\.1\.1 /);
    expect(taken).toEqual([
      { recipients: ['omar@example.com'], messageId: `<sample-${both + 1}@partner.example>`, encrypted: true },
    ]);
  });

  it('breaks STARTTLS where it is told to: 220, and then something that is not TLS', async () => {
    const options = { name: 'mail.old.example.com', directory, breaksStartTls: true };
    const port = await processes.pretendServer(options, () => {}, signal);
    const said = await new Promise<string>((resolve) => {
      let text = '';
      const socket = connect(port, '127.0.0.1');
      const steps = [/^220 /m, /^250 /m, /^220 2\.0\.0 /m];
      const commands = ['EHLO a.example\r\n', 'STARTTLS\r\n', '\u0016\u0003\u0001'];
      socket.on('data', (data) => {
        text += data.toString('latin1');
        if (steps[0]?.test(data.toString('latin1'))) {
          steps.shift();
          socket.write(commands.shift() ?? '');
        }
      });
      socket.on('close', () => resolve(text));
    });
    expect(said).toMatch(/250[- ]STARTTLS\r\n/);
    expect(said).toMatch(/220 2\.0\.0 Ready to start TLS\r\n500 5\.5\.1 What is this\?\r\n$/);
  });
});
