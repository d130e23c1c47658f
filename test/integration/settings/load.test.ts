import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openDirectory } from '../../../src/directory/directory.ts';
import { checkSettings, loadSettings } from '../../../src/settings/load.ts';
import { formatMistake } from '../../../src/settings/mistakes.ts';
import type { Settings } from '../../../src/settings/settings.ts';
import { ONE, TWO } from './pairs.ts';

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'bridgehead-settings-'));
});
afterAll(() => rm(folder, { recursive: true }));

const check = (text: string) => checkSettings(join(folder, 'bridgehead.yaml'), text);
async function mistakesOf(text: string): Promise<string[]> {
  const loaded = await check(text);
  return loaded.ok ? [] : loaded.mistakes.map(({ line, path, problem }) => `${line} ${path}: ${problem}`);
}
async function settingsOf(text: string): Promise<Settings> {
  const loaded = await check(text);
  if (!loaded.ok) throw new Error(loaded.mistakes.map(formatMistake).join('\n'));
  return loaded.settings;
}
async function notesOf(text: string): Promise<string[]> {
  const loaded = await check(text);
  return loaded.ok ? loaded.notes.map(({ path, problem }) => `${path}: ${problem}`) : ['refused'];
}

const HOME = '{ name: on-premises, address-spaces: [example.com], next-hop: { smart-hosts: ["10.1.0.5:25"] } }';
const CLOUD = '{ name: cloud, address-spaces: [t.example], next-hop: { mx: true } }';
const MINIMAL = `hostname: mx1.example.com\ndomains: [{ name: example.com }]\nconnectors: [${HOME}]\n`;
const BOTH = `hostname: mx1.example.com\ndomains: [{ name: example.com }]\ncloud: { routing-domains: [t.example] }\nconnectors: [${CLOUD}, ${HOME}]\n`;

describe('defaults', () => {
  it('hostname, domains and one connector are enough', async () => {
    const settings = await settingsOf(MINIMAL);
    expect(settings.reception).toMatchObject({
      listeners: [{ address: '127.0.0.1', port: 2525, tls: 'starttls' }],
      relayNames: ['mx1.example.com'],
      bareLineEnds: 'reject',
      messageSize: 50 * 1024 * 1024,
      sessionIdle: 300_000,
      limits: {
        connections: { most: 10_000, mode: 'enforce' },
        connectionsPerClient: { most: 100, mode: 'enforce' },
        session: { most: 7_200_000, mode: 'enforce' },
        earlyTalkers: 'enforce',
        exempt: [],
      },
      blockLists: { lists: [], servers: [] },
    });
    expect(settings.tls).toMatchObject({ selfSigned: true, profile: 'intermediate' });
    expect(settings.routing.relayTo).toEqual({
      external: ['own'],
      'on-premises': ['own', 'cloud'],
      cloud: ['own'],
      gateway: ['own'],
    });
    expect(settings.routing.domains).toMatchObject([
      {
        type: 'internal-relay',
        unknownRecipients: 'on-premises',
        verifyRecipients: { connector: 'on-premises', deadline: 5000, onFailure: 'accept' },
        source: 'bridgehead.yaml:2',
      },
    ]);
    expect(settings.delivery).toMatchObject({
      retry: [60_000, 300_000, 900_000, 1_800_000, 3_600_000, 7_200_000, 14_400_000],
      expireAfter: 432_000_000,
      warnAfter: 14_400_000,
      dnsServers: [],
    });
    expect(settings.delivery.connectors).toMatchObject([
      { side: 'on-premises', tls: { mode: 'opportunistic', profile: 'intermediate' }, ip: 4, connections: 20, origin: 'any' },
    ]);
    expect(settings.bounce.postmaster.address).toBe('postmaster@example.com');
    expect(settings.admin).toEqual({ address: '127.0.0.1', port: 8025 });
    expect(settings.dataDirectory).toBe(join(folder, '../var'));
  });

  it('the type of a domain sets what happens to unknown recipients; who cannot be asked is not asked', async () => {
    const routing = async (domain: string, home = HOME) =>
      (
        await settingsOf(
          `hostname: a.example\ndomains: [${domain}]\ncloud: { routing-domains: [t.example] }\nconnectors: [${CLOUD}, ${home}]\n`,
        )
      ).routing.domains[0];
    expect(await routing('{ name: example.com, type: authoritative }')).toMatchObject({ unknownRecipients: 'reject' });
    expect(await routing('{ name: example.com, type: external-relay }')).toMatchObject({ unknownRecipients: 'on-premises' });
    expect((await routing('{ name: example.com, unknown-recipients: cloud }'))?.verifyRecipients).toBeUndefined();
    expect((await routing('{ name: example.com, verify-recipients: off }'))?.verifyRecipients).toBeUndefined();
    const maildir = '{ name: home, address-spaces: [example.com], next-hop: { maildir: mail } }';
    expect((await routing('{ name: example.com }', maildir))?.verifyRecipients).toBeUndefined();
    const lmtp = '{ name: home, address-spaces: [example.com], next-hop: { lmtp: "unix:/run/lmtp" } }';
    expect(
      (await routing('{ name: example.com, verify-recipients: { deadline: 2s, on-failure: defer } }', lmtp))?.verifyRecipients,
    ).toEqual({ connector: 'home', deadline: 2000, onFailure: 'defer' });
  });

  it('a connector stands for the cloud by a routing domain, for the Internet by *, else for on-premises; SIZE is the largest limit (C14)', async () => {
    const big = '{ name: internet, address-spaces: ["*"], next-hop: { mx: true }, message-size: 100MiB }';
    const settings = await settingsOf(BOTH.replace(HOME, `${HOME}, ${big}`));
    expect(settings.routing.connectors.map(({ name, side }) => `${name} ${side}`)).toEqual([
      'cloud cloud',
      'on-premises on-premises',
      'internet internet',
    ]);
    expect(settings.reception.messageSize).toBe(100 * 1024 * 1024);
  });

  it('the value is frozen through and through', async () => {
    const settings = await settingsOf(MINIMAL);
    expect(Object.isFrozen(settings.routing.connectors[0]?.tls)).toBe(true);
    expect(Object.isFrozen(settings.reception.listeners)).toBe(true);
  });
});

