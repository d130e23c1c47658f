import { beforeAll, describe, expect, it } from 'vitest';
import { compileRouting } from '../../../src/routing/compile.ts';
import type { ActiveDirectory } from '../../../src/routing/ports.ts';
import { type PastMessage, shadow } from '../../../src/routing/shadow.ts';
import { box, directoryOf, MiB, PEOPLE, ROUTING, ROUTING_DOMAIN, SETTINGS } from './flow.ts';

let directory: ActiveDirectory;
beforeAll(async () => {
  directory = await directoryOf(PEOPLE);
});

const DAY = Date.parse('2026-11-01T00:00:00Z');
const past = (recipient: string, line: number, more: Partial<PastMessage> = {}): PastMessage => ({
  recipient: box(recipient),
  sender: box('sender@example.net'),
  time: new Date(DAY + line * 1000).toISOString(),
  size: 2048,
  line,
  ...more,
});

describe('shadow', () => {
  it('tells for each past message how it would be routed here', async () => {
    const log = ['here@example.com', 'PP@example.com', 'pilarp@example.com', 'held@example.com', 'dual@example.com'];
    const report = await shadow(
      log.map((recipient, i) => past(recipient, i + 1)),
      ROUTING,
      directory,
    );
    expect(report).toMatchObject({
      'directory-version': 12,
      recipients: 5,
      first: '2026-11-01T00:00:01.000Z',
      last: '2026-11-01T00:00:05.000Z',
      routes: { 'on-premises': 1, cloud: 2, hold: 1, both: 1, reject: 0, internet: 0 },
      connectors: [
        { connector: 'on-premises', count: 2 },
        { connector: 'cloud', count: 2 },
      ],
      unknown: { count: 0 },
      refused: [],
      notes: [],
    });
    expect(report.domains).toEqual([
      { domain: 'example.com', count: 5, unknown: 0, refused: 0, routes: { 'on-premises': 1, cloud: 2, hold: 1, both: 1 } },
    ]);
  });

  it('names the unknown recipients, the most written to first, and what each domain does with them', async () => {
    const log = [
      past('scanner@example.com', 1),
      past('nobody@closed.example', 2),
      past('Scanner@example.com', 3),
      past('new@sub.wide.example', 4),
    ];
    const { unknown, refused, domains } = await shadow(log, ROUTING, directory);
    expect(unknown).toMatchObject({ count: 4, distinct: 3 });
    expect(unknown.top.map(({ address, count, line, reply }) => [address, count, line, reply])).toEqual([
      ['scanner@example.com', 2, 1, '250 2.1.5 Recipient ok'],
      ['nobody@closed.example', 1, 2, '550 5.1.1 User unknown: nobody@closed.example'],
      ['new@sub.wide.example', 1, 4, '250 2.1.5 Recipient ok'],
    ]);
    expect(unknown.top[0]?.last).toBe('2026-11-01T00:00:03.000Z');
    expect(refused.map(({ count, reply, examples }) => [count, reply, examples])).toEqual([
      [1, '550 5.1.1 User unknown: nobody@closed.example', ['nobody@closed.example']],
    ]);
    expect(domains.find(({ domain }) => domain === 'closed.example')).toMatchObject({ unknown: 1, refused: 1 });
  });

  it('C3: an unknown recipient who would be asked about is answered by that server, which is not asked here', async () => {
    const [domain, ...domains] = SETTINGS.domains;
    if (domain === undefined) throw new Error('no domain');
    const verifyRecipients = { connector: 'on-premises', deadline: 5_000, onFailure: 'accept' as const };
    const asking = compileRouting({ ...SETTINGS, domains: [{ ...domain, verifyRecipients }, ...domains] });
    const log = [past('scanner@example.com', 1), past('nobody@closed.example', 2)];
    const { unknown } = await shadow(log, asking, directory);
    expect(unknown.top.map(({ address, asks }) => [address, asks])).toEqual([
      ['scanner@example.com', 'on-premises'],
      ['nobody@closed.example', null],
    ]);
  });

  it('gathers refusals by their cause, not by the recipient', async () => {
    const log = Array.from({ length: 50 }, (_, i) => past(`nobody${i}@closed.example`, i + 1));
    const { refused } = await shadow(log, ROUTING, directory);
    expect(refused).toHaveLength(1);
    expect(refused[0]).toMatchObject({ count: 50, line: 1 });
    expect(refused[0]?.examples).toHaveLength(5);
  });

  it('C14: finds messages that the way takes no more', async () => {
    const log = [past('moved@example.com', 1, { size: 36 * MiB }), past('here@example.com', 2, { size: 36 * MiB })];
    const report = await shadow(log, ROUTING, directory);
    expect(report['too-large']).toEqual({
      count: 1,
      largest: 36 * MiB,
      examples: [`moved@example.com, ${36 * MiB} octets, line 1`],
    });
    expect(report.routes).toMatchObject({ reject: 1, 'on-premises': 1 });
  });

  it('keeps apart what went out, and says whether it could go out here', async () => {
    const log = [past('friend@partner.example', 1), past('friend@partner.example', 2), past(`x@${ROUTING_DOMAIN}`, 3)];
    const closed = await shadow(log, ROUTING, directory);
    expect(closed.outgoing).toEqual({ count: 2, refused: 2, domains: [{ domain: 'partner.example', count: 2 }] });
    expect(closed.refused).toEqual([]);
    expect(closed.routes.cloud).toBe(1);
    const open = compileRouting({ ...SETTINGS, relayTo: { ...SETTINGS.relayTo, 'on-premises': ['own', 'cloud', 'internet'] } });
    expect((await shadow(log, open, directory)).outgoing).toMatchObject({ count: 2, refused: 0 });
  });

  it('reads a list without times, senders and sizes', async () => {
    const report = await shadow([{ recipient: box('here@example.com'), line: 1 }], ROUTING, directory);
    expect(report).toMatchObject({ recipients: 1, first: null, last: null, routes: { 'on-premises': 1 } });
  });

  it('stays in bounds whatever the log holds, and says what it left out', async () => {
    async function* log(): AsyncIterable<PastMessage> {
      for (let i = 0; i < 5000; i++) yield past(`spam${i}@example.com`, i + 1);
    }
    const { unknown, notes } = await shadow(log(), ROUTING, directory, { distinct: 1000, top: 10 });
    expect(unknown).toMatchObject({ count: 5000, distinct: 1000 });
    expect(unknown.top).toHaveLength(10);
    expect(notes).toEqual(['more than 1000 different unknown recipients: 4000 further messages are counted, and not told apart']);
  });
});
