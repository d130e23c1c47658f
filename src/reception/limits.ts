/** The limits of admission made ready: what each is called, what it allows and what it answers. Pure. */
import { reply, type SmtpReply } from '../mail/reply.ts';
import type { LimitSetting, LimitSettings, RateSettings } from './ports.ts';

/** As they stand under `limits` in the settings: in records, metrics and the log. */
export const LIMIT_NAMES = [
  'connections',
  'peer-reserve',
  'connections-per-client',
  'connections-per-network',
  'per-client.connects-per-minute',
  'per-client.messages-per-minute',
  'per-client.recipients-per-minute',
  'per-client.unknown-recipients-per-minute',
  'per-network.connects-per-minute',
  'per-network.messages-per-minute',
  'per-network.recipients-per-minute',
  'per-network.unknown-recipients-per-minute',
  'errors',
  'idle-commands',
  'session',
  'transaction',
  'octets-per-second',
  'greeting-delay',
  'early-talkers',
] as const;
export type LimitName = (typeof LIMIT_NAMES)[number];

export interface Limit {
  readonly name: LimitName;
  /** Its bit in the sets of limits that were told of. */
  readonly bit: number;
  /** Counts up to it pass; milliseconds for times. Infinite where the limit is off. */
  readonly most: number;
  /** Else it is monitored: counted and told of, and nothing is refused. */
  readonly enforced: boolean;
  readonly answer: SmtpReply;
}

export interface Rates {
  readonly connects: Limit;
  readonly messages: Limit;
  readonly recipients: Limit;
  readonly unknown: Limit;
}

export interface Limits {
  /** All sessions of everybody. */
  readonly connections: Limit;
  /** Sessions that leave room for listed peers: what is above is theirs. */
  readonly unlisted: Limit;
  readonly connectionsPerClient: Limit;
  readonly connectionsPerNetwork: Limit;
  readonly perClient: Rates;
  readonly perNetwork: Rates;
  readonly errors: Limit;
  readonly idleCommands: Limit;
  readonly session: Limit;
  readonly transaction: Limit;
  /** `most` is the least rate here; 0 where it is off. */
  readonly octetsPerSecond: Limit;
  /** `most` is the delay; 0 where it is off. */
  readonly greetingDelay: Limit;
  readonly earlyTalkers: Limit;
}

const full = (text: string): SmtpReply => reply(421, '4.3.2', `${text}, try again later`);
const tooMany = (text: string): SmtpReply => reply(421, '4.7.0', `Too many ${text}, try again later`);
const closing = (code: '4.4.2' | '4.7.0', text: string): SmtpReply => reply(421, code, `${text}, closing connection`);

// RFC 5321 §3.8: 421 at any time; what was answered with 250 before stays with us, the rest with the client
const ANSWERS: Readonly<Record<LimitName, SmtpReply>> = {
  connections: full('Too many connections'),
  'peer-reserve': full('Too many connections'),
  'connections-per-client': tooMany('connections from your address'),
  'connections-per-network': tooMany('connections from your network'),
  'per-client.connects-per-minute': tooMany('new connections from your address'),
  'per-client.messages-per-minute': tooMany('messages from your address'),
  'per-client.recipients-per-minute': tooMany('recipients from your address'),
  'per-client.unknown-recipients-per-minute': tooMany('unknown recipients from your address'),
  'per-network.connects-per-minute': tooMany('new connections from your network'),
  'per-network.messages-per-minute': tooMany('messages from your network'),
  'per-network.recipients-per-minute': tooMany('recipients from your network'),
  'per-network.unknown-recipients-per-minute': tooMany('unknown recipients from your network'),
  errors: closing('4.7.0', 'Too many errors'),
  'idle-commands': closing('4.7.0', 'Too many commands without a message'),
  session: closing('4.4.2', 'Session has lasted too long'),
  transaction: closing('4.4.2', 'Transaction has lasted too long'),
  'octets-per-second': closing('4.4.2', 'Message comes too slowly'),
  'greeting-delay': closing('4.7.0', 'Wait for the greeting'),
  'early-talkers': closing('4.7.0', 'You spoke before our greeting (CLIENT_FIRST)'),
};

export function makeLimits(settings: LimitSettings): Limits {
  const { connections, peerReserve } = settings;
  const room = Math.max(1, connections.most - Math.floor((connections.most * peerReserve) / 100));
  return {
    connections: made('connections', connections),
    unlisted: made('peer-reserve', { most: room, mode: connections.mode }),
    connectionsPerClient: made('connections-per-client', settings.connectionsPerClient),
    connectionsPerNetwork: made('connections-per-network', settings.connectionsPerNetwork),
    perClient: rates('per-client', settings.perClient),
    perNetwork: rates('per-network', settings.perNetwork),
    errors: made('errors', settings.errors),
    idleCommands: made('idle-commands', settings.idleCommands),
    session: made('session', settings.session),
    transaction: made('transaction', settings.transaction),
    octetsPerSecond: made('octets-per-second', settings.octetsPerSecond, 0),
    greetingDelay: made('greeting-delay', settings.greetingDelay, 0),
    earlyTalkers: made('early-talkers', { most: 0, mode: settings.earlyTalkers }),
  };
}

function rates(whose: 'per-client' | 'per-network', settings: RateSettings): Rates {
  return {
    connects: made(`${whose}.connects-per-minute`, settings.connects),
    messages: made(`${whose}.messages-per-minute`, settings.messages),
    recipients: made(`${whose}.recipients-per-minute`, settings.recipients),
    unknown: made(`${whose}.unknown-recipients-per-minute`, settings.unknown),
  };
}

function made(name: LimitName, { most, mode }: LimitSetting, whenOff = Number.POSITIVE_INFINITY): Limit {
  const value = mode === 'off' ? whenOff : most;
  return { name, bit: 1 << LIMIT_NAMES.indexOf(name), most: value, enforced: mode === 'enforce', answer: ANSWERS[name] };
}
