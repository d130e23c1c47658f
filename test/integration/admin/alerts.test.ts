/** Alerts with a real webhook and a real file; the spool is a list. */
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Finding } from '../../../src/admin/alert-book.ts';
import { Alerts } from '../../../src/admin/alerts.ts';
import type { EventRecord } from '../../../src/mail/event.ts';
import type { NewMessage, SpoolId } from '../../../src/mail/spooled.ts';
import { silentLog } from '../../../src/platform/logger.ts';
import { box } from '../../unit/bounce/samples.ts';

const MINUTE = 60_000;
const paused: Finding = { code: 'connector-paused:cloud', severity: 'error', problem: 'cloud is paused', remedy: 'resume it' };

let folder: string;
let hook: Server;
let calls: { readonly body: Record<string, unknown>; readonly path: string }[];
let status: number;
let now: number;
let found: Finding[];
let mails: { message: NewMessage; body: string; events: readonly EventRecord[] }[];
let disk: 'works' | 'fails';
let alerts: Alerts;

const hookFile = () => join(folder, 'hook.url');
const urlOf = (path: string) => `http://127.0.0.1:${(hook.address() as AddressInfo).port}${path}`;
const settings = () => ({
  hostname: 'mx1.example.com',
  from: box('mailops@example.com'),
  mailTo: [box('oncall@example.net')],
  webhookFile: hookFile(),
});

function open(): Alerts {
  let ids = 0;
  return new Alerts(settings(), {
    findings: () => [...found, ...alerts.findings()],
    submit: (message, body, events) => {
      if (disk === 'fails') return Promise.reject(new Error('no room'));
      mails.push({ message, body: body.toString(), events });
      return Promise.resolve();
    },
    newId: () => `A${++ids}` as SpoolId,
    file: join(folder, 'alerts.json'),
    version: '0.1.0',
    clock: { now: () => now, monotonic: () => now },
    log: silentLog,
  });
}

async function lookLater(milliseconds: number): Promise<void> {
  now += milliseconds;
  await alerts.look();
}

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'alerts-'));
  [calls, mails, found, status, now, disk] = [[], [], [], 204, Date.UTC(2026, 10, 22, 10), 'works'];
  hook = createServer((request, response) => {
    let text = '';
    request.setEncoding('utf8').on('data', (part: string) => (text += part));
    request.on('end', () => {
      calls.push({ body: JSON.parse(text) as Record<string, unknown>, path: request.url ?? '' });
      response.writeHead(status, { location: urlOf('/elsewhere') }).end('thank you');
    });
  }).listen(0, '127.0.0.1');
  await once(hook, 'listening');
  writeFileSync(hookFile(), `${urlOf('/first')}\n`);
  alerts = open();
});
afterEach(async () => {
  await alerts[Symbol.asyncDispose]();
  hook.close();
  rmSync(folder, { recursive: true });
});

