/** The faults of next hops (reliability of delivery, R12, R13): each a script for a peer that takes every other message. */
import { expired, otherName, selfSigned, signed, signedRsa } from '../support/certificates.ts';
import { drop, hang, type PeerScript, type PeerSession, type Reaction } from '../support/scripted-peer.ts';
import type { End } from './fates.ts';

/** Counts a fault: it strikes so often, then the peer is a friendly one. */
export class Strikes {
  readonly most: number;
  /** The relay has its real deadlines: minutes, not seconds. */
  readonly patient: boolean;
  count = 0;

  constructor(most: number, patient: boolean) {
    this.most = most;
    this.patient = patient;
  }

  next(): boolean {
    if (this.count >= this.most) return false;
    this.count += 1;
    return true;
  }
}

export interface Fault {
  readonly name: string;
  /** The peer's script; `strikes.next()` says whether the fault strikes now. */
  readonly script: (strikes: Strikes) => PeerScript;
  /** How often: as often as the form says (5 short, 100 long), so often, or without end. */
  readonly strikes?: 'each' | 'always' | number;
  /** Nobody listens at first, or somebody who never takes the connection. */
  readonly down?: 'refused' | 'blackhole';
  /** How it ends; by the local part where recipients fare differently. Default: all relayed. */
  readonly ends?: End | Readonly<Record<string, End>>;
  /** Local parts; default `a` and `b`. */
  readonly to?: readonly string[];
  readonly size?: number;
  /** Messages; default by the form. */
  readonly messages?: number;
  readonly sevenBit?: true;
  readonly tls?: string;
  /** The `tls.result` that the record of a delivery must name. */
  readonly recorded?: string;
  readonly protocol?: 'lmtp';
  /** The hop keeps messages of which we never hear: a copy each is admitted (RFC 1047). */
  readonly copies?: true;
  /** What the record of a deferral or failure must contain. */
  readonly says?: RegExp;
}

type Stage = 'greeting' | 'ehlo' | 'mail' | 'rcpt' | 'data' | 'dot';
const STAGES: readonly Stage[] = ['greeting', 'ehlo', 'mail', 'rcpt', 'data', 'dot'];
const KEYWORDS = ['PIPELINING', '8BITMIME', 'SMTPUTF8', 'DSN', 'SIZE 100000000', 'ENHANCEDSTATUSCODES'];
const ehlo = (keywords: readonly string[]) =>
  ['mx.test', ...keywords].map((word, i) => `250${i === keywords.length ? ' ' : '-'}${word}`).join('\r\n');
const USUAL: Readonly<Record<Stage, string>> = {
  greeting: '220 mx.test ESMTP',
  ehlo: ehlo(KEYWORDS),
  mail: '250 2.1.0 Ok',
  rcpt: '250 2.1.5 Ok',
  data: '354 Go on',
  dot: '250 2.0.0 Ok: queued',
};

/** At one point of the dialogue, as often as it strikes. */
const at =
  (stage: Stage, reaction: Reaction, more: PeerScript = {}) =>
  (strikes: Strikes): PeerScript => ({
    ...more,
    [stage]: (peer: PeerSession, line: string) => {
      if (!strikes.next()) return USUAL[stage];
      return typeof reaction === 'function' ? reaction(peer, line) : reaction;
    },
  });

/** From here on this peer says everything an octet at a time. */
const drips =
  (everyMs: number): Reaction =>
  (peer) => {
    const { socket } = peer;
    let unsaid = '';
    const timer = setInterval(() => {
      if (!socket.destroyed && unsaid !== '') socket.write(unsaid.charAt(0), 'latin1');
      unsaid = unsaid.slice(1);
    }, everyMs);
    socket.once('close', () => clearInterval(timer));
    peer.write = (text) => {
      unsaid += text;
    };
    return USUAL.greeting;
  };

/** Lines of one reply that never ends, now and then. */
const tarpit: Reaction = (peer) => {
  const timer = setInterval(() => {
    peer.write('250-still thinking\r\n');
    if (peer.socket.destroyed) clearInterval(timer);
  }, 100);
  return undefined;
};

const localPart = (line: string) => /<([^@>]*)@/.exec(line)?.[1] ?? '';
const name = (stage: Stage) =>
  ({ greeting: 'connect', ehlo: 'EHLO', mail: 'MAIL', rcpt: 'RCPT', data: 'DATA', dot: 'the dot' })[stage];
const LARGE = 3_000_000;

/** Greylisting by message and recipient: put off until some time after it was first seen. */
function greylist(forMs: number): Reaction {
  const seen = new Map<string, number>();
  return (peer, line) => {
    const key = `${peer.commands.findLast((command) => command.startsWith('MAIL'))} ${line}`;
    const first = seen.get(key) ?? Date.now();
    seen.set(key, first);
    return Date.now() - first < forMs ? '451 4.7.1 Greylisted, come back later' : USUAL.rcpt;
  };
}

/** Each recipient of each message has its own luck, and it changes. */
function moody(): Reaction {
  let turn = 0;
  const answers = [USUAL.rcpt, '450 4.2.1 Busy', USUAL.rcpt, '452 4.2.2 Full', '451 4.3.0 Not now', USUAL.rcpt, '450 4.2.0 Hm'];
  return () => answers[turn++ % answers.length];
}

