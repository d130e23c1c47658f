/** Each limit of admission over real sockets, in its three modes: enforce refuses, monitor tells, off is silent. */
import { describe, expect, it } from 'vitest';
import { reply } from '../../../src/mail/reply.ts';
import { type Log, silentLog } from '../../../src/platform/logger.ts';
import { DEADLINES, type Deadlines } from '../../../src/reception/house.ts';
import type { LimitName } from '../../../src/reception/limits.ts';
import type { LimitMode, LimitSettings } from '../../../src/reception/ports.ts';
import { limits, most, rates } from '../../support/limits.ts';
import { Client, type Perimeter, perimeter } from './perimeter.ts';

const UNKNOWN = { reply: reply(550, '5.1.1', 'User unknown') };

/** Meets the limit if there is one; resolves to the reply that a refusal would be. */
type Act = (relay: Perimeter) => Promise<string>;

interface Case {
  readonly limit: LimitName;
  readonly settings: (mode: LimitMode) => Partial<LimitSettings>;
  readonly act: Act;
  readonly refusal: RegExp;
  readonly deadlines?: Partial<Deadlines>;
}

async function knock(relay: Perimeter): Promise<string> {
  return (await Client.raw(relay.port)).reply();
}

/** One more session than one. */
const twice: Act = async (relay) => {
  await relay.client();
  return knock(relay);
};

/** One after the other. */
const again: Act = async (relay) => {
  const client = await relay.client();
  await client.command('QUIT');
  await client.close();
  return knock(relay);
};

const hello = async (relay: Perimeter): Promise<Client> => {
  const client = await relay.client();
  await client.command('EHLO client.example');
  return client;
};

const twoMessages: Act = async (relay) => {
  const client = await hello(relay);
  await client.command('MAIL FROM:<a@example.net>');
  await client.command('RSET');
  return client.command('MAIL FROM:<a@example.net>');
};

const twoRecipients: Act = async (relay) => {
  const client = await hello(relay);
  await client.command('MAIL FROM:<a@example.net>');
  await client.command('RCPT TO:<u@example.com>');
  return client.command('RCPT TO:<v@example.com>');
};

const unknownRecipients: Act = async (relay) => {
  relay.admit = ({ recipient }) => (recipient.localPart === 'u' ? { reply: reply(250, '2.1.5', 'ok') } : UNKNOWN);
  const client = await hello(relay);
  await client.command('MAIL FROM:<a@example.net>');
  await client.command('RCPT TO:<x@example.com>');
  await client.command('RCPT TO:<y@example.com>');
  return client.command('RCPT TO:<u@example.com>');
};

const lines =
  (line: string): Act =>
  async (relay) => {
    const client = await relay.client();
    await client.command(line);
    return client.command(line);
  };

/** What comes by itself within some sweeps. */
const inTime =
  (begin: (client: Client) => Promise<unknown>): Act =>
  async (relay) => {
    const client = await hello(relay);
    await begin(client);
    return client.within(300);
  };

