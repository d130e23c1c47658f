/** Paused connectors: kept in the spool's control records, so that a pause outlives a restart. */
import type { Pause } from './admin/ports.ts';
import type { Clock } from './platform/clock.ts';
import type { Spool } from './spool/spool.ts';

export interface Pauses {
  of(connector: string): Pause | undefined;
  pause(connector: string, by: string): Promise<void>;
  resume(connector: string): Promise<void>;
}

export function pauses(spool: Pick<Spool, 'control' | 'setControl'>, clock: Clock): Pauses {
  const keyOf = (connector: string): string => `paused:${connector}`;
  return {
    of(connector) {
      const kept = spool.control(keyOf(connector));
      return kept === undefined ? undefined : (JSON.parse(kept) as Pause);
    },
    pause: (connector, by) => spool.setControl(keyOf(connector), JSON.stringify({ by, since: clock.now() } satisfies Pause)),
    resume: (connector) => spool.setControl(keyOf(connector), undefined),
  };
}