describe('the shipped settings', () => {
  const file = fileURLToPath(new URL('../../../config/bridgehead.yaml', import.meta.url));

  it('work as they are, without a note, and so does their directory', async () => {
    const loaded = await loadSettings(file);
    if (!loaded.ok) throw new Error(loaded.mistakes.map(formatMistake).join('\n'));
    expect(loaded.notes).toEqual([]);
    const opened = await openDirectory(
      { ...loaded.settings.directory, folder },
      { clock: { now: () => 0, monotonic: () => 0 }, readOnly: true },
    );
    expect(opened.ok && opened.directory.active().recipients).toBe(12);
    expect(opened.findings).toEqual([]);
  });

  it('everything that the contract names is accepted and checked', async () => {
    for (const name of ['hook.url', 'eop.txt', 'recipients.csv'])
      await writeFile(join(folder, name), name === 'eop.txt' ? '# ours\n40.92.0.0/15\n2a01:111:f400::/48\n' : '');
    const loaded = await check(CONTRACT_SAMPLE);
    if (!loaded.ok) throw new Error(loaded.mistakes.map(formatMistake).join('\n'));
    expect(loaded.settings.reception.peers[1]?.networks).toEqual(['40.92.0.0/15', '2a01:111:f400::/48']);
    const unused = loaded.notes.filter(({ problem }) => problem.startsWith('accepted, not used yet')).map(({ path }) => path);
    expect(loaded.settings.directory.live.map(({ refresh }) => refresh)).toEqual([600_000, 300_000]);
    expect(unused).toEqual([]);
    // C11: nothing leads to an address of the Internet in the sample
    expect(loaded.notes.map(({ path }) => path)).toContain('alerts.mail-to[0]');
  });
});

describe('notes', () => {
  it('name the RFC where a transaction may have fewer than 100 recipients', async () => {
    const loaded = await check(`${MINIMAL}limits: { recipients: 1 }\n`);
    if (!loaded.ok) throw new Error(loaded.mistakes.map(formatMistake).join('\n'));
    expect(loaded.settings.reception.recipients).toBe(1);
    expect(loaded.notes.map(({ path, problem }) => [path, problem])).toContainEqual([
      'limits.recipients',
      'RFC 5321 §4.5.3.1.8 asks for at least 100 recipients in one transaction, and this is 1',
    ]);
  });
});

