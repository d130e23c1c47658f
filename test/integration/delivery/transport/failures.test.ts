import { describe, expect, it } from 'vitest';
import { drop, hang, type PeerScript, type Reaction, ScriptedPeer } from '../../../support/scripted-peer.ts';
import { bodyOf, connector, deliverOne, domain, recipients, SHORT, streamed, to, transaction, transport } from './setup.ts';

type Point = 'greeting' | 'ehlo' | 'mail' | 'rcpt' | 'data' | 'dot';

/** Mail to a peer that does this at one point of its dialogue. */
async function at(point: Point, reaction: Reaction, more: PeerScript = {}) {
  await using peer = await ScriptedPeer.start({ ...more, [point]: reaction });
  await using relay = transport({ deadlines: SHORT });
  const attempt = await deliverOne(relay, to(peer.port));
  return { ...attempt, messages: peer.messages.length, sessions: peer.sessions.length };
}

describe('a connection that is lost', () => {
  for (const [point, cause] of [
    ['greeting', 'connection'],
    ['ehlo', 'connection'],
    ['mail', 'connection'],
    ['rcpt', 'answer'],
    ['data', 'answer'],
  ] as const) {
    for (const keywords of [['PIPELINING'], []]) {
      it(`at ${point} defers, and is no duplicate (${keywords[0] ?? 'step by step'})`, async () => {
        const { outcome, sessions } = await at(point, drop, { keywords });
        expect(outcome).toMatchObject({ kind: 'deferred', reply: { code: 451, enhanced: '4.4.2' }, cause });
        expect(outcome).not.toHaveProperty('possibleDuplicate');
        expect(sessions).toBe(1);
      });
    }
  }

  it('in the middle of the message defers, and is no duplicate', async () => {
    await using peer = await ScriptedPeer.start({ bodyChunk: ({ socket }) => socket.destroy() });
    await using relay = transport({ deadlines: SHORT });
    const body = streamed(Array.from({ length: 400 }, () => Buffer.from(`${'x'.repeat(65_534)}\r\n`)));
    const { outcome } = await deliverOne(relay, to(peer.port), { body, size: 10 });
    expect(outcome).toMatchObject({ kind: 'deferred', reply: { enhanced: '4.4.2' }, cause: 'answer' });
    expect(outcome).not.toHaveProperty('possibleDuplicate');
  });

  it('R13: behind the final dot defers as a possible duplicate', async () => {
    const { outcome } = await at('dot', drop);
    expect(outcome).toMatchObject({ kind: 'deferred', reply: { code: 451, enhanced: '4.4.2' }, possibleDuplicate: true });
    expect(outcome.reply.text).toContain('after the final dot');
  });

  it('R13: and so does silence behind the final dot', async () => {
    const { outcome } = await at('dot', hang);
    expect(outcome).toMatchObject({ kind: 'deferred', reply: { enhanced: '4.4.2' }, possibleDuplicate: true });
  });

  it('R13: a recipient that was refused before keeps its answer', async () => {
    await using peer = await ScriptedPeer.start({
      dot: drop,
      rcpt: (_peer, line) => (line.includes('<b@') ? '550 5.1.1 no' : '250 Ok'),
    });
    await using relay = transport();
    const two = recipients('a@example.com', 'b@example.com');
    const [a, b] = await relay.deliver(to(peer.port), domain('example.com'), transaction({ recipients: two }));
    expect(a?.outcome).toMatchObject({ kind: 'deferred', possibleDuplicate: true });
    expect(b?.outcome).toMatchObject({ kind: 'failed', reply: { enhanced: '5.1.1' } });
  });
});

describe('silence', () => {
  for (const point of ['greeting', 'ehlo', 'mail', 'rcpt', 'data'] as const) {
    it(`at ${point} ends at its own deadline`, async () => {
      const { outcome } = await at(point, hang);
      expect(outcome).toMatchObject({ kind: 'deferred', reply: { code: 451, enhanced: '4.4.2' } });
      expect(outcome.reply.text).toContain('127.0.0.1 did not answer in time');
    });
  }

  it('in the middle of the message, when the peer reads no more, ends at the deadline of a block', async () => {
    await using peer = await ScriptedPeer.start({ bodyChunk: ({ socket }) => socket.pause() });
    await using relay = transport({ deadlines: SHORT });
    const { outcome } = await deliverOne(relay, to(peer.port), { body: bodyOf(Buffer.alloc(20_000_000, 'x\r\n')), size: 10 });
    expect(outcome).toMatchObject({ kind: 'deferred', reply: { enhanced: '4.4.2' } });
    expect(outcome).not.toHaveProperty('possibleDuplicate');
  });

  it('broken by a line now and then ends at the deadline of the whole transaction', async () => {
    let timer: NodeJS.Timeout | undefined;
    await using peer = await ScriptedPeer.start({
      rcpt: (session) => {
        timer = setInterval(() => session.write('250-still thinking\r\n'), 10);
        return undefined;
      },
    });
    await using relay = transport({ deadlines: { ...SHORT, rcpt: 60_000, transaction: 150 } });
    const { outcome } = await deliverOne(relay, to(peer.port));
    clearInterval(timer);
    expect(outcome).toMatchObject({ kind: 'deferred', reply: { enhanced: '4.4.2' } });
  });
});

