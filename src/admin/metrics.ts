/** The Prometheus metrics. Nothing is counted here: a scrape reads what `Activity` and the ports know. */
import { Counter, collectDefaultMetrics, Gauge, type Metric, Registry } from 'prom-client';
import type { Clock } from '../platform/clock.ts';
import { type Activity, DURATION_BOUNDS } from './activity.ts';
import type { AdminPorts } from './ports.ts';

export function createMetrics(
  activity: Activity,
  ports: Pick<AdminPorts, 'queue' | 'connectors' | 'status'>,
  clock: Clock,
): Registry {
  const registry = new Registry();
  const registers = [registry];
  collectDefaultMetrics({ register: registry });
  new Counter({
    name: 'bridgehead_events_total',
    help: 'Event records by event and connector',
    labelNames: ['event', 'connector'],
    registers,
    collect() {
      this.reset();
      for (const [event, counts] of activity.events)
        for (const [connector, count] of counts) this.inc({ event, connector }, count);
    },
  });
  new Counter({
    name: 'bridgehead_tls_results_total',
    help: 'How mail came (in) and what attempts ended in (out), by TLS result',
    labelNames: ['direction', 'result'],
    registers,
    collect() {
      this.reset();
      for (const direction of ['in', 'out'] as const) {
        for (const [result, count] of activity.tls[direction]) this.inc({ direction, result }, count);
      }
    },
  });
  registry.registerMetric(durations(activity));
  new Gauge({
    name: 'bridgehead_queue_messages',
    help: 'Messages in the spool, by the connector of the last attempt; empty before the first',
    labelNames: ['connector'],
    registers,
    collect() {
      this.reset();
      for (const connector of ports.connectors.all()) this.set({ connector: connector.name }, 0);
      for (const { connector, messages } of ports.queue.stats().connectors) this.set({ connector: connector ?? '' }, messages);
    },
  });
  new Gauge({
    name: 'bridgehead_queue_oldest_seconds',
    help: 'Age of the oldest message in the spool, by the connector of the last attempt',
    labelNames: ['connector'],
    registers,
    collect() {
      this.reset();
      for (const { connector, messages, oldest } of ports.queue.stats().connectors) {
        if (messages > 0) this.set({ connector: connector ?? '' }, Math.max(0, (clock.now() - oldest) / 1000));
      }
    },
  });
  new Gauge({
    name: 'bridgehead_queue_bytes',
    help: 'Octets of all bodies in the spool',
    registers,
    collect() {
      this.set(ports.queue.stats().bytes);
    },
  });
  new Gauge({
    name: 'bridgehead_connector_paused',
    help: '1 where the connector is paused',
    labelNames: ['connector'],
    registers,
    collect() {
      this.reset();
      for (const { name } of ports.connectors.all())
        this.set({ connector: name }, ports.connectors.paused(name) === undefined ? 0 : 1);
    },
  });
  new Gauge({
    name: 'bridgehead_tls_worse_hops',
    help: 'Next hops whose TLS is worse than it was, by what happened: clear, unverified, key, protocol, issuer',
    labelNames: ['connector', 'kind'],
    registers,
    collect() {
      this.reset();
      for (const { name } of ports.connectors.all()) {
        for (const { finding } of ports.connectors.learnedTls(name))
          if (finding !== undefined) this.inc({ connector: name, kind: finding.kind });
      }
    },
  });
  new Gauge({
    name: 'bridgehead_accepting',
    help: '1 while mail is accepted',
    registers,
    collect() {
      this.set(ports.status.state().accepting ? 1 : 0);
    },
  });
  return registry;
}

/** A histogram whose buckets are counted where the event passes: prom-client's own would hash its labels each time. */
function durations(activity: Activity): Metric {
  const name = 'bridgehead_delivery_seconds';
  const help = 'Attempts at a next hop, from the first command to the reply';
  const metric = {
    name,
    help,
    type: 'histogram',
    aggregator: 'sum',
    get() {
      const values: { metricName: string; labels: Record<string, string | number>; value: number }[] = [];
      for (const [connector, { buckets, sum, count }] of activity.durations) {
        let below = 0;
        for (const [i, bound] of [...DURATION_BOUNDS, '+Inf'].entries()) {
          below += buckets[i] ?? 0;
          values.push({ metricName: `${name}_bucket`, labels: { connector, le: bound }, value: below });
        }
        values.push({ metricName: `${name}_sum`, labels: { connector }, value: sum });
        values.push({ metricName: `${name}_count`, labels: { connector }, value: count });
      }
      return Promise.resolve({ name, help, type: 'histogram', aggregator: 'sum', values });
    },
  };
  return metric as unknown as Metric;
}
