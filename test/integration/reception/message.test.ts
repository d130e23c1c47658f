import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { reply } from '../../../src/mail/reply.ts';
import { ADMITTED, perimeter } from './perimeter.ts';

const RECEIVED = (extra = ''): RegExp =>
  new RegExp(
    `^Received: from client\\.example\\.net \\(unknown \\[127\\.0\\.0\\.1\\]\\)\\r\\n\\tby mx1\\.example\\.com \\(Bridgehead\\) with ESMTP id 01TEST0+1${extra}; \\w{3}, \\d+ \\w{3} \\d{4} \\d\\d:\\d\\d:\\d\\d \\+0000\\r\\n`,
  );

describe('a message', () => {
  it('is spooled byte for byte behind our one trace field (P2)', async () => {
    await using relay = await perimeter();
    const client = await relay.client();
    const text = `Subject:  odd\r\n\tfolding \r\nTo: Alias@Example.COM\r\n\r\n..stuffed\r\n8-bit \xe4\r\n${'x'.repeat(998)}\r\n..\r\n\r\n`;
    expect(await client.mail(text)).toBe('250 2.0.0 Queued as 01TEST00000000000000000001');
    const [spooled] = relay.spool.messages;
    const field = RECEIVED('\\r\\n\\tfor <user@example\\.com>').exec(spooled?.body ?? '')?.[0] ?? '';
    expect(spooled?.body).toBe(field + text);
    expect(spooled?.message.size).toBe(field.length + text.length - 2);
    expect(spooled?.message.envelope.eightBit).toBe(true);
  });

  it('does not name the recipients where there are several (R19)', async () => {
    await using relay = await perimeter();
    const client = await relay.client();
    await client.mail('Subject: x\r\n\r\n', ['a@example.com', 'b@example.com']);
    expect(relay.spool.messages[0]?.body).toMatch(RECEIVED());
  });

  it('takes the envelope along, with its DSN parameters decoded', async () => {
    await using relay = await perimeter();
    const client = await relay.client();
    await client.command('EHLO client.example.net');
    await client.command('MAIL FROM:<"a b"@Example.NET> RET=FULL ENVID=x+2By BODY=8BITMIME');
    await client.command('RCPT TO:<User@Example.com> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;old+2Btag@example.com');
    await client.command('DATA');
    await client.command('Message-ID: <m@example.net>\r\nX-OriginatorOrg: example.onmicrosoft.com\r\n\r\nx\r\n.');
    expect(relay.spool.messages[0]?.message).toMatchObject({
      messageId: '<m@example.net>',
      envelope: {
        sender: { address: '"a b"@example.net' },
        recipients: [
          { address: { address: 'User@example.com' }, notify: ['SUCCESS', 'DELAY'], orcpt: 'rfc822;old+tag@example.com' },
        ],
        ret: 'FULL',
        envid: 'x+y',
        eightBit: false, // counted, not believed: it may go to a hop without 8BITMIME
        smtputf8: false,
      },
      origin: { peer: 'external', address: '127.0.0.1', name: 'client.example.net', ownHops: 0, tenantProof: true },
    });
  });

  it('leaves a RECEIVE record for each recipient', async () => {
    await using relay = await perimeter();
    const client = await relay.client();
    await client.mail('Message-ID: <m@example.net>\r\n\r\n', ['a@example.com', 'b@example.com']);
    const [spooled] = relay.spool.messages;
    expect(spooled?.events).toHaveLength(2);
    expect(spooled?.events[1]).toEqual({
      time: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
      event: 'RECEIVE',
      'spool-id': '01TEST00000000000000000001',
      'session-id': expect.any(String),
      'message-id': '<m@example.net>',
      sender: 'a@example.net',
      recipient: 'b@example.com',
      peer: 'external',
      client: { address: '127.0.0.1', name: 'client.example.net' },
      route: 'cloud',
      connector: 'cloud',
      reason: 'directory: migrated (version 3)',
      'directory-version': 3,
      reply: { code: 250, enhanced: '2.0.0', text: 'Queued as 01TEST00000000000000000001' },
      size: spooled?.message.size,
      'body-sha256': 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
      tls: { result: 'not-used' },
    });
  });

  for (const [bareLineEnds, text, body] of [
    ['reject', 'Subject: x\r\n\r\n..\r\nHello\r\n...two\r\n', '.\r\nHello\r\n..two\r\n'],
    ['reject', `Subject: x\r\n\r\n${'..long\r\n'.repeat(40_000)}`, '.long\r\n'.repeat(40_000)],
    ['normalise', 'Subject: x\r\n\r\nbare\n.dot\rend\r\n', 'bare\r\n.dot\r\nend\r\n'],
  ] as const) {
    it(`is kept with the SHA-256 of its body, dots unstuffed (${bareLineEnds}, ${text.length} octets)`, async () => {
      await using relay = await perimeter({ bareLineEnds });
      const client = await relay.client();
      expect(await client.mail(text)).toMatch(/^250 /);
      const expected = createHash('sha256').update(body).digest('hex');
      expect(relay.spool.messages[0]?.message.bodySha256).toBe(expected);
      expect(relay.spool.messages[0]?.events[0]?.['body-sha256']).toBe(expected);
    });
  }

  it('is ours only when the spool has it: 250 comes after the commit, 451 when it fails (R13)', async () => {
    await using relay = await perimeter();
    const durable = Promise.withResolvers<void>();
    relay.spool.commitWith = () => durable.promise;
    const client = await relay.client();
    await client.upToData();
    let answered = false;
    const answer = client.command('Subject: x\r\n\r\n.').then((text) => {
      answered = true;
      return text;
    });
    const other = await relay.client();
    await other.command('NOOP');
    expect(answered).toBe(false);
    durable.reject(new Error('EIO'));
    expect(await answer).toMatch(/^451 4\.3\.0 /);
    expect(relay.records).toMatchObject([{ event: 'REJECT', recipient: 'user@example.com', reply: { code: 451 } }]);
    relay.spool.commitWith = undefined;
    expect(await client.mail('Subject: x\r\n\r\n')).toMatch(/^250 /);
  });

  it('says what the spool says where it is full by now', async () => {
    await using relay = await perimeter();
    const client = await relay.client();
    await client.upToData();
    relay.spool.commitWith = () => Promise.reject(new Error('ENOSPC'));
    relay.spool.refusing = reply(452, '4.3.1', 'Insufficient system storage');
    expect(await client.command('Subject: x\r\n\r\n.')).toBe('452 4.3.1 Insufficient system storage');
  });

  it.each([
    ['a bare LF', 'one\ntwo'],
    ['a bare CR', 'one\rtwo'],
    ['a NUL', 'one\x00two'],
    ['LF.LF', 'one\n.\nMAIL FROM:<evil@example.net>'],
    ['LF.CRLF', 'one\n.\r\nMAIL FROM:<evil@example.net>'],
    ['CRLF.LF', 'one\r\n.\nMAIL FROM:<evil@example.net>'],
    ['CR.CR', 'one\r.\rMAIL FROM:<evil@example.net>'],
  ])('with %s is refused as a whole, after its true end', async (_, text) => {
    await using relay = await perimeter();
    const client = await relay.client();
    expect(await client.mail(`Subject: x\r\n\r\n${text}\r\n`)).toMatch(/^550 5\.6\.11 /);
    expect(await client.command('NOOP')).toBe('250 2.0.0 OK');
    expect(relay.spool.messages).toHaveLength(0);
    expect(relay.spool.discarded).toBe(1);
    expect(relay.records).toMatchObject([
      { event: 'REJECT', recipient: 'user@example.com', reply: { code: 550, enhanced: '5.6.11' } },
    ]);
  });

  it('has its bare line ends mended where the settings say so, and the record tells it', async () => {
    await using relay = await perimeter({ bareLineEnds: 'normalise' });
    const client = await relay.client();
    expect(await client.mail('Subject: x\n\none\n.\ntwo\rthree\r\n..\r\n')).toMatch(/^250 /);
    const [spooled] = relay.spool.messages;
    expect(spooled?.body.endsWith('Subject: x\r\n\r\none\r\n..\r\ntwo\r\nthree\r\n..\r\n')).toBe(true);
    expect(spooled?.events[0]?.reason).toBe('directory: migrated (version 3); 5 bare line ends normalised');
    expect(await client.mail('one\x00two\r\n')).toMatch(/^550 5\.6\.11 /);
  });

  it('with a line over 998 octets is passed on and noted', async () => {
    await using relay = await perimeter();
    const client = await relay.client();
    expect(await client.mail(`Subject: x\r\n\r\n${'x'.repeat(5000)}\r\n`)).toMatch(/^250 /);
    expect(relay.spool.messages[0]?.events[0]?.['longest-line']).toBe(5000);
  });

  it('over the size is read to its end, refused with 552, and not kept (C14)', async () => {
    await using relay = await perimeter({ messageSize: 100_000 });
    const client = await relay.client();
    const line = `${'x'.repeat(98)}\r\n`;
    expect(await client.mail(line.repeat(1000))).toMatch(/^250 /);
    let written = 0;
    relay.spool.writeWith = (chunk) => {
      written += chunk.length;
      return undefined;
    };
    expect(await client.mail(line.repeat(3000))).toMatch(/^552 5\.3\.4 /);
    expect(written).toBeLessThan(200_000);
    expect(relay.spool.discarded).toBe(1);
    expect(relay.records).toMatchObject([{ event: 'REJECT', size: 300_000, reply: { code: 552 } }]);
  });

  it('too big for the ways of all its recipients is refused at the dot; one that takes it is enough (C14, P6)', async () => {
    await using relay = await perimeter({ messageSize: 100_000 });
    relay.admit = ({ recipient }) => ({ ...ADMITTED, messageSize: Number(recipient.localPart) });
    const client = await relay.client();
    const body = `${'x'.repeat(98)}\r\n`.repeat(300);
    expect(await client.mail(body, ['10000@example.com', '29999@example.com'])).toMatch(/^552 5\.3\.4 /);
    expect(relay.records).toMatchObject([{ event: 'REJECT', size: 30_000, reply: { code: 552 } }, { event: 'REJECT' }]);
    expect(await client.mail(body, ['10000@example.com', '30000@example.com'])).toMatch(/^250 /);
    expect(relay.spool.messages).toHaveLength(1);
  });

  it('that never ends is cut off', async () => {
    await using relay = await perimeter({ messageSize: 100_000 });
    const client = await relay.client();
    await client.upToData();
    client.write('x'.repeat(500_000));
    expect(await client.reply()).toMatch(/^421 4\.3\.0 /);
  });

  it('that was here twice before, or has travelled too far, is a loop (G8)', async () => {
    await using relay = await perimeter();
    const client = await relay.client();
    const own = 'Received: from a.example by MX2.example.com (Bridgehead) with ESMTP id 1; x\r\n';
    expect(await client.mail(`${own}Subject: x\r\n\r\n`)).toMatch(/^250 /);
    expect(relay.spool.messages[0]?.message.origin.ownHops).toBe(1);
    expect(await client.mail(`${own}${own}Subject: x\r\n\r\n`, ['a@example.com', 'b@example.com'])).toMatch(/^554 5\.4\.6 /);
    expect(relay.records.map(({ event, recipient }) => [event, recipient])).toEqual([
      ['REJECT', 'a@example.com'],
      ['REJECT', 'b@example.com'],
    ]);
    const others = 'Received: from a.example by b.example; x\r\n';
    expect(await client.mail(`${others.repeat(29)}\r\n`)).toMatch(/^250 /);
    expect(await client.mail(`${others.repeat(30)}\r\n`)).toMatch(/^554 5\.4\.6 /);
  });

  it('whose client goes away before the end is forgotten', async () => {
    await using relay = await perimeter();
    const client = await relay.client();
    await client.upToData();
    const dropped = Promise.withResolvers<void>();
    relay.spool.writeWith = () => {
      client.socket.destroy();
      return undefined;
    };
    client.write('Subject: half\r\n');
    const watch = setInterval(() => relay.spool.discarded > 0 && dropped.resolve(), 5);
    await dropped.promise;
    clearInterval(watch);
    expect(relay.spool.messages).toHaveLength(0);
  });

  it('is not read faster than the spool takes it (P8)', async () => {
    await using relay = await perimeter({ messageSize: 50_000_000 });
    const client = await relay.client();
    await client.upToData();
    let go: (() => void) | undefined;
    let waiting = 0;
    let most = 0;
    relay.spool.writeWith = () => {
      waiting += 1;
      most = Math.max(most, waiting);
      return new Promise((resolve) => {
        go = () => {
          waiting -= 1;
          resolve();
        };
      });
    };
    const pump = setInterval(() => go?.(), 1);
    const line = `${'x'.repeat(998)}\r\n`;
    expect(await client.command(`${line.repeat(3000)}.`)).toMatch(/^250 /);
    clearInterval(pump);
    expect(most).toBeLessThanOrEqual(2);
    expect(relay.spool.messages[0]?.body.endsWith(line.repeat(3000))).toBe(true);
  });

  it('that cannot be written is answered with 451', async () => {
    await using relay = await perimeter();
    const client = await relay.client();
    relay.spool.writeWith = () => Promise.reject(new Error('EIO'));
    expect(await client.mail('Subject: x\r\n\r\n')).toMatch(/^451 4\.3\.0 /);
    relay.spool.writeWith = () => {
      throw new Error('EIO');
    };
    expect(await client.mail('Subject: x\r\n\r\n')).toMatch(/^451 4\.3\.0 /);
    relay.spool.writeWith = undefined;
    expect(await client.mail('Subject: x\r\n\r\n')).toMatch(/^250 /);
  });

  it('comes whole from many clients at once', async () => {
    await using relay = await perimeter();
    const bodies = Array.from({ length: 40 }, (_, i) => `Subject: ${i}\r\n\r\n${`line ${i}\r\n..\r\n`.repeat(i * 50)}`);
    await Promise.all(
      bodies.map(async (text) => {
        const client = await relay.client();
        expect(await client.mail(text)).toMatch(/^250 /);
        await client.command('QUIT');
      }),
    );
    const kept = relay.spool.messages.map(({ body }) => body.slice(body.indexOf('Subject: '))).sort();
    expect(kept).toEqual(bodies.sort());
  });
});