describe('an answer', () => {
  for (const greeting of ['554 5.3.2 no mail here', '421 4.3.2 busy', '450 4.7.1 greylisted']) {
    it(`of ${greeting.slice(0, 3)} in the greeting defers with the peer's own words, as a fault of the way`, async () => {
      const { outcome } = await at('greeting', greeting);
      expect(outcome).toMatchObject({ kind: 'deferred', reply: { code: Number(greeting.slice(0, 3)) }, cause: 'connection' });
      expect(outcome.reply.text).toBe(greeting.slice(10));
    });
  }

  for (const [point, reply, expected] of [
    ['mail', '451 4.7.500 server busy', { kind: 'deferred', cause: 'answer' }],
    ['mail', '550 5.7.68 not you', { kind: 'failed', cause: 'answer' }],
    ['rcpt', '450 4.2.1 greylisted', { kind: 'deferred', cause: 'answer' }],
    ['data', '550 5.7.1 no', { kind: 'failed', cause: 'answer' }],
    ['dot', '452 4.3.1 full', { kind: 'deferred', cause: 'answer' }],
    ['dot', '552 5.3.4 too big', { kind: 'failed', cause: 'answer' }],
    ['mail', '421 4.3.2 shutting down', { kind: 'deferred', cause: 'connection' }],
    ['rcpt', '421 4.3.2 shutting down', { kind: 'deferred', cause: 'connection' }],
    ['data', '421 4.3.2 shutting down', { kind: 'deferred', cause: 'connection' }],
    ['dot', '421 4.3.2 shutting down', { kind: 'deferred', cause: 'connection' }],
  ] as const) {
    it(`of ${reply.slice(0, 3)} at ${point} is the outcome`, async () => {
      const { outcome, messages } = await at(point, reply);
      expect(outcome).toMatchObject({ ...expected, reply: { code: Number(reply.slice(0, 3)), enhanced: reply.split(' ')[1] } });
      expect(outcome).not.toHaveProperty('possibleDuplicate');
      expect(messages).toBe(0);
    });
  }

  it('before the end of the message is final when it refuses, and the connection is not used again', async () => {
    let said = false;
    await using peer = await ScriptedPeer.start({
      bodyChunk: (session) => {
        if (!said) session.write('552 5.3.4 too big\r\n');
        said = true;
      },
    });
    await using relay = transport({ deadlines: SHORT });
    const body = streamed(Array.from({ length: 400 }, () => Buffer.from(`${'x'.repeat(65_534)}\r\n`)));
    const { outcome } = await deliverOne(relay, to(peer.port), { body, size: 10 });
    expect(outcome).toMatchObject({ kind: 'failed', reply: { code: 552, enhanced: '5.3.4' } });
    await deliverOne(relay, to(peer.port));
    expect(peer.sessions).toHaveLength(2);
  });

  for (const [title, reply] of [
    ['that is none', 'hello there'],
    ['with a code that none has', '777 7.7.7 lucky'],
    ['out of place', '354 go on'],
    ['of 1 MB', `250-${'x'.repeat(1_000_000)}\r\n250 Ok`],
    ['of 1 MB in one line', `250 ${'x'.repeat(1_000_000)}`],
    ['that never ends', `${'250-more\r\n'.repeat(20_000)}250-more`],
  ] as const) {
    it(`${title} defers, and the connection is not used again`, async () => {
      for (const point of ['rcpt', 'dot'] as const) {
        const { outcome } = await at(point, reply);
        expect(outcome.kind).toBe('deferred');
        expect(outcome.reply.text.length).toBeLessThan(513);
      }
    });
    it(`${title} to EHLO defers`, async () => {
      const { outcome } = await at('ehlo', reply, { helo: reply });
      expect(outcome.kind).toBe('deferred');
    });
  }

  it('in several lines is read as one, with its status, as UTF-8', async () => {
    const { outcome } = await at('dot', Buffer.from('550-5.7.1 Ihre Nachricht\r\n550 5.7.1 ist zu groß').toString('latin1'));
    expect(outcome.reply).toEqual({ code: 550, enhanced: '5.7.1', text: 'Ihre Nachricht ist zu groß' });
  });

  for (const keywords of [['PIPELINING'], []]) {
    for (const [point, answer] of [
      ['mail', '250 2.1.0 Ok\r\n250 2.1.0 Ok'],
      ['rcpt', '250 2.1.5 Ok\r\n250 2.1.5 Ok'],
      ['data', '354 Go on\r\n250 2.0.0 Ok'],
    ] as const) {
      it(`too many at ${point} confirms no message that was refused behind it (${keywords[0] ?? 'step by step'})`, async () => {
        const { outcome, messages } = await at(point, answer, { keywords, dot: '451 4.3.0 not now' });
        expect(outcome).toMatchObject({ kind: 'deferred', reply: { code: 451, enhanced: '4.5.0' } });
        expect(outcome).not.toHaveProperty('possibleDuplicate');
        expect(messages).toBe(0);
      });
    }
  }

  it('of 250 to DATA is none: the message stays here', async () => {
    const { outcome, messages } = await at('data', '250 2.0.0 Ok');
    expect(outcome).toMatchObject({ kind: 'deferred', reply: { enhanced: '4.5.0' } });
    expect(messages).toBe(0);
  });

  it('that nobody asked for ends the kept connection, and the next message takes a fresh one', async () => {
    await using peer = await ScriptedPeer.start({ dot: '250 2.0.0 Ok\r\n250 2.0.0 Ok once more' });
    await using relay = transport();
    expect((await deliverOne(relay, to(peer.port))).outcome.kind).toBe('relayed');
    expect((await deliverOne(relay, to(peer.port))).outcome.kind).toBe('relayed');
    expect(peer.sessions).toHaveLength(2);
  });
});

