import { describe, expect, it } from 'vitest';
import { drop, hang, ScriptedPeer } from '../../../support/scripted-peer.ts';
import { deliverOne, mailbox, SHORT, to, transport } from './setup.ts';

describe('C3: asking the on-premises server before accepting', () => {
  for (const keywords of [['PIPELINING'], []]) {
    it(`knows and does not know, on one kept connection (${keywords[0] ?? 'step by step'})`, async () => {
      await using peer = await ScriptedPeer.start({
        keywords,
        rcpt: (_peer, line) => (line.includes('<known@') ? '250 2.1.5 Ok' : '550 5.1.1 User unknown'),
      });
      await using relay = transport();
      expect(await relay.verify(to(peer.port), mailbox('known@example.com'), 1_000)).toMatchObject({
        answer: 'known',
        reply: { code: 250 },
      });
      expect(await relay.verify(to(peer.port), mailbox('who@example.com'), 1_000)).toMatchObject({
        answer: 'unknown',
        reply: { enhanced: '5.1.1' },
      });
      expect(peer.sessions).toHaveLength(1);
      expect(peer.commands.filter((command) => command.startsWith('MAIL'))).toEqual(['MAIL FROM:<>', 'MAIL FROM:<>']);
      expect(peer.commands).not.toContain('DATA');
      expect(
        (await deliverOne(relay, to(peer.port), { recipients: [{ address: mailbox('known@example.com'), orcpt: 'x' }] })).outcome
          .kind,
      ).toBe('relayed');
      expect(peer.sessions).toHaveLength(1);
    });
  }

  it('remembers: the known for an hour, the unknown for five minutes; those who ask at once share the question', async () => {
    let ahead = 0;
    const clock = { now: () => Date.now(), monotonic: () => performance.now() + ahead };
    await using peer = await ScriptedPeer.start({
      rcpt: (_peer, line) => (line.includes('<known@') ? '250 Ok' : '550 5.1.1 no'),
    });
    await using relay = transport({ clock, pool: { idle: 1e9, age: 1e9 } });
    const by = to(peer.port);
    const asked = () => peer.commands.filter((command) => command.startsWith('RCPT')).length;
    const ask = async (name: string) => relay.verify(by, mailbox(`${name}@example.com`), 1_000);
    await Promise.all([ask('known'), ask('KNOWN'), ask('who')]);
    expect(asked()).toBe(2);
    await Promise.all([ask('known'), ask('who')]);
    expect(asked()).toBe(2);
    ahead += 300_001;
    await Promise.all([ask('known'), ask('who')]);
    expect(asked()).toBe(3);
    ahead += 3_300_000;
    await ask('known');
    expect(asked()).toBe(4);
  });

  for (const [title, script] of [
    ['refuses the null sender', { mail: '550 5.7.1 no null sender here' }],
    ['defers the recipient', { rcpt: '450 4.2.1 greylisted' }],
    ['refuses by policy', { rcpt: '550 5.7.1 not from you' }],
    ['drops the connection', { rcpt: drop }],
    ['is closing', { mail: '421 4.3.2 bye' }],
    ['is silent', { rcpt: hang }],
    ['does not greet', { greeting: hang }],
  ] as const) {
    it(`is unavailable, in time, when the server ${title}`, async () => {
      await using peer = await ScriptedPeer.start(script);
      await using relay = transport({ deadlines: { ...SHORT, greeting: 60_000, rcpt: 60_000 } });
      const started = performance.now();
      expect((await relay.verify(to(peer.port), mailbox('a@example.com'), 100)).answer).toBe('unavailable');
      expect(performance.now() - started).toBeLessThan(1_000);
    });
  }

  it('asks on a fresh connection when the kept one has died', async () => {
    await using peer = await ScriptedPeer.start();
    await using relay = transport();
    await deliverOne(relay, to(peer.port));
    let first = true;
    peer.script = {
      mail: (session, line) => {
        if (!first) return '250 Ok';
        first = false;
        return typeof drop === 'function' ? drop(session, line) : undefined;
      },
    };
    expect((await relay.verify(to(peer.port), mailbox('a@example.com'), 1_000)).answer).toBe('known');
    expect(peer.sessions).toHaveLength(2);
  });

  it('asks no more than a few at once', async () => {
    await using peer = await ScriptedPeer.start({ rcpt: hang });
    await using relay = transport({ deadlines: SHORT, callForward: { atOnce: 2 } });
    const answers = await Promise.all(
      ['a', 'b', 'c'].map(async (name) => relay.verify(to(peer.port), mailbox(`${name}@example.com`), 100)),
    );
    expect(answers.map(({ reply }) => reply.enhanced)).toEqual(['4.4.2', '4.4.2', '4.3.2']);
  });
});
