/** `domain mx NAME cloud|relay`: the guarded end of a migration. It changes no DNS; it says what to change, and remembers. */
import { readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { type Domain, isWithin } from '../mail/address.ts';
import type { Clock } from '../platform/clock.ts';
import { makeDirectory, replaceFile } from '../platform/files.ts';
import { lookUpMailDns } from './mail-dns.ts';
import { type MxStep, toCloud, toRelay } from './mx-advice.ts';
import type { DirectoryEntry } from './ports.ts';

export type MxSide = 'cloud' | 'relay';

/** Where the MX of a domain is meant to point. Times in ISO 8601. */
export interface MxState {
  readonly mx: MxSide;
  readonly since: string;
  readonly who: string;
  /** Recipients that were on-premises then. */
  readonly remaining: number;
}

export interface MxDomain {
  readonly name: Domain;
  readonly includeSubdomains: boolean;
  readonly unknownRecipients: 'reject' | 'on-premises' | 'cloud';
  /** As the settings have it; what was switched since wins. */
  readonly mx: MxSide;
}

export interface MxSwitchSettings {
  readonly domains: readonly MxDomain[];
  readonly routingDomains: readonly Domain[];
  readonly relayNames: readonly string[];
  /** `host:port`; empty: the system's. */
  readonly dnsServers: readonly string[];
  /** Where the states are kept; absolute path. */
  readonly file: string;
}

/** Recipients that are not in the cloud. */
export interface Remaining {
  readonly count: number;
  readonly kinds: Readonly<Record<string, number>>;
  /** The first of them: `anna@example.com (mailbox, on-premises)`. */
  readonly list: readonly string[];
}

/** What `domain mx --json` prints. */
export interface MxSwitched {
  readonly domain: string;
  readonly mx: MxSide;
  /** Whether it is noted; where not, `refused` has the reason. */
  readonly done: boolean;
  readonly refused: string | null;
  readonly since: string | null;
  readonly remaining: Remaining;
  readonly steps: readonly MxStep[];
  readonly notes: readonly string[];
}

export interface MxSwitchRequest {
  readonly domain: string;
  readonly to: MxSide;
  /** Switch although recipients remain on-premises. */
  readonly withRemaining?: boolean;
  readonly who: string;
}

export interface MxSwitchDeps {
  readonly clock: Clock;
  readonly directory: { active(): { entries(): Iterable<DirectoryEntry> } };
}

const NAMED = 100;
const IN_ONE_GO = 2000;

export class MxSwitches {
  #settings: MxSwitchSettings;
  readonly #deps: MxSwitchDeps;
  readonly #states: Map<string, MxState>;

  /** Reads what was kept. Throws where the file is there and cannot be read: a guess would undo a switch. */
  constructor(settings: MxSwitchSettings, deps: MxSwitchDeps) {
    this.#settings = settings;
    this.#deps = deps;
    this.#states = readStates(settings.file);
  }

  reconfigure(settings: MxSwitchSettings): void {
    this.#settings = settings;
  }

  /** Where the MX of a domain is meant to point, and since when it was switched (`null`: as the settings say). */
  state(domain: string): { readonly mx: MxSide; readonly since: string | null } | undefined {
    const known = this.#settings.domains.find(({ name }) => name === domain.toLowerCase());
    if (known === undefined) return undefined;
    const state = this.#states.get(known.name);
    return state === undefined ? { mx: known.mx, since: null } : { mx: state.mx, since: state.since };
  }

  /** Switches, or refuses and says why. `undefined`: no such domain. Rejects where the state cannot be kept. */
  async switch({ domain, to, withRemaining = false, who }: MxSwitchRequest): Promise<MxSwitched | undefined> {
    const known = this.#settings.domains.find(({ name }) => name === domain.toLowerCase());
    if (known === undefined) return undefined;
    const remaining = await this.#remaining(known);
    const refused = to === 'cloud' && remaining.count > 0 && !withRemaining;
    const dns = await lookUpMailDns(known.name, this.#settings.routingDomains[0], this.#settings.dnsServers);
    const advice = { domain: known.name, dns, relayNames: this.#settings.relayNames, hasRemaining: remaining.count > 0 };
    const notes = [
      ...(dns.mx === undefined
        ? [`DNS does not answer for the MX of ${known.name}; the lines below are without its present values`]
        : []),
      ...(to === 'cloud' && known.unknownRecipients === 'on-premises'
        ? [
            `Recipients that the directory does not know go on-premises (unknown-recipients of ${known.name}); behind the new MX the cloud refuses them. "bridgehead directory check" names what the directory lacks`,
          ]
        : []),
    ];
    if (!refused)
      this.#keep(known.name, { mx: to, since: new Date(this.#deps.clock.now()).toISOString(), who, remaining: remaining.count });
    return {
      domain: known.name,
      mx: this.state(known.name)?.mx ?? known.mx,
      done: !refused,
      refused: refused
        ? `${remaining.count} ${remaining.count === 1 ? 'recipient is' : 'recipients are'} not in the cloud yet; move them, or say --with-remaining where the cloud sends their mail on to the relay`
        : null,
      since: this.state(known.name)?.since ?? null,
      remaining,
      steps: refused ? [] : to === 'cloud' ? toCloud(advice) : toRelay(advice),
      notes,
    };
  }

  /** Test users (`probe`) never count. */
  async #remaining({ name, includeSubdomains }: MxDomain): Promise<Remaining> {
    const kinds: Record<string, number> = {};
    const list: string[] = [];
    let count = 0;
    let seen = 0;
    for (const { address, route, kind = 'mailbox' } of this.#deps.directory.active().entries()) {
      if (++seen % IN_ONE_GO === 0) await setImmediate();
      if (route === 'cloud' || kind === 'probe') continue;
      if (address.domain !== name && !(includeSubdomains && isWithin(address.domain, name))) continue;
      count++;
      kinds[kind] = (kinds[kind] ?? 0) + 1;
      if (list.length < NAMED) list.push(`${address.address} (${kind}, ${route})`);
    }
    return { count, kinds, list };
  }

  #keep(domain: Domain, state: MxState): void {
    const before = this.#states.get(domain);
    // said again: it is so since the first time
    this.#states.set(domain, before?.mx === state.mx ? { ...state, since: before.since } : state);
    try {
      makeDirectory(dirname(this.#settings.file));
      replaceFile(this.#settings.file, `${JSON.stringify(Object.fromEntries(this.#states), null, 1)}\n`);
    } catch (error) {
      // what is not on disk does not count: a restart would forget it
      if (before === undefined) this.#states.delete(domain);
      else this.#states.set(domain, before);
      throw error;
    }
  }
}

function readStates(file: string): Map<string, MxState> {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return new Map();
    throw error;
  }
  return new Map(Object.entries(JSON.parse(text) as Record<string, MxState>));
}
