/** Metrics of what watches: our own certificates, and the alerts. A scrape reads what they know. */
import { Counter, Gauge, type Registry } from 'prom-client';
import type { AlertCounts } from './alerts.ts';
import type { Status } from './contract.ts';

export interface Watches {
  readonly alerts: { readonly counts: AlertCounts };
  readonly certificates: { list(): NonNullable<Status['certificates']> };
}

/** The same registry, with more in it. */
export function withWatchMetrics(registry: Registry, { alerts, certificates }: Watches): Registry {
  const registers = [registry];
  new Gauge({
    name: 'bridgehead_certificate_expiry_seconds',
    help: 'Seconds until one of our own certificates, or the first of its chain, ends; negative where it has',
    labelNames: ['use', 'name'],
    registers,
    collect() {
      this.reset();
      for (const one of certificates.list())
        if (one['seconds-left'] !== null) this.set({ use: one.use, name: one.name }, one['seconds-left']);
    },
  });
  new Counter({
    name: 'bridgehead_alerts_total',
    help: 'Alerts by the way of telling: sent, and failed ones',
    labelNames: ['way', 'result'],
    registers,
    collect() {
      this.reset();
      for (const way of ['mail', 'webhook'] as const)
        for (const result of ['sent', 'failed'] as const) this.inc({ way, result }, alerts.counts[way][result]);
    },
  });
  return registry;
}
