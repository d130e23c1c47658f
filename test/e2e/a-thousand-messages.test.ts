/**
 * Must hold 1: Postfix sends 1,000 messages of 1 KB to 1 MB to the relay, which splits them between a Dovecot LMTP
 * server (on-premises) and an Exim with STARTTLS (cloud).
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { EventRecord } from '../../src/mail/event.ts';
import { startDovecot } from './support/dovecot.ts';
import { startExim } from './support/exim.ts';
import { countMaildirs, readMaildirs, type Stored } from './support/maildir.ts';
import { seeded, someSize, type TestMessage, testMessage } from './support/messages.ts';
import { startPostfix } from './support/postfix.ts';
import { Relay, smartHost, twoSides } from './support/relay.ts';
import { SmtpClient } from './support/smtp-client.ts';
import { freePorts, until, Workspace } from './support/workspace.ts';

const MESSAGES = Number(process.env['BRIDGEHEAD_E2E_MESSAGES'] ?? 1000);
const ROUTING_DOMAIN = 'tenant.mail.example.net';
const USERS = 10;

interface Sent extends Omit<TestMessage, 'bytes'> {
  readonly size: number;
  readonly onPremises?: string;
  readonly migrated?: string;
}

describe('a thousand messages from Postfix, split between Dovecot and Exim', () => {
  const workspace = new Workspace('e2e');
  const sent: Sent[] = [];
  let onPremises: Stored[] = [];
  let cloud: Stored[] = [];
  let records = new Map<string, EventRecord[]>();
  let relay: Relay;

  beforeAll(async () => {
    const [lmtpPort = 0, eximPort = 0, postfixPort = 0] = await freePorts(3);
    const dovecot = await startDovecot(workspace, lmtpPort);
    const exim = await startExim(
      workspace,
      eximPort,
      ROUTING_DOMAIN,
      Array.from({ length: USERS }, (_, n) => `moved${n}`),
    );
    relay = await Relay.prepare(workspace, {
      settings: twoSides({ onPremises: `{ lmtp: "127.0.0.1:${lmtpPort}" }`, cloud: smartHost(eximPort), tls: 'opportunistic' }),
      recipients: Array.from({ length: USERS }, (_, n) => [
        `local${n}@example.com,on-premises,,`,
        `moved${n}@example.com,cloud,moved${n}@${ROUTING_DOMAIN},`,
      ]).flat(),
    });
    await relay.start();
    const postfix = await startPostfix(workspace, postfixPort, relay.port);

    // One in ten goes to both sides, the others to one of them.
    const chance = seeded(2026);
    const inject = async (session: number): Promise<void> => {
      const opened = await SmtpClient.open(postfixPort);
      if (opened === undefined) throw new Error('Postfix does not answer');
      await opened.client.command('EHLO injector.source.example');
      for (let n = session; n < MESSAGES; n += 5) {
        const side = n % 10 === 0 ? 'both' : n % 2 === 0 ? 'local' : 'moved';
        const local = `local${n % USERS}@example.com`;
        const moved = `moved${n % USERS}@example.com`;
        const to = side === 'both' ? [local, moved] : side === 'local' ? [local] : [moved];
        const message = testMessage(`t${n}`, someSize(chance, 1024, 1024 * 1024), chance, to.join(', '));
        const verdict = await opened.client.send('sender@source.example', to, message.bytes);
        if (verdict.kind !== 'acked') throw new Error(`Postfix did not take message ${n}: ${JSON.stringify(verdict)}`);
        sent.push({
          token: message.token,
          hash: message.hash,
          size: message.bytes.length,
          ...(side === 'moved' ? {} : { onPremises: `local${n % USERS}` }),
          ...(side === 'local' ? {} : { migrated: `moved${n % USERS}` }),
        });
      }
      await opened.client.quit();
    };
    await Promise.all([0, 1, 2, 3, 4].map(inject));

    const expected = (side: 'onPremises' | 'migrated') => sent.filter((message) => message[side] !== undefined).length;
    const all = () =>
      countMaildirs(dovecot.maildirs) >= expected('onPremises') && countMaildirs(exim.maildirs) >= expected('migrated');
    await until('everything arrives', all, 180_000, 500).catch((error: unknown) => {
      process.stderr.write(`${postfix.log().slice(-2000)}\n${relay.log().slice(-2000)}\n${exim.log().slice(-1000)}\n`);
      throw error;
    });
    onPremises = readMaildirs(dovecot.maildirs);
    cloud = readMaildirs(exim.maildirs);
    await until(
      'every record can be found',
      () => {
        records = Map.groupBy(relay.trace('--limit', '100000'), (event) => event['message-id'] ?? '');
        const sends = [...records.values()].flat().filter((event) => event.event === 'SEND');
        return sends.length >= expected('onPremises') + expected('migrated');
      },
      30_000,
      1_000,
    );
  }, 300_000);

  afterAll(async () => {
    await workspace[Symbol.asyncDispose]();
  });

  it('delivers each message once to each side that it was for, and to no other', () => {
    const where = (stored: readonly Stored[]) => stored.map((mail) => `${mail.token} ${mail.user}`).toSorted();
    const wanted = (side: 'onPremises' | 'migrated') =>
      sent.flatMap((mail) => (mail[side] === undefined ? [] : [`${mail.token} ${mail[side]}`])).toSorted();
    expect(sent).toHaveLength(MESSAGES);
    expect(where(onPremises)).toEqual(wanted('onPremises'));
    expect(where(cloud)).toEqual(wanted('migrated'));
  });

  it('changes no octet behind the fields that each hop puts in front', () => {
    const hashes = new Map(sent.map((message) => [message.token, message.hash]));
    expect([...onPremises, ...cloud].filter((mail) => mail.hash !== hashes.get(mail.token)).map((mail) => mail.token)).toEqual(
      [],
    );
  });

  it('puts one Received field in front, with the TLS of the hop from Postfix', () => {
    const received =
      /^Received:[^]*\(using TLSv1\.[23] with cipher \S+ \(\d+\/\d+ bits\)\)[^]*by relay\.example \(Bridgehead\) with ESMTPS id /;
    const fieldsOfOurs = (mail: Stored) =>
      mail.trace.split(/\r?\n(?=\S)/).filter((field) => field.startsWith('Received:') && field.includes('by relay.example'));
    const offenders = [...onPremises, ...cloud].filter((mail) => {
      const fields = fieldsOfOurs(mail);
      return fields.length !== 1 || !received.test(fields[0] ?? '');
    });
    expect(offenders.slice(0, 3)).toEqual([]);
  });

  it('tells in its records the TLS of both hops of every message', () => {
    const story = (events: readonly EventRecord[]) =>
      events
        .filter((event) => event.event === 'RECEIVE' || event.event === 'SEND')
        .map((event) => `${event.event} ${event.route} ${event.tls?.result} ${event.tls?.protocol?.replace(/v1\.[23]$/, '')}`)
        .toSorted((a, b) => a.localeCompare(b));
    const wanted = (message: Sent) =>
      [
        ...(message.migrated === undefined ? [] : ['RECEIVE cloud encrypted TLS', 'SEND cloud encrypted TLS']),
        ...(message.onPremises === undefined ? [] : ['RECEIVE on-premises encrypted TLS', 'SEND on-premises encrypted TLS']),
      ].toSorted((a, b) => a.localeCompare(b));
    const told = sent.map((message) => [message.token, ...story(records.get(`<${message.token}@source.example>`) ?? [])]);
    expect(told).toEqual(sent.map((message) => [message.token, ...wanted(message)]));
  });

  it('stops in order with nothing left in its queue', async () => {
    const queue = relay.cli('queue', 'list', '--json');
    expect(queue.stdout).not.toContain('example.com');
    expect(await relay.stop()).toBe(0);
  });
});