const CASES: readonly Case[] = [
  {
    limit: 'connections',
    settings: (mode) => ({ connections: most(1, mode), peerReserve: 0 }),
    act: twice,
    refusal: /^421 4\.3\.2 /,
  },
  {
    limit: 'connections-per-client',
    settings: (mode) => ({ connectionsPerClient: most(1, mode) }),
    act: twice,
    refusal: /^421 4\.7\.0 .*address/,
  },
  {
    limit: 'connections-per-network',
    settings: (mode) => ({ connectionsPerNetwork: most(1, mode) }),
    act: twice,
    refusal: /^421 4\.7\.0 .*network/,
  },
  {
    limit: 'per-client.connects-per-minute',
    settings: (mode) => ({ perClient: rates({ connects: most(1, mode) }) }),
    act: again,
    refusal: /^421 4\.7\.0 .*new connections/,
  },
  {
    limit: 'per-network.connects-per-minute',
    settings: (mode) => ({ perNetwork: rates({ connects: most(1, mode) }) }),
    act: again,
    refusal: /^421 4\.7\.0 .*network/,
  },
  {
    limit: 'per-client.messages-per-minute',
    settings: (mode) => ({ perClient: rates({ messages: most(1, mode) }) }),
    act: twoMessages,
    refusal: /^421 4\.7\.0 .*messages/,
  },
  {
    limit: 'per-network.messages-per-minute',
    settings: (mode) => ({ perNetwork: rates({ messages: most(1, mode) }) }),
    act: twoMessages,
    refusal: /^421 4\.7\.0 .*network/,
  },
  {
    limit: 'per-client.recipients-per-minute',
    settings: (mode) => ({ perClient: rates({ recipients: most(1, mode) }) }),
    act: twoRecipients,
    refusal: /^421 4\.7\.0 .*recipients/,
  },
  {
    limit: 'per-network.recipients-per-minute',
    settings: (mode) => ({ perNetwork: rates({ recipients: most(1, mode) }) }),
    act: twoRecipients,
    refusal: /^421 4\.7\.0 .*network/,
  },
  {
    limit: 'per-client.unknown-recipients-per-minute',
    settings: (mode) => ({ perClient: rates({ unknown: most(1, mode) }) }),
    act: unknownRecipients,
    refusal: /^421 4\.7\.0 .*unknown/,
  },
  {
    limit: 'per-network.unknown-recipients-per-minute',
    settings: (mode) => ({ perNetwork: rates({ unknown: most(1, mode) }) }),
    act: unknownRecipients,
    refusal: /^421 4\.7\.0 .*network/,
  },
  {
    limit: 'errors',
    settings: (mode) => ({ errors: most(1, mode) }),
    act: lines('NONSENSE'),
    refusal: /^421 4\.7\.0 Too many errors/,
  },
  { limit: 'idle-commands', settings: (mode) => ({ idleCommands: most(1, mode) }), act: lines('NOOP'), refusal: /^421 4\.7\.0 / },
  {
    limit: 'session',
    settings: (mode) => ({ session: most(80, mode) }),
    act: inTime(() => Promise.resolve()),
    refusal: /^421 4\.4\.2 Session/,
  },
  {
    limit: 'transaction',
    settings: (mode) => ({ transaction: most(80, mode) }),
    act: inTime((client) => client.command('MAIL FROM:<a@example.net>')),
    refusal: /^421 4\.4\.2 Transaction/,
  },
  {
    limit: 'octets-per-second',
    settings: (mode) => ({ octetsPerSecond: most(500, mode) }),
    act: inTime((client) => client.upToData()),
    refusal: /^421 4\.4\.2 Message comes too slowly/,
    deadlines: { rateWindow: 80 },
  },
];

describe.each(CASES)('limits.$limit', ({ limit, settings, act, refusal, deadlines }) => {
  const at = (mode: LimitMode) => perimeter({ limits: limits(settings(mode)) }, { deadlines: { ...DEADLINES, ...deadlines } });

  it('enforced: refuses, says which limit it was, and counts', async () => {
    await using relay = await at('enforce');
    expect(await act(relay)).toMatch(refusal);
    const record = relay.records.find(({ reason }) => reason?.startsWith(`limits.${limit}:`));
    expect(record).toMatchObject({ event: 'REJECT', peer: 'external', client: { address: '127.0.0.1' }, reply: { code: 421 } });
    expect(relay.reception.stats().limits.get(limit)).toEqual({ enforced: 1, monitored: 0 });
  });

  it('monitored: refuses nothing, counts, and leaves a line in the log', async () => {
    const logged: unknown[] = [];
    const log: Log = { ...silentLog, warn: (fields: unknown) => void logged.push(fields) };
    await using relay = await perimeter(
      { limits: limits(settings('monitor')) },
      { deadlines: { ...DEADLINES, ...deadlines }, ports: { log } },
    );
    expect(await act(relay)).not.toMatch(/^421/);
    expect(relay.reception.stats().limits.get(limit)).toEqual({ enforced: 0, monitored: 1 });
    expect(logged).toMatchObject([{ limit, client: { address: '127.0.0.1' } }]);
    expect(relay.records.filter(({ reason }) => reason?.startsWith('limits.'))).toEqual([]);
  });

  it('off: is not there', async () => {
    await using relay = await at('off');
    expect(await act(relay)).not.toMatch(/^421/);
    expect(relay.reception.stats().limits.size).toBe(0);
  });
});

