/** Paused connectors: kept in the spool's control records, so that a pause outlives a restart. */
import type { Clock } from '../platform/clock.ts';
import type { Pause } from './ports.ts';

/** Small settings that outlive a restart. */
interface Controls {
  control(key: string): string | undefined;
  setControl(key: string, value: string | undefined): Promise<void>;
}

export interface Pauses {
  of(connector: string): Pause | undefined;
  pause(connector: string, by: string): Promise<void>;
  resume(connector: string): Promise<void>;
}

export function pauses(controls: Controls, clock: Clock): Pauses {
  const keyOf = (connector: string): string => `paused:${connector}`;
  return {
    of(connector) {
      const kept = controls.control(keyOf(connector));
      return kept === undefined ? undefined : (JSON.parse(kept) as Pause);
    },
    pause: (connector, by) => controls.setControl(keyOf(connector), JSON.stringify({ by, since: clock.now() } satisfies Pause)),
    resume: (connector) => controls.setControl(keyOf(connector), undefined),
  };
}
