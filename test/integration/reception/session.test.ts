import { describe, expect, it } from 'vitest';
import { reply } from '../../../src/mail/reply.ts';
import { DEADLINES } from '../../../src/reception/house.ts';
import type { Admission } from '../../../src/reception/ports.ts';
import { limits, most } from '../../support/limits.ts';
import { ADMITTED, Client, perimeter } from './perimeter.ts';

const UNKNOWN: Admission = {
  reply: reply(550, '5.1.1', 'User unknown'),
  route: 'reject',
  reason: 'not in the directory',
  directoryVersion: 3,
};

describe('a session', () => {
  it('greets at once and offers what it can, and nothing else', async () => {
    await using relay = await perimeter();
    const client = await Client.raw(relay.port);
    expect(await client.reply()).toBe('220 mx1.example.com ESMTP Bridgehead');
    expect(await client.command('EHLO client.example.net')).toBe(
      [
        '250-mx1.example.com',
        '250-PIPELINING',
        '250-SIZE 1000000',
        '250-STARTTLS',
        '250-ENHANCEDSTATUSCODES',
        '250-8BITMIME',
        '250-DSN',
        '250-CHUNKING',
        '250 LIMITS RCPTMAX=5',
      ].join('\n'),
    );
    expect(await client.command('HELO client.example.net')).toBe('250 mx1.example.com');
  });

  it.each([
    ['EHLO', '501 Syntax: EHLO hostname'],
    ['EHLO a b', '501 Syntax: EHLO hostname'],
    ['HELO', '501 Syntax: HELO hostname'],
    ['MAIL FROM:<a@b.example>', '503 5.5.1'],
    ['RCPT TO:<a@b.example>', '503 5.5.1'],
    ['DATA', '503 5.5.1'],
    ['RSET', '250 2.0.0'],
    ['NOOP', '250 2.0.0'],
    ['NOOP anything', '250 2.0.0'],
    ['VRFY user@example.com', '252 2.5.0'],
    ['VRFY', '501 5.5.4'],
    ['EXPN list', '502 5.5.1'],
    ['HELP', '502 5.5.1'],
    ['AUTH PLAIN AAA=', '502 5.5.1'],
    ['STARTTLS now', '501 5.5.4'],
    ['WIZ please', '500 5.5.2'],
    ['SHELL', '500 5.5.2'],
    ['KILL', '500 5.5.2'],
    ['XCLIENT ADDR=192.0.2.1', '500 5.5.2'],
    ['XFORWARD ADDR=192.0.2.1', '500 5.5.2'],
    ['', '500 5.5.2'],
    ['constructor', '500 5.5.2'],
    [`NOOP ${'x'.repeat(2043)}`, '250 2.0.0'],
    [`NOOP ${'x'.repeat(2044)}`, '500 5.5.2'],
    [`NOOP ${'x'.repeat(100_000)}`, '500 5.5.2'],
    ['QUIT', '221 2.0.0'],
  ])('answers %s with %s', async (command, expected) => {
    await using relay = await perimeter();
    const client = await relay.client();
    expect((await client.command(command)).startsWith(expected)).toBe(true);
  });

  it('hangs up after QUIT', async () => {
    await using relay = await perimeter();
    const client = await relay.client();
    expect(await client.command('QUIT')).toBe('221 2.0.0 Bye');
    await client.close();
  });

  it('keeps the order of commands', async () => {
    await using relay = await perimeter();
    const client = await relay.client();
    await client.command('EHLO client.example.net');
    expect(await client.command('RCPT TO:<u@example.com>')).toBe('503 5.5.1 Need MAIL command');
    expect(await client.command('MAIL FROM:<a@example.net>')).toBe('250 2.1.0 Sender OK');
    expect(await client.command('MAIL FROM:<a@example.net>')).toBe('503 5.5.1 Nested MAIL command');
    expect(await client.command('DATA')).toBe('503 5.5.1 No valid recipients');
    expect(await client.command('RCPT TO:<u@example.com>')).toBe('250 2.1.5 Recipient OK');
    expect(await client.command('DATA now')).toBe('501 5.5.4 The command takes no parameter');
    expect(await client.command('EHLO client.example.net')).toMatch(/^250-/);
    expect(await client.command('RCPT TO:<u@example.com>')).toBe('503 5.5.1 Need MAIL command');
  });

  it('answers pipelined commands in order and in one piece (RFC 2920)', async () => {
    await using relay = await perimeter();
    const client = await relay.client();
    client.write('EHLO c.example\r\nMAIL FROM:<a@example.net>\r\nRCPT TO:<u@example.com>\r\nRCPT TO:<bad\r\nDATA\r\n');
    const replies: string[] = [];
    for (let i = 0; i < 5; i++) replies.push((await client.reply()).slice(0, 9));
    expect(replies).toEqual(['250-mx1.e', '250 2.1.0', '250 2.1.5', '501 5.1.3', '354 End d']);
    client.write('Subject: x\r\n\r\n.\r\nNOOP\r\nQUIT\r\n');
    expect(await client.reply()).toMatch(/^250 2\.0\.0 Queued as /);
    expect(await client.reply()).toBe('250 2.0.0 OK');
    expect(await client.reply()).toBe('221 2.0.0 Bye');
  });

  it('understands commands octet by octet', async () => {
    await using relay = await perimeter();
    const client = await relay.client();
    client.socket.setNoDelay(true);
    for (const octet of 'EHLO c.example\r\nNOOP\r\n') client.write(octet);
    expect(await client.reply()).toMatch(/^250-mx1/);
    expect(await client.reply()).toBe('250 2.0.0 OK');
  });

  it('waits for a slow decision about a recipient, and answers what was pipelined behind it afterwards', async () => {
    await using relay = await perimeter();
    const decide = Promise.withResolvers<Admission>();
    relay.admit = ({ recipient }) => (recipient.localPart === 'slow' ? decide.promise : ADMITTED);
    const client = await relay.client();
    await client.command('EHLO c.example');
    client.write('MAIL FROM:<a@example.net>\r\nRCPT TO:<slow@example.com>\r\nRCPT TO:<fast@example.com>\r\n');
    expect(await client.reply()).toMatch(/^250 2\.1\.0/);
    expect(relay.queries.map((query) => query.recipient.localPart)).toEqual(['slow']);
    decide.resolve(UNKNOWN);
    expect(await client.reply()).toBe('550 5.1.1 User unknown');
    expect(await client.reply()).toBe('250 2.1.5 Recipient OK');
  });

  it('answers 451 where the decision fails', async () => {
    await using relay = await perimeter();
    relay.admit = ({ recipient }) => {
      if (recipient.localPart === 'throws') throw new Error('broken');
      return Promise.reject(new Error('broken'));
    };
    const client = await relay.client();
    await client.command('EHLO c.example');
    await client.command('MAIL FROM:<a@example.net>');
    expect(await client.command('RCPT TO:<throws@example.com>')).toMatch(/^451 4\.3\.0 /);
    expect(await client.command('RCPT TO:<rejects@example.com>')).toMatch(/^451 4\.3\.0 /);
  });

  it('tells the one who decides all that it knows', async () => {
    await using relay = await perimeter({
      peers: [{ peer: 'on-premises', networks: ['127.0.0.0/8'], certificateNames: [], match: 'any' }],
    });
    const client = await relay.client();
    await client.command('EHLO ex1.example.com');
    await client.command('MAIL FROM:<> SIZE=500');
    await client.command('RCPT TO:<postmaster>');
    expect(relay.queries).toEqual([
      {
        recipient: expect.objectContaining({ address: 'postmaster@mx1.example.com' }),
        sender: null,
        size: 500,
        client: { peer: 'on-premises', address: '127.0.0.1', helo: 'ex1.example.com' },
      },
    ]);
  });

  it('refuses the sixth recipient of five with 452 4.5.3, and takes the five', async () => {
    await using relay = await perimeter();
    const client = await relay.client();
    await client.command('EHLO c.example');
    await client.command('MAIL FROM:<a@example.net>');
    for (let i = 0; i < 5; i++) expect(await client.command(`RCPT TO:<u${i}@example.com>`)).toMatch(/^250 /);
    expect(await client.command('RCPT TO:<u6@example.com>')).toBe('452 4.5.3 Too many recipients');
    await client.command('DATA');
    await client.command('Subject: x\r\n\r\n.');
    expect(relay.spool.messages[0]?.message.envelope.recipients).toHaveLength(5);
  });

  it('takes one recipient twice only where the parameters differ', async () => {
    await using relay = await perimeter();
    const client = await relay.client();
    await client.command('EHLO c.example');
    await client.command('MAIL FROM:<a@example.net>');
    for (const more of ['', '', ' NOTIFY=NEVER', ' NOTIFY=NEVER'])
      expect(await client.command(`RCPT TO:<u@example.com>${more}`)).toMatch(/^250 /);
    await client.command('DATA');
    await client.command('Subject: x\r\n\r\n.');
    expect(relay.spool.messages[0]?.message.envelope.recipients.map((one) => one.notify)).toEqual([undefined, ['NEVER']]);
  });

  it('keeps a reply that another server worded on one line of ASCII', async () => {
    await using relay = await perimeter();
    relay.admit = () => ({ reply: reply(550, '5.1.1', 'no\r\n250 2.1.5 such \u00fcser') });
    const client = await relay.client();
    await client.command('EHLO c.example');
    await client.command('MAIL FROM:<a@example.net>');
    expect(await client.command('RCPT TO:<u@example.com>')).toBe('550 5.1.1 no  250 2.1.5 such  ser');
  });

  it('refuses MAIL where the spool takes none, and where SIZE is too much', async () => {
    await using relay = await perimeter();
    const client = await relay.client();
    await client.command('EHLO c.example');
    expect(await client.command('MAIL FROM:<a@example.net> SIZE=1000001')).toMatch(/^552 5\.3\.4 /);
    relay.spool.refusing = reply(452, '4.3.1', 'Insufficient system storage');
    expect(await client.command('MAIL FROM:<a@example.net>')).toBe('452 4.3.1 Insufficient system storage');
    relay.spool.refusing = undefined;
    expect(await client.command('MAIL FROM:<a@example.net>')).toMatch(/^250 /);
    expect(relay.records.map(({ event, sender, reply: said }) => [event, sender, said?.code])).toEqual([
      ['REJECT', 'a@example.net', 552],
      ['REJECT', 'a@example.net', 452],
    ]);
  });
});