describe('a client with a bad record', () => {
  const delay = (mode: LimitMode, change: Partial<LimitSettings> = {}) =>
    perimeter({ limits: limits({ greetingDelay: most(200, mode), errors: most(1000), ...change }) });

  async function misbehave(relay: Perimeter): Promise<void> {
    const client = await relay.client();
    for (let i = 0; i < 30; i++) await client.command('NONSENSE');
    await client.command('QUIT');
  }

  async function greetingTime(relay: Perimeter): Promise<number> {
    const began = performance.now();
    expect(await knock(relay)).toMatch(/^220 /);
    return performance.now() - began;
  }

  it('waits for its greeting; a good one does not', async () => {
    await using relay = await delay('enforce');
    expect(await greetingTime(relay)).toBeLessThan(100);
    await misbehave(relay);
    expect(await greetingTime(relay)).toBeGreaterThan(100);
    expect(relay.reception.stats().limits.get('greeting-delay')).toEqual({ enforced: 1, monitored: 0 });
    // it was not refused: the log tells of it, no REJECT
    expect(relay.records).toEqual([]);
  });

  it.each(['monitor', 'off'] as const)('is greeted at once where the delay is in mode %s', async (mode) => {
    await using relay = await delay(mode);
    await misbehave(relay);
    expect(await greetingTime(relay)).toBeLessThan(100);
    expect(relay.reception.stats().limits.get('greeting-delay')).toEqual(
      mode === 'off' ? undefined : { enforced: 0, monitored: 1 },
    );
  });

  it('that speaks before the greeting is ended', async () => {
    await using relay = await delay('enforce');
    await misbehave(relay);
    const client = await Client.raw(relay.port);
    client.write('EHLO early.example\r\nMAIL FROM:<a@example.net>\r\n');
    expect(await client.reply()).toBe('421 4.7.0 You spoke before our greeting (CLIENT_FIRST), closing connection');
    expect(await client.reply()).toBe('');
    expect(relay.records.map(({ reason }) => reason)).toContain('limits.early-talkers: it spoke before our greeting');
  });

  it.each(['monitor', 'off'] as const)('that speaks before it is served in mode %s of early-talkers', async (mode) => {
    await using relay = await delay('enforce', { earlyTalkers: mode });
    await misbehave(relay);
    const client = await Client.raw(relay.port);
    client.write('EHLO early.example\r\n');
    expect(await client.reply()).toMatch(/^220 /);
    expect(await client.reply()).toMatch(/^250-/);
  });
});

describe('room for listed peers', () => {
  it('is left by everybody else', async () => {
    const peers = [{ peer: 'on-premises', networks: ['127.0.0.9/32'], certificateNames: [], match: 'any' }] as const;
    await using relay = await perimeter({ peers, limits: limits({ connections: most(10), peerReserve: 20 }) });
    for (let i = 0; i < 8; i++) await relay.client();
    expect(await knock(relay)).toBe('421 4.3.2 Too many connections, try again later');
    expect(await (await Client.raw(relay.port, '127.0.0.9')).reply()).toMatch(/^220 /);
  });
});

describe('clients that leave work undone', () => {
  it('that close their half are answered and let go', async () => {
    await using relay = await perimeter();
    const client = await relay.client();
    client.socket.end('NOOP\r\n');
    await client.close();
    await expect.poll(() => relay.reception.stats().connections).toBe(0);
  });

  it('that never read their replies are ended when their time is up', async () => {
    await using relay = await perimeter({
      sessionIdle: 100,
      limits: limits({ errors: most(1_000_000), idleCommands: most(1_000_000) }),
    });
    const client = await relay.client();
    client.socket.pause();
    client.write('VRFY somebody@example.com\r\n'.repeat(400_000));
    await expect.poll(() => relay.reception.stats().connections, { timeout: 40_000 }).toBe(0);
  });
});
