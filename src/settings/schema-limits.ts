/** The settings of admission: what a client may take, and the block lists that are asked about it. */
import { z } from 'zod';
import { says } from './schema-words.ts';
import { domainName, duration, ipAddress, network, parseDuration, size } from './values.ts';

const MODES = ['enforce', 'monitor', 'off'] as const;
export type LimitMode = (typeof MODES)[number];

/** A limit as it is written: `mode` only where it stands beside the value; else `limits.mode` counts. */
export interface WrittenLimit {
  /** 0 where the limit is off. */
  readonly most: number;
  readonly mode?: LimitMode;
}

/** `100`, `100 monitor`, `100 enforce`, `off`, where `parse` understands the value. */
export function parseLimit(text: string, parse: (value: string) => number | undefined): WrittenLimit | undefined {
  if (text === 'off') return { most: 0, mode: 'off' };
  const [value = '', mode, more] = text.split(' ');
  const most = parse(value);
  if (most === undefined || more !== undefined) return undefined;
  if (mode === undefined) return { most };
  return mode === 'enforce' || mode === 'monitor' ? { most, mode } : undefined;
}

const limit = <T extends z.ZodType<string | number>>(written: T, parse: (value: string) => number | undefined, example: string) =>
  written.transform((value, context): WrittenLimit => {
    const parsed = parseLimit(String(value), parse);
    if (parsed !== undefined) return parsed;
    context.issues.push({
      code: 'custom',
      message: `"${value}" is not a limit`,
      input: value,
      params: { remedy: `Write it like ${example}, "${example} monitor" or off` },
    });
    return z.NEVER;
  });

const LARGEST = 100_000_000;
const parseCount = (text: string): number | undefined => {
  const count = /^\d{1,9}$/.test(text) ? Number(text) : 0;
  return count >= 1 && count <= LARGEST ? count : undefined;
};
const count = (fallback: number) =>
  limit(
    z
      .union([z.int().min(1).max(LARGEST), z.string().meta({ pattern: '^(off|\\d{1,9}( (enforce|monitor))?)$' })])
      .prefault(fallback),
    parseCount,
    String(fallback),
  );
const time = (fallback: string) =>
  limit(
    z.string().meta({ pattern: '^(off|[1-9]\\d{0,5}[smhd]( (enforce|monitor))?)$' }).prefault(fallback),
    parseDuration,
    fallback,
  );

const rates = (whose: string, factor: number, reason: string) =>
  says(
    z
      .strictObject({
        'connects-per-minute': says(count(6_000 * factor), `New connections of ${whose} in a minute`, reason),
        'messages-per-minute': says(
          count(12_000 * factor),
          `MAIL commands of ${whose} in a minute`,
          factor === 1 ? '200 a second is a newsletter to everybody at once, and a tenth of what the relay can' : reason,
        ),
        'recipients-per-minute': says(count(60_000 * factor), `RCPT commands of ${whose} in a minute`, reason),
        'unknown-recipients-per-minute': says(
          count(100 * factor),
          `Recipients in a minute that do not exist; over it, nothing more of ${whose} until the next minute`,
          factor === 1
            ? 'a list with some old addresses passes; who tries names to find addresses (harvesting) does not'
            : reason,
        ),
      })
      .prefault({}),
    `Rates of ${whose}; listed peers have none`,
  );

