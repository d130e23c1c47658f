import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import type { ProbeReport } from '../../../src/admin/probe-contract.ts';
import { probeText } from '../../../src/cli/probe-text.ts';
import { clientCertificate, signed } from '../../support/certificates.ts';
import { ImapServer } from '../../support/imap-server.ts';
import type { PeerScript, ScriptedPeer } from '../../support/scripted-peer.ts';
import { Coexistence, text } from '../coexistence/harness.ts';

const RECIPIENTS = [
  'probe-cloud@example.com,cloud,probe@domain1.microsoftonline.com,,probe,,',
  'probe-home@example.com,on-premises,,,probe,,',
  'probe-box@example.com,on-premises,,,probe,box,',
];
const BOX = '  - { name: box, address-spaces: [box.test], next-hop: { maildir: mail } }';

async function started(...probes: string[]): Promise<Coexistence> {
  return await Coexistence.start({
    connectors: [BOX],
    recipients: RECIPIENTS,
    more: ['probes:', ...probes.map((one) => `  - ${one}`)],
  });
}

/** A server with a mailbox that answers each message, through the relay, as an automatic answer does. */
function echo(
  relay: Coexistence,
  peer: ScriptedPeer,
  answer: (message: string) => { header: string; sender: string } = outOfOffice,
): PeerScript {
  return {
    certificate: signed,
    dot: () => {
      setImmediate(() => {
        const message = peer.messages.at(-1);
        const to = /<(.*?)>/.exec(message?.mail ?? '')?.[1] ?? '';
        if (message !== undefined) void relay.send({ from: 'cloud', to, ...answer(text(message)) });
      });
      return '250 2.0.0 Ok';
    },
  };
}

const outOfOffice = (message: string) => ({
  sender: '',
  header: `In-Reply-To: ${/^Message-ID: (.*)$/m.exec(message)?.[1]?.trim() ?? ''}\r\nAuto-Submitted: auto-replied\r\n`,
});

const history = (relay: Coexistence) => join(relay.folder, 'var/probes/history.jsonl');

