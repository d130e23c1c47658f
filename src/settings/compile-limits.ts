/** Makes the limits of admission of the settings as they are written. Pure. */
import type { SettingsFile } from './schema.ts';
import type { LimitMode, WrittenLimit } from './schema-limits.ts';

type LimitsFile = SettingsFile['limits'];

export interface LimitPart {
  /** What passes; milliseconds for times. Without meaning in mode `off`. */
  readonly most: number;
  readonly mode: LimitMode;
}

interface RatesPart {
  readonly connects: LimitPart;
  readonly messages: LimitPart;
  readonly recipients: LimitPart;
  readonly unknown: LimitPart;
}

export interface LimitsPart {
  readonly connections: LimitPart;
  /** Percent of `connections` for listed peers alone. */
  readonly peerReserve: number;
  readonly connectionsPerClient: LimitPart;
  readonly connectionsPerNetwork: LimitPart;
  readonly perClient: RatesPart;
  readonly perNetwork: RatesPart;
  readonly errors: LimitPart;
  readonly idleCommands: LimitPart;
  readonly session: LimitPart;
  readonly transaction: LimitPart;
  readonly octetsPerSecond: LimitPart;
  readonly greetingDelay: LimitPart;
  readonly earlyTalkers: LimitMode;
  readonly ownMachine: 'bound' | 'free';
  readonly exempt: readonly string[];
}

export function compileLimits(raw: LimitsFile): LimitsPart {
  const of = (written: WrittenLimit): LimitPart => compileLimit(raw, written);
  const rates = (written: LimitsFile['per-client']): RatesPart => ({
    connects: of(written['connects-per-minute']),
    messages: of(written['messages-per-minute']),
    recipients: of(written['recipients-per-minute']),
    unknown: of(written['unknown-recipients-per-minute']),
  });
  return {
    connections: of(raw.connections),
    peerReserve: raw['peer-reserve'],
    connectionsPerClient: of(raw['connections-per-client']),
    connectionsPerNetwork: of(raw['connections-per-network']),
    perClient: rates(raw['per-client']),
    perNetwork: rates(raw['per-network']),
    errors: of(raw.errors),
    idleCommands: of(raw['idle-commands']),
    session: of(raw.session),
    transaction: of(raw.transaction),
    octetsPerSecond: of(raw['octets-per-second']),
    greetingDelay: of(raw['greeting-delay']),
    earlyTalkers: raw['early-talkers'] ?? raw.mode,
    ownMachine: raw['own-machine'],
    exempt: raw.exempt,
  };
}

/** A limit with its mode: its own, else that of all. */
export function compileLimit(raw: Pick<LimitsFile, 'mode'>, { most, mode }: WrittenLimit): LimitPart {
  return { most, mode: mode ?? raw.mode };
}