const lost: Fault[] = [
  ...(['greeting', 'ehlo', 'mail', 'rcpt', 'data'] as const).map(
    (stage): Fault => ({ name: `drop at ${name(stage)}`, script: at(stage, drop), strikes: 'each', says: /4\.4\.2/ }),
  ),
  {
    name: 'drop in the middle of DATA',
    script: (strikes) => ({
      bodyChunk: ({ socket }, soFar) => {
        if (soFar > 100_000 && !socket.destroyed && strikes.next()) socket.destroy();
      },
    }),
    strikes: 'each',
    size: LARGE,
    messages: 2,
  },
  {
    name: 'drop behind the dot, message kept',
    script: at('dot', drop),
    strikes: 'each',
    copies: true,
    says: /after the final dot/,
  },
  {
    name: 'silence behind the dot, message kept',
    script: at('dot', hang),
    strikes: 4,
    copies: true,
    says: /after the final dot/,
  },
];

const silent: Fault[] = [
  ...(['greeting', 'ehlo', 'mail', 'rcpt', 'data'] as const).map(
    (stage): Fault => ({
      name: `silence at ${name(stage)}`,
      script: at(stage, hang),
      strikes: 4,
      says: /did not answer in time/,
    }),
  ),
  {
    name: 'reads no more in DATA',
    script: (strikes) => ({ bodyChunk: ({ socket }) => void (strikes.next() && socket.pause()) }),
    strikes: 1,
    size: 16_000_000,
    messages: 1,
    to: ['a'],
  },
  {
    name: 'an octet a second, past the deadline',
    script: (strikes) => at('greeting', drips(strikes.patient ? 5_000 : 200))(strikes),
    strikes: 4,
    says: /did not answer in time/,
  },
  { name: 'an octet at a time, in time', script: at('greeting', drips(3)), strikes: 'always' },
  { name: 'tarpit: a reply without end, line by line', script: at('rcpt', tarpit), strikes: 3 },
];

const answers: Fault[] = [
  ...STAGES.flatMap((stage): Fault[] => [
    { name: `4xx at ${name(stage)}`, script: at(stage, '451 4.3.0 Not now'), strikes: 5 },
    { name: `421 at ${name(stage)}`, script: at(stage, '421 4.3.2 Closing'), strikes: 5, says: /4\.3\.2 Closing/ },
  ]),
  { name: '5xx at connect', script: at('greeting', '554 5.3.2 No mail here'), strikes: 5, says: /5\.3\.2 No mail here/ },
  { name: '5xx at EHLO (HELO instead)', script: at('ehlo', '502 5.5.1 What?'), strikes: 'always', sevenBit: true },
  {
    name: '5xx at EHLO and HELO',
    script: (strikes) => ({ ...at('ehlo', '502 5.5.1 What?')(strikes), helo: '502 5.5.1 What?' }),
    strikes: 5,
  },
  ...(['mail', 'rcpt', 'data', 'dot'] as const).map(
    (stage): Fault => ({
      name: `5xx at ${name(stage)}`,
      script: at(stage, '550 5.7.1 Never'),
      strikes: 'always',
      ends: 'failed',
      says: /5\.7\.1 Never/,
    }),
  ),
  { name: '552 at DATA', script: at('data', '552 5.3.4 Too big'), strikes: 'always', ends: 'failed', says: /5\.3\.4/ },
  {
    name: '552 in the middle of DATA',
    script: (strikes) => {
      const told = new WeakSet<PeerSession>();
      return {
        bodyChunk: (peer, soFar) => {
          if (soFar < 100_000 || told.has(peer) || !strikes.next()) return;
          told.add(peer);
          peer.write('552 5.3.4 Too big\r\n');
        },
        dot: (peer) => (told.has(peer) ? '552 5.3.4 Too big' : USUAL.dot),
      };
    },
    strikes: 'always',
    size: LARGE,
    messages: 2,
    ends: 'failed',
    says: /5\.3\.4/,
  },
  { name: 'greylisting', script: () => ({ rcpt: greylist(3_000) }) },
  {
    name: 'a for each: 250, 550, 451 once, 250',
    script: (strikes) => ({
      rcpt: (_peer, line) => {
        if (localPart(line) === 'b') return '550 5.1.1 Unknown';
        return localPart(line) === 'c' && strikes.next() ? '451 4.2.1 Later' : USUAL.rcpt;
      },
    }),
    strikes: 5,
    to: ['a', 'b', 'c', 'd'],
    ends: { b: 'failed' },
  },
  { name: 'a new mind for each recipient, each time', script: () => ({ rcpt: moody() }), to: ['a', 'b', 'c', 'd', 'e'] },
  {
    name: 'LMTP, behind the dot: 250, 550, 451 once',
    protocol: 'lmtp',
    script: (strikes) => ({
      lmtp: true,
      dot: (_peer, line) => {
        if (localPart(line) === 'b') return '550 5.2.2 Full';
        return localPart(line) === 'c' && strikes.next() ? '451 4.2.1 Later' : USUAL.dot;
      },
    }),
    strikes: 5,
    to: ['a', 'b', 'c'],
    ends: { b: 'failed' },
  },
];