describe('mistakes', () => {
  it('are a renewal hook that cannot be run and a webhook file without a URL', async () => {
    await writeFile(join(folder, 'hook.sh'), '#!/bin/sh\n', { mode: 0o600 });
    await writeFile(join(folder, 'hook.url'), 'hooks.example.net\n');
    const loaded = await check(`${MINIMAL}tls: { renewal-hook: [hook.sh, now] }\nalerts: { webhook-file: hook.url }\n`);
    expect(!loaded.ok && loaded.mistakes.map(({ path, problem }) => [path, problem.replace(folder, '')])).toEqual([
      ['tls.renewal-hook[0]', '/hook.sh may not be run by the relay'],
      ['alerts.webhook-file', 'the file holds no http(s) URL'],
    ]);
    await chmod(join(folder, 'hook.sh'), 0o700);
    await writeFile(join(folder, 'hook.url'), 'https://hooks.example.net/T1\n');
    const mended = await check(`${MINIMAL}tls: { renewal-hook: [hook.sh, now] }\nalerts: { webhook-file: hook.url }\n`);
    expect(mended.ok && mended.settings.tls.renewalHook).toEqual([join(folder, 'hook.sh'), 'now']);
  });

  it('are all named at once, each with its line, its path and a remedy', async () => {
    const loaded = await check(
      'hostname: 10.1.2.3\nrelay-name: [a.example]\ndomains:\n  - { name: example.com, unknown-recipients: on-premise }\nconnectors:\n  - name: home\n    address-spaces: [example.com]\n    next-hop: { mx: true }\n    message-size: 35\nrules:\n  - { then: { connector: lab } }\nqueue: { expire-after: 5 days }\n',
    );
    if (loaded.ok) throw new Error('accepted');
    expect(loaded.mistakes.map(formatMistake).map((line) => line.slice(folder.length + 1))).toEqual([
      'bridgehead.yaml:1:11: hostname: "10.1.2.3" is not a host name. Write it like mx1.example.com; it must be a name, not an address.',
      'bridgehead.yaml:2:1: relay-name: there is no setting "relay-name". Did you mean "relay-names".',
      'bridgehead.yaml:4:46: domains[0].unknown-recipients: "on-premise" is not allowed here. Write reject | on-premises | cloud; did you mean "on-premises".',
      expect.stringContaining(
        'bridgehead.yaml:8:15: connectors[0].next-hop: R20: example.com on-premises would be looked up by MX, which leads to this relay.',
      ),
      'bridgehead.yaml:9:19: connectors[0].message-size: this should be text, and is a number. Write it with its unit, such as 35MiB.',
      'bridgehead.yaml:11:26: rules[0].then.connector: there is no connector "lab". Known: home.',
      'bridgehead.yaml:12:24: queue.expire-after: "5 days" is not a duration. Write it like 30s, 5m, 2h or 4d.',
    ]);
  });

  it('what is missing is named', async () => {
    expect(await mistakesOf('')).toEqual([
      '1 hostname: "hostname" is missing',
      '1 domains: "domains" is missing',
      '1 connectors: "connectors" is missing',
    ]);
    expect(await mistakesOf('- a\n')).toEqual(['1 : this should be a group of settings, and is a list']);
  });

  it('YAML that is none, names given twice, __proto__, alias bombs, a file too large', async () => {
    expect(await mistakesOf('hostname: [a\n')).toEqual([expect.stringMatching(/^\d /)]);
    expect(await mistakesOf(`${MINIMAL}hostname: b.example\n`)).toEqual(['4 : Map keys must be unique']);
    expect(await mistakesOf(`${MINIMAL}__proto__: { x: 1 }\n`)).toEqual(['4 __proto__: the name "__proto__" is not allowed']);
    const bomb = `a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\n`;
    expect(await mistakesOf(bomb)).toEqual([expect.stringContaining('alias')]);
    expect(await mistakesOf(`#${'x'.repeat(256 * 1024)}\n`)).toEqual(['1 : the file is larger than 256 KiB']);
  });

  it('refuses more values than a settings file has, before each is looked at', async () => {
    expect(await mistakesOf(`${MINIMAL}relay-names: [${'1,'.repeat(50_000)}]\n`)).toEqual([
      '1 : the file has more than 40,000 values',
    ]);
  });

  it('names 200 mistakes, and no more', async () => {
    expect(await mistakesOf(Array.from({ length: 1_000 }, (_, i) => `key${i}: 1\n`).join(''))).toHaveLength(200);
    expect(await mistakesOf('}\n'.repeat(1_000))).toHaveLength(200);
  });

  it('a file that is not there is a mistake too, which names one that is', async () => {
    const loaded = await loadSettings(join(folder, 'none.yaml'));
    expect(loaded).toMatchObject({ ok: false, mistakes: [{ problem: 'there is no such file' }] });
    const shipped = /(\/\S+\.yaml) is one to begin with/.exec(loaded.ok ? '' : (loaded.mistakes[0]?.remedy ?? ''))?.[1] ?? '';
    expect(await loadSettings(shipped)).toMatchObject({ ok: true });
  });

  const REFUSED: readonly [what: string, text: string, mistake: string][] = [
    [
      'two listeners on one port',
      `${MINIMAL}listeners: [{ address: 0.0.0.0, port: 25 }, { address: 127.0.0.1, port: 25 }]\n`,
      '4 listeners[1]: listeners[0] has port 25 already',
    ],
    [
      'the admin port on a listener',
      `${MINIMAL}listeners: [{ port: 8025 }]\n`,
      '1 admin.port: listeners[0] has port 8025 already',
    ],
    [
      'everybody as a peer',
      `${MINIMAL}peers: { on-premises: { networks: [0.0.0.0/0] } }\n`,
      '4 peers.on-premises.networks[0]: 0.0.0.0/0 is everybody',
    ],
    [
      'everybody as a peer, in IPv6',
      `${MINIMAL}peers: { cloud: { networks: ["::/0"] } }\n`,
      '4 peers.cloud.networks[0]: ::/0 is everybody',
    ],
    ['a peer that nothing tells', `${MINIMAL}peers: { on-premises: {} }\n`, '4 peers.on-premises: nothing says who this is'],
    [
      '`all` of one thing',
      `${MINIMAL}peers: { cloud: { networks: [10.0.0.1], match: all } }\n`,
      '4 peers.cloud.match: `all` needs both networks and certificate-names',
    ],
    [
      'C1 a cloud that may relay',
      `${MINIMAL}peers: { cloud: { networks: [10.0.0.1], relay-to: [own, internet] } }\n`,
      '4 peers.cloud.relay-to: C1: every tenant comes from the addresses of the cloud, and proof of ours comes only after DATA',
    ],
    [
      'a domain without a way',
      MINIMAL.replace('[example.com]', '[other.example]'),
      '2 domains[0].name: no connector has example.com among its address spaces',
    ],
    [
      'R20 the on-premises side by the MX of *',
      MINIMAL.replace(HOME, '{ name: all, address-spaces: ["*"], next-hop: { mx: true } }'),
      '2 domains[0].name: R20: example.com on-premises would be looked up by MX, which leads to this relay',
    ],
    [
      'a routing domain without a way',
      `${MINIMAL}cloud: { routing-domains: [t.example] }\n`,
      '4 cloud.routing-domains[0]: no connector has t.example among its address spaces',
    ],
    [
      'a way to the cloud for internal mail alone',
      BOTH.replace('next-hop: { mx: true }', 'next-hop: { mx: true }, origin: internal'),
      '3 cloud.routing-domains[0]: no connector for external mail has t.example among its address spaces',
    ],
    [
      'unknown to a cloud that is not set',
      MINIMAL.replace('example.com }', 'example.com, unknown-recipients: cloud }'),
      '2 domains[0].unknown-recipients: unknown recipients go to the cloud, and no routing domain is set',
    ],
    [
      'a domain that is a routing domain',
      BOTH.replace('name: example.com }', 'name: example.com }, { name: t.example, unknown-recipients: reject }'),
      '2 domains[1].name: t.example is a routing domain of the cloud',
    ],
    [
      'C12 opportunistic with a client certificate',
      BOTH.replace('next-hop: { mx: true }', 'next-hop: { mx: true }, tls: { certificate: nope.pem, key: nope.key }'),
      '4 connectors[0].tls.certificate: C12: a client certificate with mode opportunistic; mail without it would not be attributed to us',
    ],
    [
      'C12 opportunistic with a client certificate, for a domain',
      BOTH.replace(
        'next-hop: { mx: true }',
        'next-hop: { mx: true }, tls: { mode: required, certificate: nope.pem, key: nope.key, destinations: [{ domain: t.example, mode: opportunistic }] }',
      ),
      '4 connectors[0].tls.destinations[0].mode: C12: mode opportunistic on a connector with a client certificate; mail without it would not be attributed to us',
    ],
    [
      'TLS for one domain twice',
      BOTH.replace(
        'next-hop: { mx: true }',
        'next-hop: { mx: true }, tls: { destinations: [{ domain: t.example, mode: none }, { domain: t.example, mode: required }] }',
      ),
      '4 connectors[0].tls.destinations[1].domain: t.example stands here twice (destinations[0])',
    ],
    [
      'a name in a certificate that is none',
      BOTH.replace('next-hop: { mx: true }', 'next-hop: { mx: true }, tls: { mode: verified, names: ["*"] }'),
      '4 connectors[0].tls.names[0]: "*" is not a name in a certificate',
    ],
    [
      'two next hops',
      BOTH.replace('{ mx: true }', '{ mx: true, maildir: x }'),
      '4 connectors[0].next-hop: it goes two ways: mx and maildir',
    ],
    ['no next hop', BOTH.replace('{ mx: true }', '{}'), '4 connectors[0].next-hop: nothing says where it goes'],
    [
      'the relay as its own next hop',
      `${MINIMAL.replace('10.1.0.5:25', '127.0.0.1:2525')}`,
      '3 connectors[0].next-hop.smart-hosts[0]: 127.0.0.1:2525 is this relay itself',
    ],
    [
      'R20 the name of the server as ours',
      BOTH.replace('["10.1.0.5:25"] }', '["mail.example.com"] }, helo: mail.example.com'),
      '4 connectors[1].helo: R20: mail.example.com is the name of the server it greets',
    ],
    [
      'a connector that is not there to ask',
      MINIMAL.replace('example.com }', 'example.com, verify-recipients: { at: nowhere } }'),
      '2 domains[0].verify-recipients.at: there is no connector "nowhere"',
    ],
    [
      'a rule of two minds',
      `${MINIMAL}rules: [{ then: { hold: true, connector: on-premises } }]\n`,
      '4 rules[0].then: a rule does one thing, and this one does 2',
    ],
    [
      'a postmaster nobody can reach',
      `${MINIMAL}postmaster: ops@elsewhere.example\n`,
      '4 postmaster: no connector leads to elsewhere.example',
    ],
    [
      'a PROXY header from everybody',
      `${MINIMAL}listeners: [{ proxy-protocol: [10.0.0.0/24, 0.0.0.0/0] }]\n`,
      '4 listeners[0].proxy-protocol[1]: 0.0.0.0/0 is everybody: each client could say that it is another one',
    ],
    [
      'limits that bind nobody',
      `${MINIMAL}limits: { exempt: [10.0.0.0/8, "::/0"] }\n`,
      '4 limits.exempt[1]: ::/0 is everybody: no limit would bind anyone',
    ],
    [
      'a submission listener for nobody',
      `${MINIMAL}listeners: [{ port: 587, role: submission }]\n`,
      '4 listeners[0].role: a submission listener is for on-premises peers, and there are none',
    ],
    [
      'an exception from TLS where none is asked',
      `${MINIMAL}listeners: [{ without-tls: [10.1.0.9] }]\n`,
      '4 listeners[0].without-tls: this listener takes mail without TLS from everybody',
    ],
    [
      'devices without TLS all over the world',
      `${MINIMAL}peers: { on-premises: { networks: [10.1.0.9] } }\nlisteners: [{ port: 587, role: submission, without-tls: [::/0] }]\n`,
      '5 listeners[0].without-tls[0]: ::/0 is everybody',
    ],
    [
      'an authority that is not there',
      `${MINIMAL}listeners: [{ client-ca-file: none.pem }]\n`,
      '4 listeners[0].client-ca-file: there is no file ',
    ],
    [
      'XCLIENT from addresses that are not listed',
      `${MINIMAL}peers: { gateway: { certificate-names: [mx.filter.example], original-client: xclient } }\n`,
      '4 peers.gateway.original-client: XCLIENT is taken from listed addresses alone',
    ],
    [
      'two times to ask a directory again',
      `${MINIMAL}directory: { sources: [{ name: ad, ldap: { url: "ldap://127.0.0.1", refresh: 1m }, refresh: 5m }] }\n`,
      '4 directory.sources[0].ldap.refresh: refresh stands beside it as well',
    ],
    [
      'a hold that ends before its alarm',
      `${MINIMAL}directory: { hold: { warn-after: 4d } }\n`,
      '4 directory.hold.deliver-after: a hold would end before anybody is warned of it',
    ],
    [
      'a directory that is not there',
      `${MINIMAL}directory: { sources: [{ file: none.csv }] }\n`,
      '4 directory.sources[0].file: there is no file ',
    ],
    [
      'a networks-file that is not there',
      `${MINIMAL}peers: { cloud: { networks-file: none.txt } }\n`,
      '4 peers.cloud.networks-file: there is no file ',
    ],
    [
      'a certificate without its key',
      `${MINIMAL}tls: { certificate: mx.pem }\n`,
      '4 tls.certificate: `key` is missing beside it',
    ],
    [
      'connectors of one name',
      BOTH.replace('name: cloud', 'name: on-premises'),
      '4 connectors[1].name: the connector "on-premises" stands here twice (connectors[0])',
    ],
    [
      'a domain twice',
      MINIMAL.replace('{ name: example.com }', '{ name: example.com }, { name: Example.COM }'),
      '2 domains[1].name: example.com stands here twice (domains[0])',
    ],
  ];
  it.each(REFUSED)('%s', async (_what, text, mistake) => {
    expect(await mistakesOf(text)).toContainEqual(expect.stringContaining(mistake));
  });

  it.each(['valueOf', 'toString', 'hasOwnProperty'])('"%s" is no setting, wherever it stands', async (name) => {
    for (const text of [`${name}: 1\n`, `limits: { ${name}: 1 }\n`, `limits: { per-client: { ${name}: {} } }\n`])
      expect(await mistakesOf(`${MINIMAL}${text}`)).toEqual([expect.stringContaining(`there is no setting "${name}"`)]);
    expect(await mistakesOf(MINIMAL.replace('{ name: example.com }', `{ ${name}: false }`))).not.toEqual([]);
  });

  it.each(['{ per-client: { messages-per-minute: 5.5 } }', '{ idle-commands: [6, monitor] }'])(
    'a limit of a wrong kind is told how limits are written: %s',
    async (limits) => {
      const loaded = await check(`${MINIMAL}limits: ${limits}\n`);
      expect(loaded.ok ? [] : loaded.mistakes.map(({ remedy }) => remedy)).toEqual(['Write it like 100, "100 monitor" or off']);
    },
  );

  it('the admin address off loopback needs a token and TLS', async () => {
    expect(await mistakesOf(`${MINIMAL}admin: { address: 0.0.0.0 }\n`)).toEqual([
      '4 admin.address: 0.0.0.0 can be reached by others, and no token is asked for',
      '4 admin.address: 0.0.0.0 can be reached by others, and there is no certificate for TLS',
    ]);
  });

  it('a certificate and a key must be a pair', async () => {
    for (const [name, { certificate, key }] of Object.entries({ one: ONE, two: TWO })) {
      await writeFile(join(folder, `${name}.pem`), certificate);
      await writeFile(join(folder, `${name}.key`), key);
    }
    expect(await mistakesOf(`${MINIMAL}tls: { certificate: one.pem, key: one.key }\n`)).toEqual([]);
    expect(await mistakesOf(`${MINIMAL}tls: { certificate: one.pem, key: two.key }\n`)).toEqual([
      '4 tls.key: the key does not belong to the certificate',
    ]);
    expect(await mistakesOf(`${MINIMAL}tls: { certificate: one.key, key: one.key }\n`)).toEqual([
      '4 tls.certificate: the file holds no certificate in PEM',
    ]);
    expect(await mistakesOf(`${MINIMAL}tls: { certificate: one.pem, key: one.pem }\n`)).toEqual([
      '4 tls.key: the file holds no private key in PEM without a passphrase',
    ]);
    await writeFile(join(folder, 'token'), 'short\n');
    const admin = 'admin: { address: 0.0.0.0, token-file: token, tls: { certificate: one.pem, key: one.key } }\n';
    expect(await mistakesOf(MINIMAL + admin)).toEqual([
      '4 admin.token-file: the token in this file is shorter than 16 characters',
    ]);
    await writeFile(join(folder, 'token'), `${'0123456789abcdef'.repeat(4)}\n`);
    expect((await settingsOf(MINIMAL + admin)).admin).toMatchObject({
      tokenFile: join(folder, 'token'),
      tls: { certificate: join(folder, 'one.pem') },
    });
  });

  it('a networks-file is read line by line', async () => {
    await writeFile(join(folder, 'bad.txt'), '# ours\n40.92.0.0/15\nfoo\n0.0.0.0/0\n');
    const loaded = await check(`${MINIMAL}peers: { cloud: { networks-file: bad.txt } }\n`);
    expect(loaded.ok ? [] : loaded.mistakes.map(({ file, line, problem }) => [file, line, problem])).toEqual([
      [join(folder, 'bad.txt'), 3, '"foo" is not a network'],
      [join(folder, 'bad.txt'), 4, '0.0.0.0/0 is everybody'],
    ]);
  });
});