export const limits = z
  .strictObject({
    'message-size': says(
      size().prefault('50MiB'),
      'The largest message where a connector says nothing else',
      'above what Exchange sends by default',
    ),
    recipients: says(
      z.int().min(1).max(100_000).default(1000),
      'Recipients in one transaction',
      'RFC 5321 §4.5.3.1.8 asks for at least 100',
    ),
    mode: says(
      z.enum(MODES).default('enforce'),
      'What the limits below do where they say nothing themselves (`100 monitor`, `off`): refuse, or only tell what they would refuse, or nothing',
      'a perimeter is tried from its first minute; `monitor` for a week shows what your own senders need',
    ),
    connections: says(count(10_000), 'Sessions at a time', 'a bound well under the memory of a small machine'),
    'peer-reserve': says(
      z.int().min(0).max(90).default(10),
      'Percent of `connections` that are for listed peers (on-premises, cloud, gateway) alone',
      'a flood from outside must not shut out your own servers',
    ),
    'connections-per-client': says(
      count(100),
      'Sessions of one client address (IPv6: /64) at a time; listed peers have no such limit',
      'one noisy client leaves room for the others; large senders open 20 to 50 from one address',
    ),
    'connections-per-network': says(
      count(500),
      'Sessions of one network (IPv4 /24, IPv6 /48) at a time',
      'large senders share a /24; a rented one must not fill the relay',
    ),
    'per-client': rates('one client address', 1, 'no sender that means well comes near it'),
    'per-network': rates('one network (IPv4 /24, IPv6 /48)', 5, 'five times one client'),
    errors: says(
      count(20),
      'Errors and lasting refusals in one session; forgiven by each message that is taken. Listed peers: ten times as many',
      'as Postfix',
    ),
    'idle-commands': says(
      count(100),
      'NOOP, RSET, VRFY and the like in one session, likewise',
      'as Postfix; each costs us an answer and leads to no mail',
    ),
    'session-idle': says(duration().prefault('5m'), 'How long a silent client is waited for', 'RFC 5321 §4.5.3.2.7'),
    session: says(
      time('2h'),
      'How long a session may last; a transaction that is under way ends first. Not for listed peers',
      'who has mail for longer comes again at once',
    ),
    transaction: says(
      time('1h'),
      'How long MAIL FROM to the end of the message may take. Not for listed peers',
      '50 MiB at 120 kbit/s',
    ),
    'octets-per-second': says(
      count(500),
      'The least rate of a message that comes, over a minute',
      'as Postfix: an octet a minute must not hold a session',
    ),
    'greeting-delay': says(
      time('5s'),
      'How long clients with a bad record wait for our greeting: errors, unknown recipients, limits met, in the last minutes',
      'it slows who comes again and again; every other client is greeted at once',
    ),
    'early-talkers': says(
      z.enum(MODES).optional(),
      'Clients with a bad record that speak before the greeting (CLIENT_FIRST) are ended',
      'RFC 5321 §4.3.1; only programs that read no answers do so',
      'as `mode`',
    ),
    'notifications-per-hour': says(
      count(50),
      'Notices (DSN) to one sender address; what is over it is recorded, not sent. Not for mail from our own side',
      'a forged sender must not be flooded through us (backscatter)',
    ),
    'own-machine': says(
      z.enum(['free', 'bound']).default('free'),
      'Clients at 127.0.0.1 and ::1: `free` of the rates, of the limit per network and of a bad record; the sessions at a time and the budgets of each still count',
      'nobody outside comes from there; your own tools and tests do',
    ),
    exempt: says(
      z.array(network()).default([]),
      'Networks that no admission limit binds (size and recipients still do)',
      'nobody, until you name them',
    ),
  })
  .prefault({});

const blockList = z.strictObject({
  zone: says(domainName(), 'The zone of the list, such as zen.spamhaus.org'),
  answers: says(
    z.array(ipAddress()).default([]),
    'The answers that mean listed',
    undefined,
    'any in 127.0.0.0/8 but 127.255.255.0/24, where lists say that they may not be asked this way',
  ),
  mode: says(
    z.enum(MODES).default('enforce'),
    'Refuse (550 5.7.1), or accept and say so in the record, or do not ask',
    'begin with `monitor`',
  ),
});

export const admission = z
  .strictObject({
    'dns-block-lists': says(
      z.array(blockList).max(10).default([]),
      'DNS block lists (RFC 5782) to ask about clients from outside; who is on one reaches postmaster alone. Asked through `dns.servers`',
      'the relay is no spam filter; many lists refuse questions by way of public resolvers',
    ),
  })
  .prefault({});
