/** A probe through the relay into a mailbox of Dovecot, where it is found by IMAP over TLS; and what is told when it is not. */
import { writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hasDovecotImap, PASSWORD, startDovecot } from './support/dovecot.ts';
import { readMaildirs } from './support/maildir.ts';
import { Relay, smartHost, twoSides } from './support/relay.ts';
import { freePorts, Workspace } from './support/workspace.ts';

if (!hasDovecotImap)
  process.stderr.write(
    '\n*** probe-imap.test.ts is SKIPPED: Dovecot has no IMAP here (apt-get install dovecot-imapd dovecot-lmtpd) ***\n\n',
  );

interface Report {
  readonly ok: boolean;
  readonly problem: string | null;
  readonly next: readonly string[];
  readonly there: {
    readonly ok: boolean;
    readonly seen: string;
    readonly tls: { readonly result: string; readonly protocol: string };
    readonly hops: readonly { readonly 'by-host': string; readonly tls: string }[];
  };
}

describe.skipIf(!hasDovecotImap)('a probe that is fetched by IMAP', () => {
  const workspace = new Workspace('probe');
  let relay: Relay;
  let maildirs: string;

  beforeAll(async () => {
    const [lmtp = 0, imap = 0, nobody = 0] = await freePorts(3);
    const dovecot = await startDovecot(workspace, lmtp, imap);
    maildirs = dovecot.maildirs;
    writeFileSync(workspace.path('good.secret'), `${PASSWORD}\n`, { mode: 0o600 });
    writeFileSync(workspace.path('bad.secret'), 'guess\n', { mode: 0o600 });
    const room = (secret: string, more = '') =>
      `{ host: localhost, port: ${imap}, user: probe, password-file: ${workspace.path(secret)}${more} }`;
    const ca = `, ca-file: ${dovecot.certificate}`;
    const probe = (name: string, imapRoom: string) =>
      `  - { name: ${name}, to: probe@example.com, side: on-premises, deadline: 20s, wait: { imap: ${imapRoom} } }`;
    relay = await Relay.prepare(workspace, {
      settings: twoSides({
        onPremises: `{ lmtp: "127.0.0.1:${lmtp}" }`,
        cloud: smartHost(nobody),
        tls: 'required',
        more: [
          'probes:',
          probe('box', room('good.secret', ca)),
          probe('stranger', room('good.secret')),
          probe('guess', room('bad.secret', ca)),
          '',
        ].join('\n'),
      }),
      recipients: ['probe@example.com,on-premises,,'],
    });
    await relay.start();
  });

  afterAll(async () => {
    await relay?.stop();
    await workspace[Symbol.asyncDispose]();
  });

  const probed = async (name: string) => {
    const { stdout, stderr, status } = await relay.cliBeside('probe', name, '--json');
    if (stdout === '') throw new Error(stderr);
    return { status, report: JSON.parse(stdout) as Report };
  };

  it('arrives, with its hops and their TLS, and leaves nothing behind', async () => {
    const { status, report } = await probed('box');
    expect(report).toMatchObject({
      ok: true,
      problem: null,
      there: { ok: true, seen: 'imap INBOX', tls: { result: 'encrypted', protocol: 'TLSv1.3' } },
    });
    expect(status).toBe(0);
    expect(report.there.hops.find((hop) => hop['by-host'] === 'relay.example')).toMatchObject({ tls: 'yes' });
    expect(readMaildirs(maildirs)).toEqual([]);
  });

  it('says what is wrong where nobody vouches for the server, and where the password does not fit', async () => {
    const stranger = await probed('stranger');
    expect(stranger.status).toBe(1);
    expect(stranger.report.problem).toMatch(/self-signed|self signed|SELF_SIGNED/);
    const guess = await probed('guess');
    expect(guess.status).toBe(1);
    expect(guess.report.problem).toMatch(/sign|password|AUTHENTICATIONFAILED/i);
    expect(guess.report.next.join()).toContain('password-file');
    expect(relay.cli('status').stdout).toContain('the probe guess failed');
  });
});
