/** Limits of admission for tests: those that no test meets, and changes to them. */
import type { LimitMode, LimitSetting, LimitSettings, RateSettings } from '../../src/reception/ports.ts';

export const most = (count: number, mode: LimitMode = 'enforce'): LimitSetting => ({ most: count, mode });

const RATES: RateSettings = {
  connects: most(1_000_000),
  messages: most(1_000_000),
  recipients: most(1_000_000),
  unknown: most(1_000_000),
};

/** Errors and times as they are by default; the rest wide. */
export function limits(change: Partial<LimitSettings> = {}): LimitSettings {
  return {
    connections: most(10_000),
    peerReserve: 10,
    connectionsPerClient: most(10_000),
    connectionsPerNetwork: most(10_000),
    perClient: RATES,
    perNetwork: RATES,
    errors: most(20),
    idleCommands: most(100),
    session: most(7_200_000),
    transaction: most(3_600_000),
    octetsPerSecond: most(500),
    greetingDelay: most(5_000),
    earlyTalkers: 'enforce',
    ownMachine: 'bound',
    exempt: [],
    ...change,
  };
}

/** Rates of which some are near. */
export const rates = (change: Partial<RateSettings>): RateSettings => ({ ...RATES, ...change });