describe('notes', () => {
  it('C11 tell that notices have no way to the Internet, and C1 that the tenant cannot be told', async () => {
    expect(await notesOf(BOTH)).toEqual([
      'connectors: C11: delivery notices to senders on the Internet have no way out: no connector has "*"',
    ]);
    expect(await notesOf(`${BOTH}peers: { cloud: { networks: [10.0.0.1] } }\n`)).toContain(
      'peers.cloud: mail from the cloud cannot be told to be from our tenant (C1)',
    );
  });

  it('a rule does not open the relay', async () => {
    const rule = (pattern: string) =>
      notesOf(`${BOTH}rules: [{ when: { recipient: "${pattern}" }, then: { connector: on-premises } }]\n`);
    expect(await rule('*@partner.example')).toContainEqual(expect.stringContaining('partner.example is not ours'));
    expect(await rule('*@lab.example.com')).not.toContainEqual(expect.stringContaining('not ours'));
  });
});

describe('live sources and the proof of domains', () => {
  const live = (source: string): string => `${BOTH}directory:\n  sources:\n    - ${source}\n`;

  it('are handed on with their defaults, the files absolute, in the order of precedence', async () => {
    await writeFile(join(folder, 'password'), 'x');
    const { directory } = await settingsOf(
      `${BOTH}directory:
  sources:
    - { name: ad, ldap: { url: ["ldaps://dc1.example.com", "ldap://dc2.example.com:3268"], bind-dn: "CN=x", password-file: password }, refresh: 10m }
    - { file: password }
    - { name: tenant, graph: { tenant: example.onmicrosoft.com, client-id: app, secret-file: password } }
`,
    );
    expect(directory.precedence).toEqual(['ad', 'password', 'tenant']);
    expect(directory.sources).toEqual([{ name: 'password', file: join(folder, 'password') }]);
    expect(directory.live).toEqual([
      {
        kind: 'ldap',
        name: 'ad',
        refresh: 600_000,
        urls: ['ldaps://dc1.example.com:636', 'ldap://dc2.example.com:3268'],
        startTls: true,
        filter: '(proxyAddresses=*)',
        bindDn: 'CN=x',
        passwordFile: join(folder, 'password'),
        pageSize: 500,
        deadline: 30_000,
      },
      {
        kind: 'graph',
        name: 'tenant',
        refresh: 300_000,
        url: 'https://graph.microsoft.com/v1.0',
        signInUrl: 'https://login.microsoftonline.com',
        tenant: 'example.onmicrosoft.com',
        clientId: 'app',
        secretFile: join(folder, 'password'),
        deadline: 30_000,
      },
    ]);
  });

  it('are refused where they cannot work, or a secret would go in clear', async () => {
    const problems = async (source: string): Promise<string[]> => mistakesOf(live(source));
    expect(await problems('{ name: ad, ldap: { url: "http://dc1.example.com" } }')).toEqual([
      expect.stringContaining('"http://dc1.example.com" is not the address of a directory server'),
    ]);
    expect(await problems('{ name: ad, ldap: { url: "ldaps://dc1.example.com", filter: "(&(a=b)" } }')).toEqual([
      expect.stringContaining('is not a search filter (RFC 4515)'),
    ]);
    expect(await problems('{ name: ad, ldap: { url: "ldaps://dc1.example.com", bind-dn: "CN=x" } }')).toEqual([
      expect.stringContaining('bind-dn and password-file go together'),
    ]);
    expect(await problems('{ name: tenant, graph: { url: "http://graph.example.com" } }')).toEqual([
      expect.stringContaining('is not an HTTPS address'),
    ]);
    expect(await problems('{ name: tenant, graph: { tenant: example.com, client-id: app } }')).toEqual([
      expect.stringContaining('signing in needs tenant, client-id and one proof'),
    ]);
    const loaded = await check(live('{ name: ad, ldap: { url: "ldap://dc1.example.com", start-tls: false } }'));
    expect(loaded.ok && loaded.notes.map(({ problem }) => problem)).toContain(
      'the session with ldap://dc1.example.com:389 is in clear, and the password with it',
    );
  });

  it('a verification says what to look for', async () => {
    expect(await mistakesOf(BOTH.replace('name: example.com', 'name: example.com, verification: {}'))).toEqual([
      expect.stringContaining('nothing to look for'),
    ]);
    const { domainProof, dataDirectory } = await settingsOf(
      BOTH.replace('name: example.com', 'name: example.com, verification: { txt: "MS=ms1" }'),
    );
    expect(domainProof).toEqual({
      domains: [{ name: 'example.com', txt: 'MS=ms1' }],
      dnsServers: [],
      file: join(dataDirectory, 'domain-proof.json'),
    });
  });
});