describe('limits of a session', () => {
  it('ends it with 421 after twenty errors', async () => {
    await using relay = await perimeter();
    const client = await relay.client();
    for (let i = 0; i < 20; i++) expect(await client.command('NONSENSE')).toMatch(/^500 /);
    expect(await client.command('NONSENSE')).toBe('421 4.7.0 Too many errors, closing connection');
    await client.close();
  });

  it('bears ten times as many of a peer, whose refusals are those of the many it writes for', async () => {
    const peers = [{ peer: 'gateway', networks: ['127.0.0.0/8'], certificateNames: [], match: 'any' }] as const;
    await using relay = await perimeter({ peers });
    const client = await relay.client();
    for (let i = 0; i < 200; i++) expect(await client.command('NONSENSE')).toMatch(/^500 /);
    expect(await client.command('NONSENSE')).toMatch(/^421 4\.7\.0 /);
    await client.close();
  });

  it('does not run what was pipelined behind the last error', async () => {
    await using relay = await perimeter();
    const client = await relay.client();
    client.write(`${'RCPT TO:<x>\r\n'.repeat(30)}EHLO c\r\nMAIL FROM:<a@b.example>\r\n`);
    const replies: string[] = [];
    for (let one = await client.reply(); one !== ''; one = await client.reply()) replies.push(one);
    expect(replies).toHaveLength(21);
    expect(replies.at(-1)).toMatch(/^421 4\.7\.0 /);
  });

  it('ends it with 421 after a hundred and more commands that lead nowhere', async () => {
    await using relay = await perimeter();
    const client = await relay.client();
    client.write('NOOP\r\n'.repeat(200));
    let count = 0;
    let last = '';
    for (let one = await client.reply(); one !== ''; one = await client.reply()) {
      last = one;
      count += 1;
    }
    expect(last).toMatch(/^421 4\.7\.0 /);
    expect(count).toBe(101);
  });

  it('leaves exempt networks their errors', async () => {
    await using relay = await perimeter({ limits: limits({ exempt: ['127.0.0.0/8'], connectionsPerClient: most(1) }) });
    const [one, two] = [await relay.client(), await relay.client()];
    for (let i = 0; i < 30; i++) expect(await one.command('NONSENSE')).toMatch(/^500 /);
    expect(await two.command('NOOP')).toMatch(/^250 /);
  });

  it('refuses a connection too many from one client, and too many in all, with 421', async () => {
    await using relay = await perimeter({ limits: limits({ connectionsPerClient: most(2), connections: most(2) }) });
    const first = await relay.client();
    await relay.client();
    const third = await Client.raw(relay.port);
    expect(await third.reply()).toBe('421 4.3.2 Too many connections, try again later');
    await third.close();
    await first.command('QUIT');
    await first.close();
    relay.reception.reconfigure({ ...relay.settings, limits: limits({ connectionsPerClient: most(1) }) });
    const fourth = await Client.raw(relay.port);
    expect(await fourth.reply()).toBe('421 4.7.0 Too many connections from your address, try again later');
  });

  it('says 421 4.4.2 to who is silent, and to who sends a line octet by octet for ever', async () => {
    await using relay = await perimeter({ sessionIdle: 80 });
    const [silent, dripping] = [await relay.client(), await relay.client()];
    const drip = setInterval(() => dripping.write('x'), 10);
    expect(await silent.reply()).toBe('421 4.4.2 Idle too long, closing connection');
    expect(await dripping.reply()).toBe('421 4.4.2 Idle too long, closing connection');
    clearInterval(drip);
  });

  it('ends a message that comes a few octets at a time', async () => {
    await using relay = await perimeter({}, { deadlines: { ...DEADLINES, rateWindow: 200 } });
    const client = await relay.client();
    await client.upToData();
    const drip = setInterval(() => client.write('x'), 10);
    expect(await client.reply()).toBe('421 4.4.2 Message comes too slowly, closing connection');
    clearInterval(drip);
    expect(relay.spool.discarded).toBe(1);
  });

  it('answers 451 where a part of ours does not answer in time', async () => {
    await using relay = await perimeter({}, { deadlines: { ...DEADLINES, handler: 60 } });
    relay.admit = ({ recipient }) => (recipient.localPart === 'never' ? new Promise(() => {}) : ADMITTED);
    relay.spool.commitWith = () => new Promise(() => {});
    const client = await relay.client();
    await client.command('EHLO c.example');
    await client.command('MAIL FROM:<a@example.net>');
    expect(await client.command('RCPT TO:<never@example.com>')).toMatch(/^451 4\.3\.0 /);
    expect(await client.command('RCPT TO:<u@example.com>')).toMatch(/^250 /);
    await client.command('DATA');
    expect(await client.command('Subject: x\r\n\r\n.')).toMatch(/^451 4\.3\.0 /);
    expect(await client.command('NOOP')).toMatch(/^250 /);
  });

  it('hangs up on a web browser that is made to speak SMTP', async () => {
    await using relay = await perimeter();
    const client = await relay.client();
    client.write('POST / HTTP/1.1\r\nHost: x\r\n\r\nEHLO x\r\nMAIL FROM:<a@b.example>\r\n');
    expect(await client.reply()).toMatch(/^421 4\.7\.0 /);
    expect(await client.reply()).toBe('');
  });
});

