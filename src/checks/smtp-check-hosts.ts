/** The addresses of a host, and the mail exchangers of a domain, as `smtp-check` looks at them. */
import { lookup, Resolver } from 'node:dns/promises';
import { isIP } from 'node:net';

/** A domain with more exchangers than this is looked at from its best ones on. */
const MOST_EXCHANGERS = 10;
const MOST_ADDRESSES = 8;

export type Found<T> = { readonly found: T } | { readonly problem: string };

export class HostLookup {
  readonly #resolver = new Resolver({ timeout: 3_000, tries: 2 });
  readonly #isSystem: boolean;

  /** `host:port`; empty: the system's. */
  constructor(servers: readonly string[]) {
    this.#isSystem = servers.length === 0;
    if (!this.#isSystem) this.#resolver.setServers(servers);
  }

  /** Never rejects. */
  async addresses(host: string, ip: 4 | 6 | 'any'): Promise<Found<readonly string[]>> {
    if (isIP(host) !== 0) return { found: [host] };
    try {
      const found = await this.#ask(host, ip);
      const kind = ip === 'any' ? '' : `IPv${ip} `;
      return found.length > 0 ? { found: found.slice(0, MOST_ADDRESSES) } : { problem: `${host} has no ${kind}address in DNS` };
    } catch (error) {
      return { problem: `the address of ${host} could not be looked up (${codeOf(error)})` };
    }
  }

  /** By preference; the domain itself where it has no MX (RFC 5321 §5.1). Never rejects. */
  async exchangers(domain: string): Promise<Found<readonly string[]>> {
    try {
      const records = await this.#resolver.resolveMx(domain);
      const sorted = records.toSorted((a, b) => a.priority - b.priority || a.exchange.localeCompare(b.exchange));
      const [first] = sorted;
      if (sorted.length === 1 && (first?.exchange === '' || first?.exchange === '.'))
        return { problem: `${domain} takes no mail: its MX is null (RFC 7505)` };
      return { found: sorted.slice(0, MOST_EXCHANGERS).map(({ exchange }) => exchange.toLowerCase()) };
    } catch (error) {
      const code = codeOf(error);
      if (code === 'ENODATA') return { found: [domain] };
      return code === 'ENOTFOUND'
        ? { problem: `the domain ${domain} does not exist in DNS` }
        : { problem: `the MX of ${domain} could not be looked up (${code})` };
    }
  }

  async #ask(host: string, ip: 4 | 6 | 'any'): Promise<string[]> {
    if (this.#isSystem) {
      // also what /etc/hosts says, which the resolver leaves out
      const all = await lookup(host, { all: true, family: ip === 'any' ? 0 : ip }).catch(unlessAbsent);
      return all.map(({ address }) => address);
    }
    const wanted = await Promise.all([
      ip === 6 ? [] : this.#resolver.resolve4(host).catch(unlessAbsent),
      ip === 4 ? [] : this.#resolver.resolve6(host).catch(unlessAbsent),
    ]);
    return wanted.flat();
  }
}

const codeOf = (error: unknown): string => (error as NodeJS.ErrnoException).code ?? String(error);

function unlessAbsent(error: unknown): never[] {
  if (['ENOTFOUND', 'ENODATA'].includes(codeOf(error))) return [];
  throw error;
}
