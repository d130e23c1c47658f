/** The live sources that the settings name, ready to be refreshed. */
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Clock } from '../../platform/clock.ts';
import { graphSource } from './graph-source.ts';
import { ldapSource } from './ldap-source.ts';
import type { LiveChecks, LiveSourceSettings } from './ports.ts';
import type { RefreshedSource } from './refresher.ts';

export interface LiveSettings extends LiveChecks {
  readonly live: readonly LiveSourceSettings[];
  /** Where the directory keeps its versions; what Graph said is kept beside them. Absolute path. */
  readonly folder: string;
}

/** `settings.directory` fits as it is. */
export function liveSources(settings: LiveSettings, clock: Clock): RefreshedSource[] {
  const { domains, routingDomains, folder } = settings;
  const checks: LiveChecks = { domains, routingDomains };
  return settings.live.map((one) => ({
    refresh: one.refresh,
    fingerprint: JSON.stringify([one, checks]),
    source:
      one.kind === 'ldap'
        ? ldapSource(one, checks)
        : graphSource(one, checks, {
            clock,
            delay: (milliseconds, signal) => delay(milliseconds, undefined, { signal, ref: false }),
            stateFile: join(folder, `graph-${one.name}.jsonl`),
          }),
  }));
}
