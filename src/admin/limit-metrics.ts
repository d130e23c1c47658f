/** The metrics of admission: connections, limits that were met, block lists, notices that were not sent. */
import { Counter, Gauge, type Registry } from 'prom-client';

export interface AdmissionStats {
  readonly connections: number;
  /** Per limit, since the start. */
  readonly limits: ReadonlyMap<string, { readonly enforced: number; readonly monitored: number }>;
  /** Clients and networks in memory. */
  readonly remembered: number;
  /** Per zone. */
  readonly blockLists: ReadonlyMap<string, { readonly listed: number; readonly notListed: number; readonly failed: number }>;
}

/** Adds them to `registry`. A scrape reads what `stats` tells then; `undefined`: nobody is let in yet. */
export function addLimitMetrics(registry: Registry, stats: () => AdmissionStats | undefined): Registry {
  const registers = [registry];
  new Gauge({
    name: 'bridgehead_connections',
    help: 'SMTP sessions that are open',
    registers,
    collect() {
      this.set(stats()?.connections ?? 0);
    },
  });
  new Gauge({
    name: 'bridgehead_clients_remembered',
    help: 'Client addresses and networks in memory',
    registers,
    collect() {
      this.set(stats()?.remembered ?? 0);
    },
  });
  new Counter({
    name: 'bridgehead_limit_bites_total',
    help: 'How often a limit of admission was met, by its name under limits; mode monitor: nothing was refused',
    labelNames: ['limit', 'mode'],
    registers,
    collect() {
      this.reset();
      for (const [limit, { enforced, monitored }] of stats()?.limits ?? []) {
        if (enforced > 0) this.inc({ limit, mode: 'enforce' }, enforced);
        if (monitored > 0) this.inc({ limit, mode: 'monitor' }, monitored);
      }
    },
  });
  new Counter({
    name: 'bridgehead_block_list_answers_total',
    help: 'Answers of DNS block lists; failed: none in time, or one without meaning',
    labelNames: ['zone', 'result'],
    registers,
    collect() {
      this.reset();
      for (const [zone, { listed, notListed, failed }] of stats()?.blockLists ?? []) {
        this.inc({ zone, result: 'listed' }, listed);
        this.inc({ zone, result: 'not-listed' }, notListed);
        this.inc({ zone, result: 'failed' }, failed);
      }
    },
  });
  return registry;
}
