import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { STORE_BEHIND } from '../../../../src/delivery/mail-exchange.ts';
import { type PeerScript, ScriptedPeer } from '../../../support/scripted-peer.ts';
import {
  bodyOf,
  connector,
  deliverOne,
  domain,
  MESSAGE,
  mailbox,
  recipients,
  SHORT,
  streamed,
  to,
  transaction,
  transport,
} from './setup.ts';

const KEYWORDS = ['PIPELINING', '8BITMIME', 'SMTPUTF8', 'DSN', 'SIZE 100000000'];
const without = (...words: string[]) => KEYWORDS.filter((keyword) => !words.includes(keyword));

describe('a transaction', () => {
  for (const keywords of [KEYWORDS, without('PIPELINING')]) {
    it(`is delivered, and its record names host, address and port (${keywords.length === 5 ? 'pipelined' : 'step by step'})`, async () => {
      await using peer = await ScriptedPeer.start({ keywords });
      await using relay = transport();
      const attempt = await deliverOne(relay, to(peer.port));
      expect(attempt).toMatchObject({
        outcome: { kind: 'relayed', reply: { code: 250, enhanced: '2.0.0', text: 'Ok: queued as TEST' } },
        remoteMta: { name: '127.0.0.1', address: '127.0.0.1', port: peer.port },
        dsnPassedOn: true,
        finalDelivery: false,
      });
      expect(peer.messages[0]?.wire.toString()).toBe(MESSAGE);
      expect(peer.commands).toEqual([
        'EHLO relay.test',
        `MAIL FROM:<sender@example.net> SIZE=${MESSAGE.length}`,
        'RCPT TO:<user@example.com> ORCPT=rfc822;user@example.com',
        'DATA',
      ]);
    });

    it(`gives each recipient its own answer (${keywords.length === 5 ? 'pipelined' : 'step by step'})`, async () => {
      const answers = ['250 Ok', '451 4.2.1 try later', '550 5.1.1 no such user', '251 2.1.5 will forward'];
      await using peer = await ScriptedPeer.start({ keywords, rcpt: () => answers.shift() });
      await using relay = transport();
      const to4 = recipients('a@example.com', 'b@example.com', 'c@example.com', 'd@example.com');
      const attempts = await relay.deliver(to(peer.port), domain('example.com'), transaction({ recipients: to4 }));
      expect(attempts.map(({ outcome }) => `${outcome.kind} ${outcome.reply.code} ${outcome.reply.enhanced}`)).toEqual([
        'relayed 250 2.0.0',
        'deferred 451 4.2.1',
        'failed 550 5.1.1',
        'relayed 250 2.0.0',
      ]);
      expect(peer.messages).toHaveLength(1);
      expect(peer.messages[0]?.rcpts.map((line) => /<(.)@/.exec(line)?.[1])).toEqual(['a', 'd']);
    });

    it(`goes on with the next message after a refused one (${keywords.length === 5 ? 'pipelined' : 'step by step'})`, async () => {
      await using peer = await ScriptedPeer.start({ keywords, rcpt: '550 5.1.1 no' });
      await using relay = transport();
      expect((await deliverOne(relay, to(peer.port))).outcome).toMatchObject({ kind: 'failed', cause: 'answer' });
      peer.script = { keywords, mail: '550 5.7.1 not you' };
      expect((await deliverOne(relay, to(peer.port))).outcome).toMatchObject({ kind: 'failed', reply: { enhanced: '5.7.1' } });
      peer.script = { keywords, data: '451 4.3.0 not now' };
      expect((await deliverOne(relay, to(peer.port))).outcome).toMatchObject({ kind: 'deferred', reply: { enhanced: '4.3.0' } });
      peer.script = { keywords };
      expect((await deliverOne(relay, to(peer.port))).outcome.kind).toBe('relayed');
      expect(peer.sessions).toHaveLength(1);
      expect(peer.messages).toHaveLength(1);
      expect(peer.commands.filter((command) => command === 'RSET')).toHaveLength(3);
    });
  }

  it('waits in front of its last octets until they may leave', async () => {
    await using peer = await ScriptedPeer.start();
    await using relay = transport();
    const held = Promise.withResolvers<void>();
    const asked = Promise.withResolvers<void>();
    const mayEnd = () => {
      asked.resolve();
      return held.promise;
    };
    const body = streamed([Buffer.from('Subject: long\r\n\r\n'), Buffer.from('one\r\n'), Buffer.from('two\r\n')]);
    const attempt = deliverOne(relay, to(peer.port), { body, mayEnd });
    await asked.promise;
    expect(peer.messages).toEqual([]);
    held.resolve();
    expect((await attempt).outcome.kind).toBe('relayed');
    expect(peer.messages[0]?.wire.toString()).toBe('Subject: long\r\n\r\none\r\ntwo\r\n');
  });

  it('is put off without its dot, and without blame for the next hop, where it had to wait there in vain', async () => {
    await using peer = await ScriptedPeer.start();
    await using relay = transport({ deadlines: SHORT });
    const held = Promise.withResolvers<void>();
    const attempt = await deliverOne(relay, to(peer.port), { mayEnd: () => held.promise });
    expect(attempt.outcome).toEqual({ kind: 'deferred', reply: STORE_BEHIND, cause: 'answer' });
    held.resolve();
    expect((await deliverOne(relay, to(peer.port))).outcome.kind).toBe('relayed');
    expect(peer.messages).toHaveLength(1);
  });

  it('sends nothing to a peer that takes DATA for refused recipients but the dot of an empty message', async () => {
    await using peer = await ScriptedPeer.start({ rcpt: '550 5.1.1 no', data: '354 go on anyway', dot: '554 5.5.1 nobody' });
    await using relay = transport();
    expect((await deliverOne(relay, to(peer.port))).outcome).toMatchObject({ kind: 'failed', reply: { enhanced: '5.1.1' } });
    expect(peer.messages).toEqual([]);
  });

  it('leaves a peer that takes DATA from a refused sender', async () => {
    await using peer = await ScriptedPeer.start({ mail: '550 5.7.1 no', data: '354 go on anyway' });
    await using relay = transport();
    expect((await deliverOne(relay, to(peer.port))).outcome).toMatchObject({ kind: 'failed', reply: { enhanced: '5.7.1' } });
    expect(peer.messages).toEqual([]);
  });

  it('C4: a 5xx at the end of DATA with several recipients is repeated once, one recipient a transaction', async () => {
    const rcpt: PeerScript['rcpt'] = (_peer, line) => (line.includes('<c@') ? '550 5.1.1 no such user' : '250 Ok');
    await using peer = await ScriptedPeer.start({ rcpt });
    let last = '';
    peer.script = {
      rcpt: (session, line) => {
        last = line;
        return typeof rcpt === 'function' ? rcpt(session, line) : rcpt;
      },
      dot: () => (last.includes('<d@') || last.includes('<b@') ? '550 5.7.509 not this one' : '250 2.0.0 Ok'),
    };
    await using relay = transport();
    const to4 = recipients('a@example.com', 'b@example.com', 'c@example.com', 'd@example.com');
    const attempts = await relay.deliver(to(peer.port), domain('example.com'), transaction({ recipients: to4 }));
    expect(attempts.map(({ outcome }) => `${outcome.kind} ${outcome.reply.enhanced}`)).toEqual([
      'relayed 2.0.0',
      'failed 5.7.509',
      'failed 5.1.1',
      'failed 5.7.509',
    ]);
    expect(peer.commands.filter((command) => command.startsWith('MAIL'))).toHaveLength(4);
    expect(peer.messages).toHaveLength(1);
  });
});