describe('alerts', () => {
  it('tell a new finding once, by mail from the null sender and by webhook, and that it is over', async () => {
    await alerts.look();
    expect(mails).toEqual([]);
    found = [paused, { ...paused, code: 'spool-failing', problem: 'the spool fails' }];
    await lookLater(MINUTE);
    await lookLater(MINUTE);
    expect(mails).toHaveLength(1);
    expect(mails[0]?.message).toMatchObject({
      envelope: { sender: null, recipients: [{ address: box('oncall@example.net'), notify: ['NEVER'] }] },
      origin: { peer: 'external', ownHops: 0 },
    });
    expect(mails[0]?.message.origin.address).toBeUndefined();
    expect(mails[0]?.body).toContain('cloud is paused');
    expect(mails[0]?.body).toContain('the spool fails');
    expect(mails[0]?.events).toMatchObject([{ event: 'RECEIVE', sender: '', recipient: 'oncall@example.net' }]);
    expect(calls).toHaveLength(1);
    found = [];
    await lookLater(MINUTE);
    await lookLater(10 * MINUTE);
    expect(mails[1]?.body).toContain('OVER');
    expect(calls[1]?.body).toMatchObject({ alerts: [{ state: 'cleared' }, { state: 'cleared' }] });
    expect(alerts.counts).toEqual({ mail: { sent: 2, failed: 0 }, webhook: { sent: 2, failed: 0 } });
  });

  it('are not repeated by a restart', async () => {
    found = [paused];
    await alerts.look();
    await alerts[Symbol.asyncDispose]();
    alerts = open();
    await lookLater(MINUTE);
    await lookLater(MINUTE);
    expect(mails).toHaveLength(1);
    expect(calls).toHaveLength(1);
    expect(readFileSync(join(folder, 'alerts.json'), 'utf8')).toContain('connector-paused:cloud');
  });

  it('wait where they cannot be told, also over a restart, and say by the other way that one does not work', async () => {
    disk = 'fails';
    status = 500;
    found = [paused];
    await alerts.look();
    expect(alerts.findings().map(({ code }) => code)).toEqual(['alert-mail-failed', 'alert-webhook-failed']);
    expect(alerts.findings()[1]?.problem).toContain('it answered 500');
    await alerts[Symbol.asyncDispose]();
    alerts = open();
    await lookLater(MINUTE);
    status = 200;
    await lookLater(MINUTE);
    // a warning counts when it stands: the webhook hears of the mail that cannot be spooled
    await lookLater(2 * MINUTE);
    const told = calls.flatMap(({ body }) => body['alerts'] as { code: string }[]).map(({ code }) => code);
    expect(told).toContain('alert-mail-failed');
    disk = 'works';
    await lookLater(MINUTE);
    expect(mails).toHaveLength(1);
    expect(mails[0]?.body).toContain('cloud is paused');
    expect(mails[0]?.body).not.toContain('alert mail does not get through');
  });

  it('hear of an alert mail that failed, and send no mail about it', async () => {
    found = [paused];
    await alerts.look();
    const id = mails[0]?.message.id ?? '';
    const failed: EventRecord = {
      time: new Date(now).toISOString(),
      event: 'FAIL',
      'spool-id': id,
      recipient: 'oncall@example.net',
      reply: { code: 550, enhanced: '5.1.1', text: 'User unknown' },
    };
    alerts.onEvent({ ...failed, 'spool-id': 'another' });
    expect(alerts.findings()).toEqual([]);
    alerts.onEvent(failed);
    expect(alerts.findings()[0]?.problem).toContain('oncall@example.net: 550 5.1.1 User unknown');
    // another recipient's success is not this one's
    alerts.onEvent({ ...failed, event: 'SEND', recipient: 'chief@example.net' });
    for (let i = 0; i < 5; i++) await lookLater(MINUTE);
    expect(mails).toHaveLength(1);
    expect(calls.at(-1)?.body).toMatchObject({ alerts: [{ code: 'alert-mail-failed' }] });
    expect(alerts.counts.mail).toEqual({ sent: 1, failed: 1 });
    alerts.onEvent({ ...failed, event: 'SEND' });
    expect(alerts.findings()).toEqual([]);
  });

  it('read the URL anew, follow no redirect, and never show it', async () => {
    found = [paused];
    status = 302;
    await alerts.look();
    expect(alerts.findings()[0]?.problem).toBe('the alert webhook does not work: it answered 302');
    status = 200;
    writeFileSync(hookFile(), urlOf('/second'));
    await lookLater(MINUTE);
    expect(calls.map(({ path }) => path)).toEqual(['/first', '/second']);
    writeFileSync(hookFile(), 'ftp://hooks.example.net/secret');
    found = [paused, { ...paused, code: 'other' }];
    await lookLater(MINUTE);
    expect(JSON.stringify(alerts.findings())).not.toContain('secret');
  });

  it('send ten mails an hour at most; what comes beyond goes together afterwards', async () => {
    for (let i = 0; i < 30; i++) {
      found = [...found, { ...paused, code: `trouble-${i}`, problem: `trouble number ${i}` }];
      await lookLater(MINUTE);
    }
    expect(mails).toHaveLength(10);
    await lookLater(31 * MINUTE);
    expect(mails).toHaveLength(11);
    expect(mails[10]?.body.match(/trouble number \d+/g)?.length).toBeGreaterThanOrEqual(20);
  });
});
