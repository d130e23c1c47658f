/**
 * Must hold 4: one DATA to an on-premises and a migrated recipient while the cloud answers 451. The on-premises copy
 * arrives once, the other waits, and goes where its mailbox is once the directory says that it moved back (P3, P4, G1).
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { EventRecord } from '../../src/mail/event.ts';
import { seeded, testMessage } from './support/messages.ts';
import { Relay, smartHost, twoSides } from './support/relay.ts';
import { SmtpClient } from './support/smtp-client.ts';
import { SmtpSink } from './support/smtp-sink.ts';
import { until, Workspace } from './support/workspace.ts';

describe('one message to both sides while the cloud answers 451', () => {
  const workspace = new Workspace('mixed');
  const onPremises = new SmtpSink();
  const cloud = new SmtpSink();
  const message = testMessage('mixed-1', 4096, seeded(4));
  let relay: Relay;
  const cloudAsked: string[] = [];

  beforeAll(async () => {
    await onPremises.listen();
    await cloud.listen();
    cloud.answer = (stage, argument) => {
      if (stage === 'rcpt') cloudAsked.push(argument);
      return stage === 'rcpt' ? '451 4.7.500 Server busy' : undefined;
    };
    relay = await Relay.prepare(workspace, {
      settings: twoSides({
        onPremises: smartHost(onPremises.port),
        cloud: smartHost(cloud.port),
        more: 'queue: { retry: [1s], expire-after: 5m }',
      }),
      recipients: ['local@example.com,on-premises,,', 'moved@example.com,cloud,moved@tenant.mail.example.net,'],
    });
    await relay.start();
  });

  afterAll(async () => {
    await relay.stop();
    await onPremises.down();
    await cloud.down();
    await workspace[Symbol.asyncDispose]();
  });

  it('takes it with one 250 and delivers the on-premises copy once', async () => {
    const opened = await SmtpClient.open(relay.port);
    await opened?.client.command('EHLO source.example');
    const verdict = await opened?.client.send('sender@source.example', ['local@example.com', 'moved@example.com'], message.bytes);
    expect(verdict?.kind).toBe('acked');
    await opened?.client.quit();
    await until('the on-premises copy arrives', () => onPremises.deliveries.length > 0);
    expect(onPremises.deliveries[0]).toMatchObject({ recipients: ['local@example.com'], hash: message.hash });
  });

  it('keeps the other waiting, and tries it again without repeating the first', async () => {
    await until('the cloud was asked three times', () => cloudAsked.length >= 3);
    expect(onPremises.deliveries).toHaveLength(1);
    expect(new Set(cloudAsked.map((line) => /<(.*?)>/.exec(line)?.[1]))).toEqual(new Set(['moved@tenant.mail.example.net']));
    const queue = relay.cli('queue', 'list', '--json');
    expect(queue.status).toBe(0);
    const { messages } = JSON.parse(queue.stdout) as { messages: { recipients: { recipient: string; state: string }[] }[] };
    expect(messages).toHaveLength(1);
    expect(messages[0]?.recipients.map(({ recipient, state }) => `${recipient} ${state}`)).toEqual([
      'local@example.com relayed',
      'moved@example.com deferred',
    ]);
  });

  it('delivers it on-premises after the mailbox moved back in recipients.csv and SIGHUP', async () => {
    relay.setRecipients(['local@example.com,on-premises,,', 'moved@example.com,on-premises,,']);
    relay.signal('SIGHUP');
    await until('the second copy arrives on-premises', () => onPremises.deliveries.length > 1);
    expect(onPremises.deliveries).toHaveLength(2);
    expect(onPremises.deliveries[1]).toMatchObject({ recipients: ['moved@example.com'], hash: message.hash });
    expect(cloud.deliveries).toEqual([]);
  });

  it('tells the whole story: RECEIVE, DEFER in the cloud, REDIRECT, SEND on-premises', async () => {
    const moved = (event: EventRecord) => (event['original-recipient'] ?? event.recipient) === 'moved@example.com';
    const story = () =>
      relay
        .trace('--recipient', 'moved@example.com')
        .filter(moved)
        .map((event) => `${event.event} ${event.route}`);
    await until('the records are there', () => story().includes('SEND on-premises'), 15_000, 500);
    const events = story();
    expect(events[0]).toBe('RECEIVE cloud');
    expect(events).toContain('DEFER cloud');
    expect(events.some((event) => event.startsWith('REDIRECT '))).toBe(true);
    expect(events.filter((event) => event.startsWith('SEND '))).toEqual(['SEND on-premises']);
  });
});
