import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DotStuffer, parseBdat } from '../../../src/reception/chunks.ts';
import { type Client, type Perimeter, perimeter } from './perimeter.ts';

async function begun(relay: Perimeter): Promise<Client> {
  const client = await relay.client();
  await client.command('EHLO client.example.net');
  await client.command('MAIL FROM:<sender@example.net>');
  await client.command('RCPT TO:<user@example.com>');
  return client;
}

async function say(client: Client, text: string): Promise<string> {
  client.write(text);
  return client.reply();
}

/** What stands behind our own field, in wire form. */
const bodyOf = (relay: Perimeter): string | undefined =>
  relay.spool.messages[0]?.body.replace(/^Received:(?:.*\r\n)(?:[ \t].*\r\n)*/, '');

describe('BDAT (RFC 3030)', () => {
  it('is offered as CHUNKING, without BINARYMIME', async () => {
    await using relay = await perimeter();
    const client = await relay.client();
    const ehlo = await client.command('EHLO client.example.net');
    expect(ehlo).toContain('CHUNKING');
    expect(ehlo).not.toContain('BINARYMIME');
  });

  it('takes a message in one chunk', async () => {
    await using relay = await perimeter();
    const client = await begun(relay);
    expect(await say(client, 'BDAT 20 LAST\r\nSubject: x\r\n\r\nhello\r\n'.replace('20', '21'))).toMatch(
      /^250 2\.0\.0 Queued as /,
    );
    expect(bodyOf(relay)).toBe('Subject: x\r\n\r\nhello\r\n');
  });

  it('takes a message in many chunks, answering each, and ends it with an empty last one', async () => {
    await using relay = await perimeter();
    const client = await begun(relay);
    expect(await say(client, 'BDAT 12\r\nSubject: x\r\n')).toBe('250 2.0.0 12 octets received');
    expect(await say(client, 'BDAT 4\r\n\r\nhe')).toBe('250 2.0.0 4 octets received');
    expect(await say(client, 'BDAT 5\r\nllo\r\n')).toBe('250 2.0.0 5 octets received');
    expect(await say(client, 'BDAT 0 LAST\r\n')).toMatch(/^250 2\.0\.0 Queued as /);
    expect(bodyOf(relay)).toBe('Subject: x\r\n\r\nhello\r\n');
    expect(await client.command('MAIL FROM:<again@example.net>')).toMatch(/^250/);
  });

  it('does not take a line with a dot for the end: one message in is one message out', async () => {
    await using relay = await perimeter();
    const client = await begun(relay);
    const text = '\r\na\r\n.\r\nMAIL FROM:<evil@example.net>\r\n.x\r\n..\r\n';
    expect(await say(client, `BDAT ${text.length} LAST\r\n${text}`)).toMatch(/^250 2\.0\.0 Queued/);
    expect(relay.spool.messages).toHaveLength(1);
    expect(bodyOf(relay)).toBe('\r\na\r\n..\r\nMAIL FROM:<evil@example.net>\r\n..x\r\n...\r\n');
    expect(relay.spool.messages[0]?.message.size).toBe((relay.spool.messages[0]?.body.length ?? 0) - 3);
  });

  it('ends a last line that the client left open', async () => {
    await using relay = await perimeter();
    const client = await begun(relay);
    expect(await say(client, 'BDAT 6 LAST\r\n\r\nopen')).toMatch(/^250 2\.0\.0 Queued/);
    expect(bodyOf(relay)).toBe('\r\nopen\r\n');
  });

  it('takes commands and chunks that come together, octet by octet or at once (PIPELINING)', async () => {
    for (const cut of [1, 7, 1000]) {
      await using relay = await perimeter();
      const client = await relay.client();
      const all =
        'EHLO c.example\r\nMAIL FROM:<s@example.net>\r\nRCPT TO:<u@example.com>\r\nBDAT 5\r\n\r\n.a\rBDAT 4 LAST\r\n\n.b\n'.replace(
          '.a\rBDAT 4 LAST\r\n\n.b\n',
          '.a\rBDAT 5 LAST\r\n\n.b\r\n',
        ) + 'NOOP\r\n';
      for (let at = 0; at < all.length; at += cut) client.write(all.slice(at, at + cut));
      await client.reply();
      await client.reply();
      await client.reply();
      expect(await client.reply()).toBe('250 2.0.0 5 octets received');
      expect(await client.reply()).toMatch(/^250 2\.0\.0 Queued/);
      expect(await client.reply()).toBe('250 2.0.0 OK');
      expect(bodyOf(relay)).toBe('\r\n..a\r\n..b\r\n');
    }
  });

  it('reads the octets of a chunk that it refuses: they are no commands', async () => {
    await using relay = await perimeter();
    const client = await relay.client();
    await client.command('EHLO client.example.net');
    expect(await say(client, 'BDAT 6 LAST\r\nNOOP\r\n')).toBe('503 5.5.1 Need MAIL command');
    await client.command('MAIL FROM:<sender@example.net>');
    expect(await say(client, 'BDAT 6\r\nNOOP\r\n')).toBe('503 5.5.1 No valid recipients');
    expect(await client.command('NOOP')).toBe('250 2.0.0 OK');
  });

  it('closes where it cannot know how many octets follow', async () => {
    for (const wrong of [
      'BDAT',
      'BDAT x',
      'BDAT -1',
      'BDAT 5 FIRST',
      'BDAT 5  LAST',
      'BDAT 99999999999999999999 LAST',
      'BDAT 0x10',
    ]) {
      await using relay = await perimeter();
      const client = await begun(relay);
      expect(await say(client, `${wrong}\r\n`)).toBe('501 5.5.4 Syntax: BDAT octets [LAST]; closing connection');
      expect(await client.reply()).toBe('');
    }
  });

  it('mixes with nothing: DATA and RCPT wait for the end or for RSET', async () => {
    await using relay = await perimeter();
    const client = await begun(relay);
    await say(client, 'BDAT 3\r\nab\n');
    expect(await client.command('DATA')).toMatch(/^503 5\.5\.1/);
    expect(await client.command('RCPT TO:<other@example.com>')).toMatch(/^503 5\.5\.1/);
    expect(await client.command('MAIL FROM:<x@example.net>')).toMatch(/^503 5\.5\.1/);
    expect(await client.command('RSET')).toMatch(/^250/);
    expect(relay.spool.discarded).toBe(1);
    expect(await client.mail('Subject: y\r\n\r\nwhole\r\n')).toMatch(/^250 2\.0\.0 Queued/);
    expect(bodyOf(relay)).toBe('Subject: y\r\n\r\nwhole\r\n');
  });

  it('refuses bare line ends as DATA does, and mends them where the settings say so (P2)', async () => {
    await using relay = await perimeter();
    const client = await begun(relay);
    expect(await say(client, 'BDAT 8 LAST\r\n\r\na\n.\nb\n'.replace(' 8 ', ' 8 '))).toMatch(/^550 5\.6\.11/);
    await using mending = await perimeter({ bareLineEnds: 'normalise' });
    const other = await begun(mending);
    expect(await say(other, 'BDAT 8 LAST\r\n\r\na\n.\nb\n')).toMatch(/^250 2\.0\.0 Queued/);
    expect(bodyOf(mending)).toBe('\r\na\r\n..\r\nb\r\n');
  });

  it('holds to the size limit, and does not read for ever', async () => {
    await using relay = await perimeter({ messageSize: 1000 });
    const client = await begun(relay);
    const big = 'x'.repeat(998);
    expect(await say(client, `BDAT 1000\r\n${big}\r\n`)).toMatch(/^250/);
    expect(await say(client, `BDAT 1000 LAST\r\n${big}\r\n`)).toMatch(/^552 5\.3\.4/);
    expect(relay.spool.messages).toHaveLength(0);
    await begun(relay);
    expect(await say(await begun(relay), 'BDAT 4001\r\n')).toMatch(/^421 4\.3\.0/);
    const slow = await begun(relay);
    for (let i = 0; i < 3; i++) await say(slow, `BDAT 1000\r\n${big}\r\n`);
    expect(await say(slow, `BDAT 1500\r\n${big}${big.slice(0, 500)}\r\n`)).toMatch(/^421 4\.3\.0/);
  });

  it('waits for the disk before the answer to a chunk', async () => {
    await using relay = await perimeter();
    const client = await begun(relay);
    let written = (): void => {};
    relay.spool.writeWith = () =>
      new Promise((resolve) => {
        written = resolve;
      });
    client.write('BDAT 4\r\n\r\na\r');
    client.write('BDAT 3 LAST\r\n\nb\n'.replace('\nb\n', '\n\r\n'));
    while (relay.queries.length === 0) await new Promise(setImmediate);
    for (let turns = 0; turns < 50; turns++) {
      await new Promise((resolve) => setTimeout(resolve, 2));
      written();
    }
    expect(await client.reply()).toBe('250 2.0.0 4 octets received');
    expect(await client.reply()).toMatch(/^250 2\.0\.0 Queued/);
  });
});

