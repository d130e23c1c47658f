/** The metrics of probes: what the last runs came to. */
import { Gauge, type Registry } from 'prom-client';
import type { ProbesPort } from './probe-contract.ts';

/** Adds them to a registry. */
export function withProbeMetrics(registry: Registry, probes: Pick<ProbesPort, 'list'>): Registry {
  const registers = [registry];
  new Gauge({
    name: 'bridgehead_probe_success',
    help: '1 where the last run of the probe succeeded',
    labelNames: ['probe'],
    registers,
    collect() {
      this.reset();
      for (const { name, last } of probes.list()) if (last !== null) this.set({ probe: name }, last.ok ? 1 : 0);
    },
  });
  new Gauge({
    name: 'bridgehead_probe_last_success_timestamp_seconds',
    help: 'When a run of the probe last succeeded',
    labelNames: ['probe'],
    registers,
    collect() {
      this.reset();
      for (const { name, 'last-success': time } of probes.list())
        if (time !== null) this.set({ probe: name }, Math.round(Date.parse(time) / 1000));
    },
  });
  new Gauge({
    name: 'bridgehead_probe_seconds',
    help: 'How long the last run took, there (to the mailbox, or to the next hop) and back',
    labelNames: ['probe', 'direction'],
    registers,
    collect() {
      this.reset();
      for (const { name, last } of probes.list()) {
        for (const direction of ['there', 'back'] as const) {
          const seconds = last?.[direction].seconds;
          if (seconds !== undefined && seconds !== null) this.set({ probe: name, direction }, seconds);
        }
      }
    },
  });
  return registry;
}