describe('the body', () => {
  const bodies: readonly [title: string, wire: Buffer][] = [
    ['stuffed dots', Buffer.from('Subject: x\r\n\r\n..\r\n...\r\n..a\r\n')],
    ['bare line feeds and carriage returns', Buffer.from('Subject: x\r\n\r\na\nb\rc\n\n\r\r\n')],
    ['8-bit octets and NUL', Buffer.from([...Buffer.from('X: y\r\n\r\n'), ...Array.from({ length: 256 }, (_, i) => i), 13, 10])],
    ['header only', Buffer.from('Subject: x\r\n')],
    ['a long line', Buffer.from(`X: y\r\n\r\n${'z'.repeat(300_000)}\r\n`)],
    ['1 MB', Buffer.from(`X: y\r\n\r\n${'0123456789\r\n'.repeat(90_000)}`)],
  ];
  for (const [title, wire] of bodies) {
    it(`arrives octet for octet: ${title}`, async () => {
      await using peer = await ScriptedPeer.start({});
      await using relay = transport();
      const pieces = Array.from({ length: Math.ceil(wire.length / 7_001) }, (_, i) => wire.subarray(i * 7_001, (i + 1) * 7_001));
      await deliverOne(relay, to(peer.port), { body: bodyOf(wire), eightBit: true });
      await deliverOne(relay, to(peer.port), { body: streamed(pieces), eightBit: true });
      await deliverOne(relay, to(peer.port), {
        body: streamed([...wire.subarray(0, 60)].map((octet) => Buffer.from([octet]))),
        eightBit: true,
      });
      expect(peer.messages[0]?.wire.equals(wire)).toBe(true);
      expect(peer.messages[1]?.wire.equals(wire)).toBe(true);
      expect(peer.messages[2]?.wire.subarray(0, Math.min(60, wire.length)).equals(wire.subarray(0, 60))).toBe(true);
    });
  }

  it('may be empty, and may lack the last line end', async () => {
    await using peer = await ScriptedPeer.start({});
    await using relay = transport();
    await deliverOne(relay, to(peer.port), { body: bodyOf('') });
    await deliverOne(relay, to(peer.port), { body: bodyOf('Subject: x') });
    await deliverOne(relay, to(peer.port), { body: streamed([Buffer.from('Subject: x\r')]) });
    expect(peer.messages.map(({ wire }) => wire.toString())).toEqual(['', 'Subject: x\r\n', 'Subject: x\r\r\n']);
  });

  for (const [title, body] of [
    ['ends short', streamed([Buffer.from('Subject: x\r\n\r\n')], 100)],
    ['is longer than was said', streamed([Buffer.from(MESSAGE), Buffer.from('more\r\n')], MESSAGE.length)],
    ['is in memory with another length', { ...bodyOf(MESSAGE), length: 10 }],
    [
      'fails to be read',
      {
        length: 1_000,
        async *chunks() {
          yield Buffer.from('Subject: x\r\n');
          throw new Error('EIO');
        },
      },
    ],
  ] as const) {
    it(`is never ended with a dot when it ${title}`, async () => {
      await using peer = await ScriptedPeer.start({});
      await using relay = transport();
      const { outcome } = await deliverOne(relay, to(peer.port), { body });
      expect(outcome).toMatchObject({ kind: 'deferred', reply: { code: 451, enhanced: '4.3.0' }, cause: 'answer' });
      expect(peer.messages).toEqual([]);
      await deliverOne(relay, to(peer.port));
      expect(peer.sessions).toHaveLength(2);
    });
  }
});

