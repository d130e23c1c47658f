/** What a person sees who speaks to the relay by hand: swaks for the usual, a bare session for the rest. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Relay, smartHost, twoSides } from './support/relay.ts';
import { SmtpClient } from './support/smtp-client.ts';
import { SmtpSink } from './support/smtp-sink.ts';
import { run, until, Workspace } from './support/workspace.ts';

describe('a session by hand', () => {
  const workspace = new Workspace('session');
  const sink = new SmtpSink();
  let relay: Relay;

  beforeAll(async () => {
    await sink.listen();
    relay = await Relay.prepare(workspace, {
      settings: twoSides({ onPremises: smartHost(sink.port), cloud: smartHost(sink.port) }),
      recipients: ['local@example.com,on-premises,,', 'moved@example.com,cloud,,'],
    });
    await relay.start();
  });

  afterAll(async () => {
    await relay.stop();
    await sink.down();
    await workspace[Symbol.asyncDispose]();
  });

  const talk = (...args: string[]) =>
    run('swaks', ['--server', `127.0.0.1:${relay.port}`, '--from', 'me@source.example', '--helo', 'source.example', ...args]);

  it('greets by its name and offers what the README says', () => {
    const { stdout } = talk('--quit-after', 'EHLO');
    expect(stdout).toMatch(/<- {2}220 relay\.example ESMTP/);
    for (const keyword of ['SIZE', 'PIPELINING', '8BITMIME', 'ENHANCEDSTATUSCODES', 'STARTTLS', 'DSN', 'CHUNKING']) {
      expect(stdout).toMatch(new RegExp(`<- {2}250[- ]${keyword}\\b`));
    }
    for (const keyword of ['AUTH', 'SMTPUTF8', 'XCLIENT', 'BINARYMIME']) {
      expect(stdout).not.toMatch(new RegExp(`250[- ]${keyword}\\b`));
    }
  });

  it('takes mail over STARTTLS and passes it on with that fact in its Received field', async () => {
    const { stdout, status } = talk('--to', 'moved@example.com', '--tls', '--header', 'X-Bridgehead-Token: swaks-tls');
    expect(stdout).toMatch(/=== TLS started with cipher TLSv1\.3/);
    expect(stdout).toMatch(/<~ {2}250 2\.0\.0 /);
    expect(status).toBe(0);
    await until('it arrives', () => sink.deliveries.some((mail) => mail.trace.includes('by relay.example')));
    const [mail] = sink.deliveries;
    expect(mail?.recipients).toEqual(['moved@tenant.mail.example.net']);
    expect(mail?.trace).toMatch(
      /^Received: from source\.example \([^)]*\[127\.0\.0\.1\]\)\r\n\t\(using TLSv1\.3 with cipher TLS_AES_256_GCM_SHA384 \(256\/256 bits\)\)\r\n/,
    );
    expect(mail?.trace).toMatch(/by relay\.example \(Bridgehead\) with ESMTPS id \S+\r\n\tfor <moved@example\.com>; /);
  });

  it('offers no STARTTLS inside TLS', () => {
    const { stdout } = talk('--tls', '--quit-after', 'EHLO');
    expect(stdout).not.toMatch(/<~ {2}250[- ]STARTTLS/);
  });

  it.each([
    ['an unknown recipient', 'nobody@example.com', '550 5.1.1'],
    ['a domain that is not ours', 'someone@elsewhere.example', '550 5.7.1'],
    ['a cloud address from outside (G10)', 'moved@tenant.mail.example.net', '550 5.7.1'],
    ['the percent hack', 'someone%elsewhere.example@example.com', '550 5.7.1'],
  ])('refuses %s in session', (_what, recipient, reply) => {
    const { stdout, status } = talk('--to', recipient);
    expect(stdout).toContain(`<** ${reply} `);
    expect(status).not.toBe(0);
  });

  it('always takes mail for postmaster', () => {
    expect(talk('--to', 'postmaster@example.com', '--quit-after', 'RCPT').status).toBe(0);
  });

  it('answers wrong commands with the right enhanced codes', async () => {
    const opened = await SmtpClient.open(relay.port);
    const say = async (line: string) => (await opened?.client.command(line))?.lines.at(-1);
    expect(await say('MAIL FROM:<a@source.example>')).toMatch(/^503 5\.5\.1 /);
    expect(await say('EHLO source.example')).toMatch(/^250 /);
    expect(await say('RCPT TO:<local@example.com>')).toMatch(/^503 5\.5\.1 /);
    expect(await say('MAIL FROM:<a@source.example> NONSENSE=1')).toMatch(/^555 5\.5\.4 /);
    expect(await say('MAIL FROM:<a@source.example> SIZE=99999999999')).toMatch(/^552 5\.3\.4 /);
    expect(await say('MAIL FROM:<a@source.example>')).toMatch(/^250 2\.1\.0 /);
    expect(await say('RCPT TO:<not an address>')).toMatch(/^501 5\.1\.3 /);
    expect(await say('RCPT TO:<local@example.com>')).toMatch(/^250 2\.1\.5 /);
    expect(await say('RSET')).toMatch(/^250 2\.0\.0 /);
    expect(await say('NONSENSE')).toMatch(/^50[02] 5\.5\.[12] /);
    expect(await say('AUTH PLAIN AAA=')).toMatch(/^50[0-4] 5\.5\.1 /);
    expect(await say('QUIT')).toMatch(/^221 2\.0\.0 /);
  });

  it('has each refusal on record', async () => {
    const rejected = () => relay.trace('--recipient', 'nobody@example.com').filter((event) => event.event === 'REJECT');
    await until('the refusal is on record', () => rejected().length > 0, 15_000, 500);
    expect(rejected()[0]).toMatchObject({ recipient: 'nobody@example.com', reply: { code: 550, enhanced: '5.1.1' } });
  });
});