const nonsense: Fault[] = [
  ...STAGES.map(
    (stage): Fault => ({
      name: `nonsense at ${name(stage)}`,
      script: at(stage, 'hello there'),
      strikes: 4,
      ...(stage === 'dot' ? { copies: true as const } : {}),
    }),
  ),
  { name: 'a reply of 1 MB', script: at('rcpt', `250-${'x'.repeat(1_000_000)}\r\n250 Ok`), strikes: 4, says: /32768 octets/ },
  { name: 'a reply of 1 MB in one line', script: at('mail', `250 ${'x'.repeat(1_000_000)}`), strikes: 4 },
  { name: 'a reply of 20,000 lines without end', script: at('rcpt', `${'250-more\r\n'.repeat(20_000)}250-more`), strikes: 4 },
  { name: 'one reply too many at RCPT', script: at('rcpt', '250 2.1.5 Ok\r\n250 2.1.5 Ok'), strikes: 5, says: /4\.5\.0/ },
  {
    name: 'one reply too many at DATA, then 451',
    script: (strikes) => {
      let shifted = false;
      return {
        data: () => {
          shifted = strikes.next();
          return shifted ? '354 Go on\r\n250 2.0.0 Ok' : USUAL.data;
        },
        dot: () => (shifted ? '451 4.3.0 Not now' : USUAL.dot),
      };
    },
    strikes: 5,
  },
  { name: 'one reply too many behind the dot', script: at('dot', `${USUAL.dot}\r\n250 2.0.0 Ok`), strikes: 'always' },
];

const features: Fault[] = [
  { name: 'no PIPELINING', script: () => ({ keywords: KEYWORDS.filter((word) => word !== 'PIPELINING') }) },
  {
    name: 'SIZE smaller than the message',
    script: () => ({ keywords: ['8BITMIME', 'SIZE 500'] }),
    ends: 'failed',
    says: /5\.3\.4/,
  },
  {
    name: 'no 8BITMIME, 8-bit mail',
    script: () => ({ keywords: ['PIPELINING'] }),
    size: 40_000,
    ends: 'failed',
    says: /5\.6\.3/,
  },
  { name: 'no 8BITMIME, 7-bit mail', script: () => ({ keywords: ['PIPELINING'] }), sevenBit: true },
  { name: 'no DSN, no SIZE, no SMTPUTF8', script: () => ({ keywords: ['8BITMIME'] }) },
];

const reset: Reaction = (peer) => {
  peer.write('220 2.0.0 Ready\r\n');
  setImmediate(() => peer.socket.once('data', () => peer.socket.resetAndDestroy()));
  return undefined;
};
const opportunistic = '{ mode: opportunistic }';
const verified = '{ mode: verified, names: [mx.test] }';

const tls: Fault[] = [
  { name: 'STARTTLS 454', script: () => ({ starttls: '454 4.7.0 Not now' }), tls: opportunistic, recorded: 'refused' },
  {
    name: 'STARTTLS 454, TLS required',
    script: () => ({ starttls: '454 4.7.0 Not now' }),
    tls: '{ mode: required }',
    ends: 'queued',
    says: /4\.7\.4/,
  },
  { name: 'handshake reset', script: () => ({ starttls: reset }), tls: opportunistic, recorded: 'plain-after-failure' },
  {
    name: 'handshake silent',
    script: () => ({ starttls: '220 2.0.0 Ready' }),
    tls: opportunistic,
    recorded: 'plain-after-failure',
  },
  {
    name: 'nonsense for a handshake',
    script: () => ({ starttls: '220 2.0.0 Ready', insteadOfHandshake: 'hello there\r\n' }),
    tls: opportunistic,
    recorded: 'plain-after-failure',
  },
  {
    name: 'TLS 1.0 only',
    script: () => ({
      certificate: signedRsa,
      tls: { minVersion: 'TLSv1', maxVersion: 'TLSv1', ciphers: 'ALL:@SECLEVEL=0' },
    }),
    tls: opportunistic,
    recorded: 'encrypted',
  },
  ...(
    [
      ['an expired certificate', expired],
      ["another's certificate", otherName],
      ['a self-signed certificate', selfSigned],
      ['a certificate of nobody trusted', signed],
    ] as const
  ).flatMap(([what, certificate]): Fault[] => [
    { name: what, script: () => ({ certificate }), tls: opportunistic, recorded: 'encrypted' },
    { name: `${what}, TLS verified`, script: () => ({ certificate }), tls: verified, ends: 'queued', says: /4\.7\.5/ },
  ]),
];

export const FAULTS: readonly Fault[] = [
  { name: 'refused, then back', script: () => ({}), down: 'refused', says: /4\.4\.1/ },
  { name: 'blackhole, then back', script: () => ({}), down: 'blackhole', says: /4\.4\.1/ },
  ...lost,
  ...silent,
  ...answers,
  ...nonsense,
  ...features,
  ...tls,
];