const CONTRACT_SAMPLE = `
hostname: mx1.example.com
relay-names: [mx1.example.com, mx2.example.com]
data-directory: ../var
postmaster: mailops@example.com
log: { level: info, format: json }
alerts: { mail-to: [oncall@example.net], webhook-file: hook.url }
evidence: { keep: 90d }
listeners:
  - { address: 0.0.0.0, port: 25 }
domains:
  - name: example.com
    type: internal-relay
    unknown-recipients: on-premises
    verify-recipients: { at: on-premises, deadline: 5s, on-failure: accept }
    mx: relay
    verification: { cname: { record: ms12345678.example.com, target: ps.microsoftonline.com } }
cloud:
  routing-domains: [domain1.microsoftonline.com]
  tenant: { headers: { X-OriginatorOrg: example.onmicrosoft.com } }
peers:
  on-premises: { networks: [10.1.0.5/32], relay-to: [own, cloud, internet] }
  cloud: { networks-file: eop.txt, certificate-names: [mail.protection.outlook.com], match: any }
  gateway: { networks: [198.51.100.0/28], original-client: received }
connectors:
  - name: cloud
    address-spaces: [domain1.microsoftonline.com]
    next-hop: { mx: true }
    tls: { mode: opportunistic }
    origin: any
    source-address: 203.0.113.5
    helo: mx1.example.com
    ip: 4
    connections: 20
    message-size: 35MiB
  - name: on-premises
    address-spaces: [example.com]
    next-hop: { smart-hosts: ["10.1.0.5:25"] }
  - { name: dropbox, address-spaces: [lab.example.com], next-hop: { maildir: ../var/mail } }
  - { name: local, address-spaces: [local.example.com], next-hop: { lmtp: "127.0.0.1:24" } }
directory:
  sources:
    - { name: plain, file: recipients.csv }
    - { name: ad, ldap: { url: "ldap://dc.example.com", base: "dc=example,dc=com", refresh: 10m } }
    - { name: tenant, graph: { url: "https://graph.microsoft.com/v1.0" } }
rules:
  - { when: { recipient: "*@lab.example.com", sender: "*", peer: external }, then: { connector: on-premises } }
  - { when: { recipient: "x@example.com" }, then: { reject: "550 5.7.1 Not here" } }
  - { when: { recipient: "y@example.com" }, then: { hold: true } }
  - { when: { sender: "<>" }, then: { copy-to: dropbox } }
queue:
  retry: [1m, 5m, 15m, 30m, 1h, 2h, 4h]
  expire-after: 5d
  warn-after: 4h
limits: { message-size: 50MiB, recipients: 1000, connections: 10000, connections-per-client: 100, session-idle: 5m, exempt: [127.0.0.0/8] }
dns: { servers: ["127.0.0.1:5353"] }
admin: { address: 127.0.0.1, port: 8025 }
`;