describe('parseBdat', () => {
  it('takes any case', () => {
    expect(parseBdat('bdat 7 last')).toEqual({ octets: 7, last: true });
    expect(parseBdat('BDAT 0')).toEqual({ octets: 0, last: false });
  });
});

describe('DotStuffer', () => {
  it('stuffs the same whatever way the octets are cut', () => {
    const octet = fc.constantFrom('\r', '\n', '.', 'a');
    expect(() =>
      fc.assert(
        fc.property(fc.array(octet, { maxLength: 40 }), fc.array(fc.nat(5), { maxLength: 40 }), (octets, cuts) => {
          const text = octets.join('');
          const stuffer = new DotStuffer();
          let out = '';
          let at = 0;
          for (const cut of cuts) {
            out += stuffer.take(Buffer.from(text.slice(at, at + cut), 'latin1')).toString('latin1');
            at += cut;
          }
          out += stuffer.take(Buffer.from(text.slice(at), 'latin1')).toString('latin1');
          const whole = `\r\n${text}`.replaceAll('\r\n.', '\r\n..').slice(2);
          const ended = `\r\n${text}`.endsWith('\r\n');
          return out + stuffer.end(false).toString() === `${whole}${ended ? '' : '\r\n'}.\r\n`;
        }),
        { numRuns: 5000 },
      ),
    ).not.toThrow();
  });
});