describe('a host that takes no connection', () => {
  it('defers, and the reply names it', async () => {
    const peer = await ScriptedPeer.start();
    await peer[Symbol.asyncDispose]();
    await using relay = transport();
    const attempt = await deliverOne(relay, to(peer.port));
    expect(attempt).toMatchObject({
      outcome: {
        kind: 'deferred',
        reply: { code: 451, enhanced: '4.4.1', text: `connection to 127.0.0.1:${peer.port} refused` },
        cause: 'connection',
      },
      remoteMta: { name: '127.0.0.1', port: peer.port },
      tls: { result: 'not-tried' },
    });
  });

  it('says so when the source address of the connector is not ours', async () => {
    await using peer = await ScriptedPeer.start();
    await using relay = transport();
    const { outcome } = await deliverOne(relay, to(peer.port, {}, { sourceAddress: '192.0.2.1' }));
    expect(outcome).toMatchObject({ kind: 'deferred', reply: { enhanced: '4.3.5' } });
  });

  it('is skipped for the next smart host, and asked last for a while', async () => {
    const dead = await ScriptedPeer.start();
    await dead[Symbol.asyncDispose]();
    await using peer = await ScriptedPeer.start();
    await using relay = transport();
    const hosts = [dead.port, peer.port].map((port) => ({ host: '127.0.0.1', port }));
    const by = connector({ kind: 'smart-hosts', hosts, order: 'failover' });
    for (let i = 0; i < 3; i++)
      expect(await deliverOne(relay, by)).toMatchObject({ outcome: { kind: 'relayed' }, remoteMta: { port: peer.port } });
    await using back = await ScriptedPeer.start({}, dead.port);
    await deliverOne(relay, by);
    expect(back.messages).toHaveLength(0);
  });

  it('is not needed for smart hosts in balance to take turns', async () => {
    await using one = await ScriptedPeer.start();
    await using two = await ScriptedPeer.start();
    await using relay = transport();
    const hosts = [one.port, two.port].map((port) => ({ host: '127.0.0.1', port }));
    const by = connector({ kind: 'smart-hosts', hosts, order: 'balance' });
    for (let i = 0; i < 6; i++) await deliverOne(relay, by);
    expect([one.messages.length, two.messages.length]).toEqual([3, 3]);
  });
});
