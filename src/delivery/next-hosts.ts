/** From a connector and a domain to the targets to try, in order. Names are looked up once a minute, not once a message. */
import { isIP } from 'node:net';
import type { Outcome } from '../mail/attempt.ts';
import type { Connector } from '../mail/route.ts';
import { tlsDestinationOf, tlsFor } from '../mail/tls-policy.ts';
import type { Clock } from '../platform/clock.ts';
import type { MailHost, MailResolver } from './mx.ts';
import type { Pool, Target } from './pool.ts';

/** Where to try, in order, or why there is nowhere. */
export type NextHosts = { readonly targets: readonly Target[] } | { readonly outcome: Outcome };

const FRESH = 60_000; // ms; DNS gives us no TTL of MX records
const MOST_NAMES = 10_000;
/** RFC 5321 §5.1 asks for two addresses at least; more than this many dead ones are not a better try. */
const MOST_TARGETS = 8;

interface Known {
  readonly next: NextHosts;
  readonly until: number;
}

export class NextHostFinder {
  readonly #resolver: MailResolver;
  readonly #pool: Pool;
  readonly #clock: Clock;
  readonly #hostname: string;
  readonly #mxPort: number;
  readonly #connectors = new WeakMap<Connector, Map<string, Known>>();
  readonly #pending = new WeakMap<Connector, Map<string, Promise<NextHosts>>>();
  #turn = 0;

  constructor(resolver: MailResolver, pool: Pool, clock: Clock, hostname: string, mxPort: number) {
    this.#resolver = resolver;
    this.#pool = pool;
    this.#clock = clock;
    this.#hostname = hostname;
    this.#mxPort = mxPort;
  }

  /** Without a promise where the answer is at hand. */
  find(connector: Connector, destination: string): NextHosts | Promise<NextHosts> {
    // domains that go to the same hosts have the same targets, but where their TLS differs
    const key = connector.nextHop.kind === 'mx' ? destination : (tlsDestinationOf(connector, destination)?.pattern ?? '');
    const known = this.#connectors.get(connector)?.get(key);
    const now = this.#clock.monotonic();
    if (known !== undefined && known.until > now) return this.#ordered(connector, known.next, now);
    return this.#lookUp(connector, key, destination).then((next) => this.#ordered(connector, next, this.#clock.monotonic()));
  }

  /** `balance` begins one further each time; hosts that took no connection of late come last. */
  #ordered(connector: Connector, next: NextHosts, now: number): NextHosts {
    if ('outcome' in next || next.targets.length === 1) return next;
    let { targets } = next;
    if (connector.nextHop.kind === 'smart-hosts' && connector.nextHop.order === 'balance') {
      this.#turn = (this.#turn + 1) % Number.MAX_SAFE_INTEGER;
      const first = this.#turn % targets.length;
      targets = [...targets.slice(first), ...targets.slice(0, first)];
    }
    if (targets.some(({ downUntil }) => downUntil > now)) {
      targets = [...targets.filter(({ downUntil }) => downUntil <= now), ...targets.filter(({ downUntil }) => downUntil > now)];
    }
    return targets === next.targets ? next : { targets };
  }

  #lookUp(connector: Connector, key: string, domain: string): Promise<NextHosts> {
    const pending = entry(this.#pending, connector);
    const waiting = pending.get(key);
    if (waiting !== undefined) return waiting;
    const found = this.#resolve(connector, domain).then((next) => {
      pending.delete(key);
      // a failure of DNS is asked again by the next message, which comes at the pace of the retry schedule
      if ('targets' in next || next.outcome.kind === 'failed') {
        const known = entry(this.#connectors, connector);
        if (known.size >= MOST_NAMES) known.clear();
        known.set(key, { next, until: this.#clock.monotonic() + FRESH });
      }
      return next;
    });
    pending.set(key, found);
    return found;
  }

  async #resolve(connector: Connector, domain: string): Promise<NextHosts> {
    const { nextHop, ip } = connector;
    switch (nextHop.kind) {
      case 'mx': {
        const resolution = await this.#resolver.exchangers(domain, ip);
        if ('outcome' in resolution) return resolution;
        return { targets: this.#targets(connector, domain, 'smtp', resolution.hosts, this.#mxPort) };
      }
      case 'smart-hosts': {
        const resolutions = await Promise.all(nextHop.hosts.map(({ host }) => this.#resolver.host(host, ip)));
        const targets = resolutions.flatMap((resolution, i) =>
          'hosts' in resolution ? this.#targets(connector, domain, 'smtp', resolution.hosts, nextHop.hosts[i]?.port ?? 25) : [],
        );
        const lack = resolutions.find((resolution) => 'outcome' in resolution);
        return targets.length === 0 && lack !== undefined ? lack : { targets };
      }
      case 'lmtp': {
        const { endpoint } = nextHop;
        if ('unix' in endpoint) return { targets: [this.#target(connector, domain, 'lmtp', endpoint.unix, endpoint)] };
        const resolution = await this.#resolver.host(endpoint.host, ip);
        if ('outcome' in resolution) return resolution;
        return { targets: this.#targets(connector, domain, 'lmtp', resolution.hosts, endpoint.port) };
      }
      case 'maildir':
        return { targets: [] };
    }
  }

  #targets(connector: Connector, domain: string, protocol: 'smtp' | 'lmtp', hosts: readonly MailHost[], port: number): Target[] {
    // a socket bound to an address of one family reaches only that family
    const family = connector.sourceAddress === undefined ? 0 : isIP(connector.sourceAddress);
    return hosts
      .flatMap(({ name, addresses }) =>
        addresses
          .filter((address) => family === 0 || isIP(address) === family)
          .map((address) => this.#target(connector, domain, protocol, name, { address, port })),
      )
      .slice(0, MOST_TARGETS);
  }

  #target(connector: Connector, domain: string, protocol: 'smtp' | 'lmtp', name: string, endpoint: Target['endpoint']): Target {
    return this.#pool.target({
      protocol,
      connector: connector.name,
      name,
      endpoint,
      tls: tlsFor({ connector, domain, host: name, isLocal: 'unix' in endpoint }),
      helo: connector.helo ?? this.#hostname,
      sourceAddress: connector.sourceAddress,
    });
  }
}

function entry<V>(of: WeakMap<Connector, Map<string, V>>, connector: Connector): Map<string, V> {
  let map = of.get(connector);
  if (map === undefined) {
    map = new Map();
    of.set(connector, map);
  }
  return map;
}
