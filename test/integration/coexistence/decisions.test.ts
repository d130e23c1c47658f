/** C1-C5 and C9-C14 (coexistence.md 0), each by real sessions with a whole relay. */
import { readFileSync } from 'node:fs';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { clientCertificate, signed } from '../../support/certificates.ts';
import { REPORT_HEADER, reportBody } from '../../support/delivery-reports.ts';
import { hang } from '../../support/scripted-peer.ts';
import { arrived, Coexistence, DAY, OUR_TENANT, ROUTING_DOMAIN, rcpts, STRICT_DOMAIN, text } from './harness.ts';

const exo = (name: string) => `${name}@${ROUTING_DOMAIN}`;
const PEOPLE = (names: readonly string[], route: string, rest = ''): string[] =>
  names.map((name) => `${name}@example.com,${route}${rest}`);

let world: Coexistence;

beforeAll(async () => {
  world = await Coexistence.prepare({
    domains: [
      '{ name: example.com, unknown-recipients: on-premises, verify-recipients: off }',
      '{ name: asked.example.com, unknown-recipients: on-premises, verify-recipients: { at: on-premises, deadline: 1s } }',
      '{ name: closed.example.com, unknown-recipients: reject }',
    ],
    connectors: [
      '  - { name: strict, address-spaces: [strict.mail.onmicrosoft.com], next-hop: { smart-hosts: ["127.0.0.1:CLOUD"] }, tls: { mode: required, certificate: client.pem, key: client.key } }',
      '  - { name: narrow, address-spaces: [narrow.example], next-hop: { smart-hosts: ["127.0.0.1:HOME"] }, tls: { mode: none }, message-size: 1KiB }',
    ],
    more: [
      'queue: { retry: [1s], expire-after: 1d }',
      'limits: { message-size: 10MiB }',
      'rules:',
      '  - { when: { recipient: "ruled@example.com" }, then: { connector: cloud } }',
      '  - { when: { recipient: "audited@example.com" }, then: { copy-to: internet } }',
      '  - { when: { recipient: "audited@example.com" }, then: { reject: "550 5.7.1 Closed by a later rule" } }',
      '  - { when: { recipient: "journal@example.com" }, then: { copy-to: internet } }',
    ],
    recipients: [
      ...PEOPLE(['moved', 'pilot', 'late', 'spoofed', 'fine', 'group1', 'group2', 'ruled', 'journal', 'gone', 'unsafe'], 'cloud'),
      ...PEOPLE(['anna', 'bert', 'audited', 'dsn', 'waits', 'held', 'disagree'], 'on-premises'),
      ...PEOPLE(['both', 'both2', 'both3'], 'both'),
      'bothcloud@example.com,both,,,,,cloud',
      `strict@example.com,cloud,strict@${STRICT_DOMAIN}`,
      'narrow@example.com,on-premises,,,,narrow,',
    ],
  });
  world.file('client.pem', clientCertificate.cert);
  world.file('client.key', clientCertificate.key);
  await world.start();
});
afterEach(() => world.forget());
afterAll(() => world[Symbol.asyncDispose]());

describe('C1 cloud without tenant proof is external', () => {
  it('C1: a foreign tenant writes to a migrated user: delivered', async () => {
    await world.deliver({ from: 'cloud', to: 'moved@example.com', header: 'X-OriginatorOrg: other.onmicrosoft.com\r\n' });
    await arrived(world.cloud, exo('moved'));
    expect([rcpts(world.cloud), rcpts(world.home)]).toEqual([[exo('moved')], []]);
  });

  it('C1: our own tenant sends for a migrated user: never sent back', async () => {
    await world.deliver({ from: 'cloud', to: 'pilot@example.com', header: OUR_TENANT, sender: 'chef@partner.example' });
    const records = await world.records('pilot@example.com', 'FAIL');
    expect(records.find(({ event }) => event === 'FAIL')?.reply).toMatchObject({ code: 550, enhanced: '5.4.6' });
    expect(rcpts(world.cloud)).toEqual([]);
    await arrived(world.internet, 'chef@partner.example');
  });

  it('C1: its rights at RCPT are those of an external client', async () => {
    const to = ['friend@elsewhere.example', exo('moved')];
    const said = await world.send({ from: 'cloud', to, header: OUR_TENANT });
    expect(said.rcpt).toEqual([expect.stringMatching(/^550 5\.7\.1 /), expect.stringMatching(/^550 5\.7\.1 /)]);
  });
});