describe('what the hop offers', () => {
  it('gets DSN parameters, each recipient its own', async () => {
    await using peer = await ScriptedPeer.start({});
    await using relay = transport();
    const attempts = await relay.deliver(
      to(peer.port),
      domain('example.com'),
      transaction({
        sender: null,
        ret: 'HDRS',
        envid: 'QQ+1=2 é',
        recipients: [
          { address: mailbox('a@example.com'), notify: ['SUCCESS', 'FAILURE'], orcpt: 'rfc822;alias+tag@example.com' },
          { address: mailbox('b@example.com'), notify: ['NEVER'], orcpt: 'rfc822;b@example.com' },
        ],
      }),
    );
    expect(attempts.map(({ dsnPassedOn }) => dsnPassedOn)).toEqual([true, true]);
    expect(peer.commands.slice(1, 4)).toEqual([
      `MAIL FROM:<> SIZE=${MESSAGE.length} RET=HDRS ENVID=QQ+2B1+3D2+20+C3+A9`,
      'RCPT TO:<a@example.com> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;alias+2Btag@example.com',
      'RCPT TO:<b@example.com> NOTIFY=NEVER ORCPT=rfc822;b@example.com',
    ]);
  });

  it('gets none where it has no DSN, and the record says that success notices stay ours', async () => {
    await using peer = await ScriptedPeer.start({ keywords: without('DSN', 'SIZE 100000000') });
    await using relay = transport();
    const attempt = await deliverOne(relay, to(peer.port), { ret: 'FULL', envid: 'x', eightBit: true });
    expect(attempt.dsnPassedOn).toBe(false);
    expect(peer.commands.slice(1, 3)).toEqual(['MAIL FROM:<sender@example.net> BODY=8BITMIME', 'RCPT TO:<user@example.com>']);
  });

  it('C14: a message larger than its SIZE fails here with 552 5.3.4', async () => {
    await using peer = await ScriptedPeer.start({ keywords: ['SIZE 100'] });
    await using relay = transport();
    const { outcome } = await deliverOne(relay, to(peer.port), { size: 101 });
    expect(outcome).toMatchObject({ kind: 'failed', reply: { code: 552, enhanced: '5.3.4' } });
    expect((await deliverOne(relay, to(peer.port), { size: 100 })).outcome.kind).toBe('relayed');
    expect(peer.sessions).toHaveLength(1);
  });

  it('8-bit mail to a hop without 8BITMIME fails with 5.6.3, unchanged', async () => {
    await using peer = await ScriptedPeer.start({ keywords: without('8BITMIME') });
    await using relay = transport();
    expect((await deliverOne(relay, to(peer.port), { eightBit: true })).outcome).toMatchObject({
      kind: 'failed',
      reply: { enhanced: '5.6.3' },
    });
  });

  it('internationalised mail needs SMTPUTF8, else it fails with 5.6.7', async () => {
    await using peer = await ScriptedPeer.start({ keywords: without('SMTPUTF8') });
    await using relay = transport();
    const utf8 = { smtputf8: true, recipients: recipients('jürgen@example.com') };
    expect((await deliverOne(relay, to(peer.port), utf8)).outcome).toMatchObject({
      kind: 'failed',
      reply: { enhanced: '5.6.7' },
    });
    await using modern = await ScriptedPeer.start({});
    await deliverOne(relay, to(modern.port), utf8);
    expect(modern.commands[1]).toContain(' SMTPUTF8');
    expect(Buffer.from(modern.commands[2] ?? '', 'latin1').toString()).toContain('<jürgen@example.com>');
  });

  it('falls back to HELO where EHLO is refused', async () => {
    await using peer = await ScriptedPeer.start({ ehlo: '502 5.5.1 what' });
    await using relay = transport();
    const attempt = await deliverOne(relay, to(peer.port));
    expect(attempt).toMatchObject({ outcome: { kind: 'relayed' }, tls: { result: 'not-offered' } });
    expect(peer.commands.slice(0, 3)).toEqual(['EHLO relay.test', 'HELO relay.test', 'MAIL FROM:<sender@example.net>']);
  });
});