describe('a refusal in session', () => {
  it('leaves a REJECT record with what decided it', async () => {
    await using relay = await perimeter();
    relay.admit = () => ({
      reply: reply(550, '5.1.1', 'User unknown'),
      route: 'reject',
      reason: 'not in the directory',
      directoryVersion: 3,
    });
    const client = await relay.client();
    await client.command('EHLO client.example.net');
    await client.command('MAIL FROM:<>');
    expect(await client.command('RCPT TO:<Nobody@Example.com>')).toBe('550 5.1.1 User unknown');
    expect(relay.records).toEqual([
      {
        time: expect.any(String),
        event: 'REJECT',
        'session-id': expect.any(String),
        sender: '',
        recipient: 'Nobody@example.com',
        peer: 'external',
        client: { address: '127.0.0.1', name: 'client.example.net' },
        route: 'reject',
        reason: 'not in the directory',
        'directory-version': 3,
        reply: { code: 550, enhanced: '5.1.1', text: 'User unknown' },
        tls: { result: 'not-used' },
      },
    ]);
  });

  it('is recorded with the words of the client where they were no address', async () => {
    await using relay = await perimeter();
    const client = await relay.client();
    await client.command('EHLO client.example.net');
    await client.command('MAIL FROM:<a@example.net>');
    expect(await client.command('RCPT TO:<x%other.example@example.com>')).toMatch(/^550 5\.7\.1 /);
    expect(relay.queries).toHaveLength(0);
    expect(relay.records).toMatchObject([
      { event: 'REJECT', recipient: 'x%other.example@example.com', reply: { enhanced: '5.7.1' } },
    ]);
  });
});

it('keeps what the message says of its way before us, once a message and within bounds', async () => {
  await using relay = await perimeter();
  const client = await relay.client();
  await client.command('EHLO client.example.net');
  await client.mail(
    `Received: from a.example by b.example\r\n\tid 1; Sun, 22 Nov 2026 10:00:00 +0000\r\nReceived: from ${'x'.repeat(5000)}\r\nSubject: x\r\n\r\nReceived: in the body\r\n`,
    ['user@example.com', 'other@example.com'],
  );
  const [first, second] = relay.spool.messages[0]?.events ?? [];
  expect(first?.received?.[0]).toBe('Received: from a.example by b.example id 1; Sun, 22 Nov 2026 10:00:00 +0000');
  // the long one is not cut: without its end it could seem to say "no TLS"
  expect(first?.received).toHaveLength(1);
  expect(second?.received).toBeUndefined();
});