describe('C2 unknown recipients follow the setting, whoever asks', () => {
  it('C2: a pilot user in the cloud writes to an unlisted colleague: delivered on-premises', async () => {
    await world.deliver({ from: 'cloud', to: 'unlisted@example.com', header: OUR_TENANT });
    await arrived(world.home, 'unlisted@example.com');
    expect([rcpts(world.cloud), rcpts(world.home)]).toEqual([[], ['unlisted@example.com']]);
  });

  it('C2: refused only where the route would point back to the peer that sent the message', async () => {
    const said = await world.send({ from: 'on-premises', to: 'unlisted@example.com' });
    expect(said.rcpt).toEqual([expect.stringMatching(/^550 5\.1\.1 /)]);
  });

  it('C2: and by everybody where the setting says reject', async () => {
    for (const from of ['external', 'cloud', 'on-premises'] as const) {
      const said = await world.send({ from, to: 'unlisted@closed.example.com' });
      expect(said.rcpt).toEqual([expect.stringMatching(/^550 5\.1\.1 /)]);
    }
  });
});

describe('C3 ask before accepting', () => {
  it('C3: an unknown recipient is asked of the on-premises server before the 250', async () => {
    world.home.script = { rcpt: (_peer, line) => (line.includes('<known@') ? '250 2.1.5 Ok' : '550 5.1.1 No such user') };
    const said = await world.send({ to: ['known@asked.example.com', 'nobody@asked.example.com'] });
    expect(said.rcpt).toEqual([expect.stringMatching(/^250 /), expect.stringMatching(/^550 5\.1\.1 /)]);
    await arrived(world.home, 'known@asked.example.com');
    expect(rcpts(world.internet)).toEqual([]);
  });

  it('C3: on failure it is accepted, within the deadline', async () => {
    world.home.script = { rcpt: hang };
    const said = await world.send({ to: 'somebody@asked.example.com' });
    expect(said.rcpt).toEqual([expect.stringMatching(/^250 /)]);
    world.home.script = {};
    world.home.disconnectAll();
    await world.retry('somebody@asked.example.com');
    await arrived(world.home, 'somebody@asked.example.com');
  });
});

describe('C4 a switch is checked beforehand, and the cloud may refuse after DATA', () => {
  it('C4: a wave with a routing address that the newest cloud export lacks is not switched', async () => {
    const { operations } = world;
    await operations.createWave('careful', { addresses: [{ address: 'anna@example.com', line: 1 }] });
    const columns = 'PrimarySmtpAddress,EmailAddresses,RecipientTypeDetails';
    const without = world.file('exo.csv', columns, 'anna@example.com,SMTP:anna@example.com,UserMailbox');
    await operations.keepExport([without], { side: 'cloud' });
    const unsafe = [{ address: 'anna@example.com' }];
    expect(await operations.switchWave('careful', {})).toMatchObject({ switched: false, unsafe });
    await world.deliver({ to: 'anna@example.com' });
    await arrived(world.home, 'anna@example.com');
    const cell = `SMTP:anna@example.com;smtp:${exo('anna')}`;
    const complete = world.file('exo.csv', columns, `anna@example.com,${cell},UserMailbox`);
    await operations.keepExport([complete], { side: 'cloud' });
    expect(await operations.switchWave('careful', {})).toMatchObject({ switched: true });
    await world.deliver({ to: 'anna@example.com' });
    await arrived(world.cloud, exo('anna'));
  });

  it('C4: a 5xx at the end of DATA with several recipients is repeated once with one recipient a transaction', async () => {
    world.cloud.script = {
      dot: ({ commands }) => {
        const now = commands.slice(commands.findLastIndex((line) => line.startsWith('MAIL')));
        return now.some((line) => line.includes(exo('group2'))) ? '550 5.7.1 Not for one of them' : '250 2.0.0 Ok';
      },
    };
    await world.deliver({ to: ['group1@example.com', 'group2@example.com'], sender: 'lists@partner.example' });
    await world.records('group2@example.com', 'FAIL');
    expect(rcpts(world.cloud)).toEqual([exo('group1')]);
    const notice = text(await arrived(world.internet, 'lists@partner.example'));
    expect(notice).toContain('Final-Recipient: rfc822;');
    expect(notice).not.toContain('group1@example.com>:');
  });
});