describe('the end of reception', () => {
  it('lets a message finish, says 421 to the idle, and takes no new connection', async () => {
    await using relay = await perimeter();
    const [busy, idle] = [await relay.client(), await relay.client()];
    await busy.upToData();
    const stopped = relay.reception.stop(10_000);
    expect(await idle.reply()).toBe('421 4.3.2 Service shutting down, try again later');
    await expect(Client.raw(relay.port)).rejects.toThrow('ECONNREFUSED');
    expect(await busy.command('Subject: x\r\n\r\n.')).toMatch(/^250 2\.0\.0 /);
    expect(await busy.command('MAIL FROM:<a@example.net>')).toMatch(/^421 4\.3\.2 /);
    busy.socket.end();
    idle.socket.end();
    await stopped;
    expect(relay.reception.stats()).toMatchObject({ connections: 0, accepted: 1, rejected: 0, draining: true });
  });

  it('ends a message that does not finish in time, and forgets it', async () => {
    await using relay = await perimeter();
    const client = await relay.client();
    await client.upToData();
    const stopped = relay.reception.stop(20);
    expect(await client.reply()).toMatch(/^421 4\.3\.2 /);
    await stopped;
    expect(relay.spool.messages).toHaveLength(0);
    expect(relay.spool.discarded).toBe(1);
  });
});