for (const ehlo of ['451 4.3.0 not now', 'hello there']) {
  it(`a hop that answers EHLO with ${ehlo} is tried again later, and not with HELO: 8-bit mail would fail there`, async () => {
    await using peer = await ScriptedPeer.start({ ehlo });
    await using relay = transport();
    const attempt = await deliverOne(relay, to(peer.port), { eightBit: true });
    expect(attempt.outcome).toMatchObject({ kind: 'deferred', reply: { code: 451 }, cause: 'connection' });
    expect(peer.commands).toEqual(['EHLO relay.test']);
  });
}

describe('LMTP', () => {
  const lmtp = (endpoint: { host: string; port: number } | { unix: string }) => connector({ kind: 'lmtp', endpoint });

  it('answers for each recipient after DATA, and delivers finally', async () => {
    await using peer = await ScriptedPeer.start({
      lmtp: true,
      rcpt: (_session, line) => (line.includes('<c@') ? '550 5.1.1 no' : '250 Ok'),
      dot: (_session, rcpt) => (rcpt.includes('<b@') ? '452 4.2.2 over quota' : '250 2.0.0 stored'),
    });
    await using relay = transport();
    const four = recipients('a@example.com', 'b@example.com', 'c@example.com', 'd@example.com');
    const attempts = await relay.deliver(
      lmtp({ host: '127.0.0.1', port: peer.port }),
      domain('example.com'),
      transaction({ recipients: four }),
    );
    expect(attempts.map(({ outcome }) => `${outcome.kind} ${outcome.reply.enhanced}`)).toEqual([
      'relayed 2.0.0',
      'deferred 4.2.2',
      'failed 5.1.1',
      'relayed 2.0.0',
    ]);
    expect(attempts.every(({ finalDelivery }) => finalDelivery)).toBe(true);
    expect(peer.commands[0]).toBe('LHLO relay.test');
  });

  it('survives that all are refused, and a 5xx for each at the end', async () => {
    await using peer = await ScriptedPeer.start({ lmtp: true, rcpt: '550 5.1.1 no' });
    await using relay = transport();
    const by = lmtp({ host: '127.0.0.1', port: peer.port });
    const two = recipients('a@example.com', 'b@example.com');
    const kinds = async () =>
      (await relay.deliver(by, domain('example.com'), transaction({ recipients: two }))).map(({ outcome }) => outcome.kind);
    expect(await kinds()).toEqual(['failed', 'failed']);
    peer.script = { lmtp: true, dot: '554 5.7.1 no' };
    expect(await kinds()).toEqual(['failed', 'failed']);
    peer.script = { lmtp: true };
    expect(await kinds()).toEqual(['relayed', 'relayed']);
    expect(peer.sessions).toHaveLength(1);
  });

  it('keeps the answers that came before the connection was lost', async () => {
    await using peer = await ScriptedPeer.start({
      lmtp: true,
      dot: (session, rcpt) => {
        if (!rcpt.includes('<b@')) return '250 2.0.0 stored';
        session.socket.destroySoon();
        return undefined;
      },
    });
    await using relay = transport();
    const two = recipients('a@example.com', 'b@example.com');
    const attempts = await relay.deliver(
      lmtp({ host: '127.0.0.1', port: peer.port }),
      domain('example.com'),
      transaction({ recipients: two }),
    );
    expect(attempts[0]?.outcome.kind).toBe('relayed');
    expect(attempts[1]?.outcome).toMatchObject({ kind: 'deferred', possibleDuplicate: true });
  });

  it('goes over a unix socket', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'bridgehead-'));
    {
      const unix = join(folder, 'lmtp');
      await using peer = await ScriptedPeer.start({ lmtp: true, unix });
      await using relay = transport();
      const attempt = await deliverOne(relay, lmtp({ unix }));
      expect(attempt).toMatchObject({ outcome: { kind: 'relayed' }, remoteMta: { name: unix }, tls: { result: 'not-tried' } });
      expect(peer.messages).toHaveLength(1);
    }
    await using relay = transport();
    expect((await deliverOne(relay, lmtp({ unix: join(folder, 'none') }))).outcome).toMatchObject({
      kind: 'deferred',
      reply: { enhanced: '4.4.1' },
    });
    await rm(folder, { recursive: true });
  });
});