describe('a probe to the cloud and back', () => {
  it('proves both directions, by real reception and delivery, with the TLS of each hop', async () => {
    await using relay = await started('{ name: cloud, to: probe-cloud@example.com, side: cloud, wait: { reply: true } }');
    relay.cloud.script = echo(relay, relay.cloud);
    relay.file(
      'bridgehead.yaml',
      readFileSync(relay.settingsFile, 'utf8').replace('tls: { mode: none }', 'tls: { mode: required }'),
    );
    await relay.operations.reload();
    const report = await relay.operations.runProbe('cloud');
    expect(report).toMatchObject({
      ok: true,
      problem: null,
      there: { ok: true, seen: 'the next hop took it', tls: { result: 'encrypted', protocol: 'TLSv1.3' } },
      back: { ok: true, seen: 'the relay took an answer', tls: { result: 'not-used' } },
    });
    expect(report.records.map(({ event, connector }) => `${event} ${connector}`)).toEqual([
      'RECEIVE cloud',
      'SEND cloud',
      'RECEIVE probe-box',
      'SEND probe-box',
    ]);
    expect(report.records[0]?.tls?.result).toMatch(/encrypted/); // our own listener, by STARTTLS
    expect(report.back.hops.at(-1)).toMatchObject({ 'by-host': 'relay.example.com', trusted: true });
    const sent = text(relay.cloud.messages[0] as never);
    expect(sent).toContain(`Subject: Bridgehead probe cloud ${report.token}`);
    expect(sent).not.toContain('Auto-Submitted'); // or nobody would answer
    expect(relay.cloud.messages[0]?.mail).toContain(`bridgehead-probe+${report.token}@example.com`);
    // nothing of it stays
    expect(readdirSync(join(relay.folder, 'var/probes/answers/new'))).toEqual([]);
    expect(probeText(report)).toMatch(
      /^cloud {2}ok[^]*There {2}[\d.]+ s, the next hop took it[^]*Back {3}[\d.]+ s, the relay took an answer/,
    );
  });

  it('is no spoofed mail, though it comes from a client and has a sender of ours: it goes by the identity that others get (R8)', async () => {
    await using relay = await started('{ name: cloud, to: probe-cloud@example.com, wait: { reply: true } }');
    relay.file('id.pem', clientCertificate.cert);
    relay.file('id.key', clientCertificate.key);
    const identity = 'tls: { mode: required, certificate: id.pem, key: id.key }';
    relay.file('bridgehead.yaml', readFileSync(relay.settingsFile, 'utf8').replace('tls: { mode: none }', identity));
    expect(await relay.operations.reload()).toMatchObject({ ok: true });
    relay.cloud.script = { ...echo(relay, relay.cloud), tls: { requestCert: true } };
    expect(await relay.operations.runProbe('cloud')).toMatchObject({ problem: null, there: { tls: { result: 'encrypted' } } });
  });

  it('fails at once with the answer of a next hop that refuses it', async () => {
    await using relay = await started('{ name: cloud, to: probe-cloud@example.com, wait: { reply: true } }');
    relay.cloud.script = { rcpt: '550 5.4.1 Recipient address rejected: Access denied' };
    const report = await relay.operations.runProbe('cloud');
    expect(report.ok).toBe(false);
    expect(report.problem).toContain('refused it: 550 5.4.1');
    expect(report.there.ok).toBe(false);
    expect(report.back.ok).toBeNull();
    expect(report.next).toContain('bridgehead connector test cloud');
    const { findings } = await relay.operations.status();
    expect(findings).toContainEqual(
      expect.objectContaining({ code: 'probe-failed:cloud', severity: 'error', remedy: 'bridgehead probe cloud' }),
    );
    relay.cloud.script = echo(relay, relay.cloud);
    expect((await relay.operations.runProbe('cloud')).ok).toBe(true);
    expect((await relay.operations.status()).findings.map(({ code }) => code)).not.toContain('probe-failed:cloud');
  });

  it('fails with the notice that comes back in place of an answer', async () => {
    await using relay = await started('{ name: cloud, to: probe-cloud@example.com, wait: { reply: true } }');
    relay.cloud.script = echo(relay, relay.cloud, () => ({
      sender: '',
      header:
        'Content-Type: multipart/report; report-type=delivery-status; boundary=b\r\nReporting-MTA: dns; mx.cloud.test\r\nAction: failed\r\nStatus: 5.7.64\r\nDiagnostic-Code: smtp; 550 5.7.64 TenantAttribution; Relay Access Denied\r\n',
    }));
    const report = await relay.operations.runProbe('cloud');
    expect(report.problem).toBe('a notice came back: mx.cloud.test says: 550 5.7.64 TenantAttribution; Relay Access Denied');
  });

  it('says what to look at where no answer comes in time', async () => {
    await using relay = await started('{ name: cloud, to: probe-cloud@example.com, deadline: 1s, wait: { reply: true } }');
    const report = await relay.operations.runProbe('cloud');
    expect(report).toMatchObject({ ok: false, there: { ok: true }, back: { ok: false } });
    expect(report.problem).toBe('it arrived, and no answer came back within 1 s');
    expect(report.next.join('\n')).toContain('answers automatically');
  });

  it('says it where the message goes to the other side', async () => {
    await using relay = await started('{ name: lost, to: probe-home@example.com, side: cloud, wait: { reply: true } }');
    const report = await relay.operations.runProbe('lost');
    expect(report.problem).toMatch(/^it went to on-premises, and probe-home@example.com is expected in cloud: /);
  });

  it('says it where our own listener refuses', async () => {
    await using relay = await Coexistence.start({
      domains: ['{ name: example.com, unknown-recipients: reject }'],
      recipients: RECIPIENTS.slice(0, 1),
      more: ['probes: [{ name: home, to: probe-home@example.com, wait: { reply: true } }]'],
    });
    const report = await relay.operations.runProbe('home');
    expect(report.problem).toMatch(/^our own listener did not take it: RCPT TO:<probe-home@example.com>: 550 5\.1\.1/);
    expect(report.next[0]).toContain('bridgehead explain probe-home@example.com');
  });
});

describe('a probe to a mailbox', () => {
  it('finds the message in a Maildir, reads its hops, and removes it', async () => {
    await using relay = await started('{ name: box, to: probe-box@example.com, wait: { maildir: mail } }');
    const report = await relay.operations.runProbe('box');
    expect(report).toMatchObject({
      ok: true,
      there: { ok: true, seen: `maildir ${join(relay.folder, 'mail')}` },
      back: { ok: null },
    });
    expect(report.there.hops).toMatchObject([
      { 'from-host': 'relay.example.com', 'by-host': 'relay.example.com', tls: 'yes', trusted: true },
    ]);
    expect(readdirSync(join(relay.folder, 'mail/new'))).toEqual([]);
  });

  it('takes no message for its own that does not have its token', async () => {
    await using relay = await started('{ name: box, to: probe-home@example.com, deadline: 1s, wait: { maildir: mail } }');
    relay.home.script = {
      dot: () => {
        void relay.send({ to: 'probe-box@example.com', header: `X-Bridgehead-Probe: ${'0'.repeat(36)}\r\n` });
        return '250 Ok';
      },
    };
    const report = await relay.operations.runProbe('box');
    expect(report.problem).toMatch(/took it, and it was not in the mailbox within 1 s$/);
    expect(readdirSync(join(relay.folder, 'mail/new'))).toHaveLength(1);
  });

  it('finds it by IMAP, in the junk too, and deletes it there', async () => {
    await using imap = await ImapServer.start();
    imap.mailboxes.set('Junk', []);
    await using relay = await withImap(imap.port);
    relay.home.script = {
      dot: () => {
        setImmediate(() => imap.store('Junk', text(relay.home.messages.at(-1) as never)));
        return '250 Ok';
      },
    };
    const report = await relay.operations.runProbe('imap');
    expect(report).toMatchObject({ ok: true, there: { seen: 'imap Junk' } });
    expect(imap.mailboxes.get('Junk')).toEqual([]);
    imap.password = 'changed';
    const refused = await relay.operations.runProbe('imap');
    expect(refused.problem).toContain('cannot sign in');
    expect(refused.problem).toContain('wrong password');
    expect(relay.home.messages).toHaveLength(1); // where nobody can look, nothing is sent
  });
});