describe('C4 the cloud may refuse by a later notification', () => {
  const learned = async () =>
    (await world.operations.status()).findings.map(({ problem }) => problem).filter((one) => one.includes('does not know it'));

  it('C4: what a notification says of a cloud mailbox is learned, with counts; it goes to its recipient as it came', async () => {
    const about = (name: string, status?: string) => ({
      original: `${name}@example.com`,
      final: exo(name),
      ...(status !== undefined && { status }),
    });
    const notify = (body: string) =>
      world.deliver({ from: 'cloud', sender: '', to: 'bert@example.com', header: `${OUR_TENANT}${REPORT_HEADER}`, body });
    const write = async (name: string) => {
      await world.deliver({ from: 'on-premises', sender: 'bert@example.com', to: `${name}@example.com` });
      await arrived(world.cloud, exo(name));
    };
    await write('late');
    const first = reportBody(about('late'));
    await notify(first);
    expect(text(await arrived(world.home, 'bert@example.com'))).toContain(`\r\n\r\n${first}\r\n`);
    await vi.waitFor(async () => expect(await learned()).toHaveLength(1), { timeout: 8_000 });
    expect((await learned())[0]).toMatch(/^late@example\.com: .*the cloud does not know it \(once, at/);

    // mail that we never delivered, another reason, and what nobody can read say nothing
    await notify(reportBody(about('moved')));
    await write('pilot');
    await notify(reportBody(about('pilot', '5.2.2')));
    await notify(
      `--b_report\r\nContent-Type: message/delivery-status\r\n\r\n\u0000${'('.repeat(5_000)}`.replaceAll('\u0000', '?'),
    );
    // and that the cloud takes more for it is no proof that it knows the mailbox
    await write('late');
    await notify(reportBody(about('late', '5.1.1')));
    await vi.waitFor(async () => expect((await learned())[0]).toContain('(2 times'), { timeout: 8_000 });
    expect(await learned()).toHaveLength(1);
    expect(rcpts(world.home)).toEqual(Array(5).fill('bert@example.com'));
    const { findings } = await world.operations.checkDirectory();
    expect(JSON.stringify(findings)).toContain('said later, in a notification');
  });
});

describe('C5 one refused sender or recipient stops nobody else', () => {
  it('C5: one spoofed sender (5.7.68) and one mistyped address (5.7.64) fail alone, the connector goes on', async () => {
    world.cloud.script = {
      mail: (_peer, line) => (line.includes('ceo@') ? '550 5.7.68 TenantInboundAttribution' : '250 2.1.0 Ok'),
      rcpt: (_peer, line) => (line.includes(exo('gone')) ? '550 5.7.64 TenantAttribution' : '250 2.1.5 Ok'),
    };
    await world.deliver({ to: 'spoofed@example.com', sender: 'ceo@example.com' });
    await world.deliver({ to: ['gone@example.com', 'fine@example.com'] });
    await world.records('spoofed@example.com', 'FAIL');
    await world.records('gone@example.com', 'FAIL');
    await arrived(world.cloud, exo('fine'));
    const connectors = await world.operations.listConnectors();
    expect(connectors.find(({ name }) => name === 'cloud')).toMatchObject({ state: 'active' });
  });
});

describe('C10 both', () => {
  it('C10: the primary side counts, the other gets a copy, and no header is added for it', async () => {
    world.cloud.script = { rcpt: '550 5.1.1 Not here' };
    await world.deliver({ to: 'both@example.com' });
    await arrived(world.home, 'both@example.com');
    await vi.waitFor(() => expect(world.cloud.commands).toContainEqual(expect.stringContaining(exo('both'))));
    const records = await world.records('both@example.com', 'FAIL');
    expect(records.map(({ event }) => event)).not.toContain('DSN');
    world.cloud.script = {};
    await world.deliver({ to: 'both2@example.com' });
    const [one, other] = await Promise.all([arrived(world.home, 'both2@example.com'), arrived(world.cloud, exo('both2'))]);
    expect(text(other)).toBe(text(one));
    expect(text(one)).toMatch(/^Received: from client\.test [^\0]*?\d{4}\r\nMessage-ID: /);
  });

  it('C10: the copy never goes to the peer the message came from', async () => {
    await world.deliver({ from: 'on-premises', to: 'both3@example.com' });
    await world.deliver({ from: 'cloud', to: 'bothcloud@example.com', header: OUR_TENANT });
    await arrived(world.cloud, exo('both3'));
    await arrived(world.home, 'bothcloud@example.com');
    await world.records('both3@example.com', 'SEND');
    await world.records('bothcloud@example.com', 'SEND');
    const { messages } = await world.operations.listQueue({});
    expect(messages.filter(({ sender }) => sender !== '').length).toBe(0);
    expect(rcpts(world.home)).toEqual(['bothcloud@example.com']);
    expect(rcpts(world.cloud)).toEqual([exo('both3')]);
  });
});

describe('C11 DSNs', () => {
  it('C11: are suppressed for <> and NOTIFY=NEVER alone, and go to the Internet by the connector for *', async () => {
    world.home.script = { rcpt: '550 5.2.1 Mailbox disabled' };
    await world.deliver({ to: 'dsn@example.com', sender: '' });
    await world.deliver({ to: 'dsn@example.com', sender: 'never@partner.example', rcptParameters: ' NOTIFY=NEVER' });
    await world.deliver({ to: 'dsn@example.com', sender: 'told@partner.example' });
    await world.records('dsn@example.com', 'FAIL', 3);
    expect((await arrived(world.internet, 'told@partner.example')).mail).toMatch(/^MAIL FROM:<>/);
    expect(rcpts(world.internet)).toEqual(['told@partner.example']);
  });

  it('C11: check says so where there is no connector for *', async () => {
    await using lonely = await Coexistence.prepare({ recipients: [] });
    const settings = readFileSync(lonely.settingsFile, 'utf8');
    lonely.file('bridgehead.yaml', settings.replace(/^.*name: internet.*\n/m, ''));
    await lonely.start();
    const { ok, notes } = await lonely.operations.checkSettings();
    expect(ok).toBe(true);
    expect(notes.map(({ problem }) => problem).join('\n')).toMatch(/notice|DSN/i);
  });
});

describe('C12 a connector with a client certificate never falls back to clear', () => {
  it('C12: a server without STARTTLS, with 454 to it, or with a broken handshake gets nothing, and the mail once it can', async () => {
    const broken = { starttls: '220 2.0.0 Go', insteadOfHandshake: 'no TLS here\r\n' };
    for (const [before, script] of [{}, { starttls: '454 4.7.0 Not now' }, broken].entries()) {
      world.cloud.script = script;
      if (before === 0) await world.deliver({ to: 'strict@example.com' });
      else await world.retry('strict@example.com');
      await world.records('strict@example.com', 'DEFER', before + 1);
    }
    expect(world.cloud.commands.some((line) => line.startsWith('STARTTLS'))).toBe(true);
    expect(world.cloud.commands.some((line) => /^(MAIL|RCPT|DATA)/.test(line))).toBe(false);
    world.cloud.script = { certificate: signed, tls: { requestCert: true } };
    await world.retry('strict@example.com');
    expect(await arrived(world.cloud, `strict@${STRICT_DOMAIN}`)).toMatchObject({ secure: true });
  });
});

describe('C13 R6 applies after rules too', () => {
  it('C13: a rule that would send back to the cloud is refused as a loop', async () => {
    await world.deliver({ from: 'cloud', to: 'ruled@example.com', header: OUR_TENANT });
    const records = await world.records('ruled@example.com', 'FAIL');
    expect(records.find(({ event }) => event === 'FAIL')?.reply).toMatchObject({ enhanced: '5.4.6' });
    expect(rcpts(world.cloud)).toEqual([]);
    await world.deliver({ to: 'ruled@example.com' });
    await arrived(world.cloud, exo('ruled'));
  });

  it('C13: copy-to does not end the search', async () => {
    const said = await world.send({ to: 'audited@example.com' });
    expect(said.rcpt).toEqual(['550 5.7.1 Closed by a later rule']);
    await world.deliver({ to: 'journal@example.com' });
    await arrived(world.cloud, exo('journal'));
    await arrived(world.internet, 'journal@example.com');
  });
});

describe('C14 SIZE', () => {
  it('C14: the largest limit of all routes is advertised; a recipient whose route takes less is refused at RCPT', async () => {
    const said = await world.send({ to: ['narrow@example.com', 'bert@example.com'], mailParameters: ' SIZE=5000' });
    expect(said.ehlo).toContain(`SIZE ${10 * 2 ** 20}`);
    expect(said.rcpt).toEqual([expect.stringMatching(/^552 5\.3\.4 /), expect.stringMatching(/^250 /)]);
    await arrived(world.home, 'bert@example.com');
    expect((await world.send({ to: 'bert@example.com', mailParameters: ` SIZE=${11 * 2 ** 20}` })).mail).toMatch(/^552 5\.3\.4 /);
  });
});

// Last: the clock of the relay is ahead afterwards
describe('C9 hold', () => {
  const hold = async (name: string, ...people: string[]) => {
    await world.operations.createWave(name, { addresses: people.map((address, i) => ({ address, line: i + 1 })) });
    await world.operations.holdWave(name, {});
  };

  it('C9: what on-premises sends for a mailbox of its own goes forward to the cloud, never back', async () => {
    await world.deliver({ from: 'on-premises', to: 'disagree@example.com' });
    await arrived(world.cloud, exo('disagree'));
    expect(rcpts(world.home)).toEqual([]);
  });

  it('C9: a hold catches the routing address form of the same mailbox', async () => {
    await hold('routing', 'held@example.com');
    await world.deliver({ from: 'on-premises', to: exo('held') });
    await world.records(exo('held'), 'HOLD');
    expect(rcpts(world.cloud)).toEqual([]);
    await world.operations.switchWave('routing', { force: true, reason: 'test' });
    await arrived(world.cloud, exo('held'));
  });

  it('C9: at the cap the alarm, at the maximum the side it came from; held time does not count towards expiry', async () => {
    await hold('long', 'waits@example.com');
    await world.deliver({ to: 'waits@example.com' });
    await world.records('waits@example.com', 'HOLD');
    world.later += 3 * 3_600_000;
    const problems = async () => (await world.operations.status()).findings.map(({ problem }) => problem).join('\n');
    expect(await problems()).toContain('wave long holds mail since');
    expect(rcpts(world.home)).toEqual([]);
    let refusals = 0;
    world.home.script = { rcpt: () => (++refusals <= 2 ? '451 4.3.0 Later' : '250 2.1.5 Ok') };
    world.later += 3 * DAY;
    // any change of a wave lets the relay look at the clock
    await world.operations.createWave('other', { addresses: [{ address: 'bert@example.com', line: 1 }] });
    await vi.waitFor(
      async () => {
        await world.retry('waits@example.com');
        expect(rcpts(world.home)).toEqual(['waits@example.com']);
      },
      { timeout: 8_000, interval: 100 },
    );
    expect(refusals).toBe(3);
    expect(rcpts(world.internet)).toEqual([]);
  });
});