async function withImap(port: number): Promise<Coexistence> {
  const relay = await Coexistence.prepare({
    connectors: [BOX],
    recipients: RECIPIENTS,
    more: [
      'probes:',
      `  - { name: imap, to: probe-home@example.com, wait: { imap: { host: 127.0.0.1, port: ${port}, tls: none, user: probe, password-file: imap.secret, mailboxes: [INBOX, Junk] } } }`,
    ],
  });
  relay.file('imap.secret', 'secret');
  await relay.start();
  return relay;
}

describe('probes of a running relay', () => {
  it('keep their history over a restart, and tell it', async () => {
    await using relay = await started('{ name: box, to: probe-box@example.com, wait: { maildir: mail } }');
    const first: ProbeReport = await relay.operations.runProbe('box');
    expect(readFileSync(history(relay), 'utf8').trim().split('\n')).toHaveLength(1);
    await relay.stop();
    await relay.start();
    const { results } = await relay.operations.probeHistory({ name: 'box' });
    expect(results).toMatchObject([{ probe: 'box', ok: true, time: first.time, there: { ok: true }, problem: null }]);
    const { probes } = await relay.operations.listProbes();
    expect(probes).toMatchObject([{ name: 'box', every: null, 'last-success': first.time }]);
  });

  it('run by the clock where `every` says so', async () => {
    vi.spyOn(Math, 'random').mockReturnValue(0.0001);
    await using relay = await started('{ name: box, to: probe-box@example.com, every: 15m, wait: { maildir: mail } }');
    vi.restoreAllMocks();
    await vi.waitFor(() => expect(existsSync(history(relay))).toBe(true), { timeout: 8_000, interval: 20 });
    const { probes } = await relay.operations.listProbes();
    expect(probes[0]).toMatchObject({ every: 900, last: { ok: true } });
  });

  it('run one after the other', async () => {
    await using relay = await started(
      '{ name: box, to: probe-box@example.com, wait: { maildir: mail } }',
      '{ name: cloud, to: probe-cloud@example.com, wait: { reply: true } }',
    );
    relay.cloud.script = echo(relay, relay.cloud);
    const reports = await Promise.all([
      relay.operations.runProbe('box'),
      relay.operations.runProbe('cloud'),
      relay.operations.runProbe('box'),
    ]);
    expect(reports.map(({ ok }) => ok)).toEqual([true, true, true]);
  });

  it('end at once where the relay stops, and leave no mark', async () => {
    await using relay = await started('{ name: cloud, to: probe-cloud@example.com, deadline: 10m, wait: { reply: true } }');
    const run = relay.operations.runProbe('cloud');
    await vi.waitFor(() => expect(relay.cloud.messages).toHaveLength(1), { timeout: 8_000, interval: 10 });
    await relay.stop();
    expect((await run).problem).toBe('the relay stopped before it was there');
    expect(existsSync(history(relay))).toBe(false);
  });

  it('say which probes there are where the name is wrong', async () => {
    await using relay = await started('{ name: box, to: probe-box@example.com, wait: { maildir: mail } }');
    await expect(relay.operations.runProbe('bax')).rejects.toThrow('there is no probe "bax"; there is box');
  });

  it('take answers at their own address alone: a token that is not ours is refused like any stranger', async () => {
    await using relay = await started('{ name: box, to: probe-box@example.com, wait: { maildir: mail } }');
    relay.file(
      'bridgehead.yaml',
      readFileSync(relay.settingsFile, 'utf8').replace('unknown-recipients: on-premises', 'unknown-recipients: reject'),
    );
    await relay.operations.reload();
    const said = await relay.send({ to: `bridgehead-probe+${'0'.repeat(36)}@example.com` });
    expect(said.rcpt[0]).toMatch(/^550 5\.1\.1/);
  });
});
