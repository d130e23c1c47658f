/**
 * DNS block lists (RFC 5782), where an administrator names some: asked when a client from outside connects, awaited at
 * its first recipient. A list that does not answer in time, or answers nonsense, lets the client pass.
 */
import { Resolver } from 'node:dns/promises';
import { reply } from '../mail/reply.ts';
import type { Log } from '../platform/logger.ts';
import { ipv6Groups, plainAddress } from './peers.ts';
import type { Admission, AdmissionQuery, BlockList, BlockListSettings, RecipientAdmission } from './ports.ts';

/** Milliseconds a list has, from the connect on. */
const DEADLINE = 3_000;
/** Answers that are kept, of all lists together. */
const KEPT = 20_000;
/** Questions under way; beyond them clients pass unasked. */
const AT_ONCE = 1_000;
/** Milliseconds that an answer is kept, whatever its TTL says. A list's "no" carries none that Node would tell. */
const SHORTEST = 60_000;
const LONGEST = 3_600_000;
const NOT_LISTED_FOR = 300_000;
/** After a failure the list is asked again for the next client that comes so much later. */
const FAILED_FOR = 10_000;
/** Characters of a list's own text that a client gets to read. */
const TEXT = 200;

export interface Listing {
  readonly zone: string;
  readonly enforced: boolean;
  /** What the list says of it; empty where it says nothing. */
  readonly text: string;
}

interface Known {
  /** `undefined`: on no list. A promise while the lists are asked. */
  answer: Listing | undefined | Promise<Listing | undefined>;
  until: number;
}

export interface ListCounts {
  listed: number;
  notListed: number;
  /** No answer in time, or one that means nothing. */
  failed: number;
}

export class BlockLists {
  private settings: BlockListSettings;
  private resolver: Resolver;
  private readonly known = new Map<string, Known>();
  private readonly log: Log;
  private readonly now: () => number;
  private asking = 0;
  /** Per zone. */
  readonly counts = new Map<string, ListCounts>();

  /** `now`: milliseconds that never jump. */
  constructor(settings: BlockListSettings, log: Log, now: () => number) {
    this.settings = settings;
    this.resolver = resolverFor(settings);
    this.log = log;
    this.now = now;
  }

  change(settings: BlockListSettings): void {
    if (JSON.stringify(settings) === JSON.stringify(this.settings)) return;
    this.settings = settings;
    this.resolver = resolverFor(settings);
    this.known.clear();
  }

  /** Begins to ask all lists about a client, where that is not known. */
  ask(address: string): void {
    const lists = this.settings.lists.filter(({ mode }) => mode !== 'off');
    if (lists.length === 0) return;
    const now = this.now();
    const known = this.known.get(address);
    if (known !== undefined && known.until > now) return;
    if (this.asking + lists.length > AT_ONCE) return;
    this.known.delete(address);
    const oldest = this.known.size >= KEPT ? this.known.keys().next() : undefined;
    if (oldest?.done === false) this.known.delete(oldest.value);
    const entry: Known = { answer: undefined, until: now + LONGEST };
    this.known.set(address, entry);
    entry.answer = this.askAll(lists, address).then(({ listing, keep }) => {
      entry.answer = listing;
      entry.until = this.now() + keep;
      return listing;
    });
  }

  /** What is known of a client that was asked about. */
  listingOf(address: string): Listing | undefined | Promise<Listing | undefined> {
    return this.known.size === 0 ? undefined : this.known.get(address)?.answer;
  }

  private async askAll(lists: readonly BlockList[], address: string): Promise<{ listing: Listing | undefined; keep: number }> {
    const name = reversed(plainAddress(address));
    const answers = await Promise.all(lists.map((list) => this.askOne(list, `${name}.${list.zone}`)));
    const listed = answers.filter(({ listing }) => listing !== undefined);
    // one that refuses counts before one that is only watched
    const first = listed.find(({ listing }) => listing?.enforced === true) ?? listed[0];
    const keep = Math.min(...answers.map((answer) => answer.keep));
    if (first?.listing !== undefined) this.log.info({ client: address, ...first.listing }, 'client is on a block list');
    return { listing: first?.listing, keep };
  }

  /** Never rejects. */
  private async askOne(list: BlockList, name: string): Promise<{ listing?: Listing; keep: number }> {
    const counts = this.countsOf(list.zone);
    this.asking += 1;
    let timer: NodeJS.Timeout | undefined;
    try {
      const late = new Promise<never>((_, reject) => {
        timer = setTimeout(() => reject(new Error('no answer in time')), DEADLINE);
      });
      return await Promise.race([this.look(list, name, counts), late]);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'ENOTFOUND' || code === 'ENODATA') {
        counts.notListed += 1;
        return { keep: NOT_LISTED_FOR };
      }
      counts.failed += 1;
      this.log.debug({ err: error, zone: list.zone }, 'block list did not answer');
      return { keep: FAILED_FOR };
    } finally {
      clearTimeout(timer);
      this.asking -= 1;
    }
  }

  private async look(list: BlockList, name: string, counts: ListCounts): Promise<{ listing?: Listing; keep: number }> {
    const answers = await this.resolver.resolve4(name, { ttl: true });
    const hit = answers.find(({ address }) => isListed(address, list));
    if (hit === undefined) {
      const isSense = list.answers.length > 0 && answers.some(({ address }) => isListing(address));
      if (isSense) counts.notListed += 1;
      else counts.failed += 1;
      if (!isSense)
        this.log.warn({ zone: list.zone, answers: answers.map(({ address }) => address) }, 'block list answers nonsense');
      return { keep: isSense ? NOT_LISTED_FOR : FAILED_FOR };
    }
    counts.listed += 1;
    const texts = await this.resolver.resolveTxt(name).catch(() => []);
    const text = printable((texts[0] ?? []).join(''));
    return {
      listing: { zone: list.zone, enforced: list.mode === 'enforce', text },
      keep: Math.min(LONGEST, Math.max(SHORTEST, hit.ttl * 1000)),
    };
  }

  private countsOf(zone: string): ListCounts {
    let counts = this.counts.get(zone);
    if (counts === undefined) this.counts.set(zone, (counts = { listed: 0, notListed: 0, failed: 0 }));
    return counts;
  }
}

/** Asks the lists before `next`: who is on one is refused every recipient but postmaster (RFC 5321 §4.5.1). */
export function behindBlockLists(lists: BlockLists, next: RecipientAdmission): RecipientAdmission {
  const decide = (listing: Listing | undefined, query: AdmissionQuery): Admission | Promise<Admission> => {
    if (listing === undefined || query.recipient.localPart.toLowerCase() === 'postmaster') return next.admit(query);
    if (listing.enforced) return refused(query.client.address, listing);
    const answer = next.admit(query);
    return answer instanceof Promise ? answer.then((one) => watched(one, listing)) : watched(answer, listing);
  };
  return {
    admit(query) {
      if (query.client.peer !== 'external') return next.admit(query);
      const listing = lists.listingOf(query.client.address);
      return listing instanceof Promise ? listing.then((one) => decide(one, query)) : decide(listing, query);
    },
  };
}

function refused(address: string, { zone, text }: Listing): Admission {
  const why = text === '' ? '' : `; ${text}`;
  return { reply: reply(550, '5.7.1', `Client [${address}] is on the block list ${zone}${why}`), reason: `block list ${zone}` };
}

function watched(admission: Admission, { zone }: Listing): Admission {
  const before = admission.reason === undefined ? '' : `${admission.reason}; `;
  return { ...admission, reason: `${before}on the block list ${zone} (monitored)` };
}

function isListed(address: string, { answers }: BlockList): boolean {
  return answers.length === 0 ? isListing(address) : answers.includes(address);
}

/** RFC 5782 §2.1 has lists answer in 127.0.0.0/8; 127.255.255.0/24 is how they say that we may not ask. */
function isListing(address: string): boolean {
  return address.startsWith('127.') && !address.startsWith('127.255.255.');
}

/** RFC 5782 §2.1, §2.4: octets, or nibbles, the last one first. */
function reversed(address: string): string {
  if (!address.includes(':')) return address.split('.').reverse().join('.');
  const nibbles = ipv6Groups(address).flatMap((group) => group.padStart(4, '0').split(''));
  return nibbles.reverse().join('.');
}

function printable(text: string): string {
  return text.replace(/[^ -~]+/g, ' ').slice(0, TEXT);
}

function resolverFor({ servers }: BlockListSettings): Resolver {
  const resolver = new Resolver({ timeout: 1_500, tries: 2 });
  if (servers.length > 0) resolver.setServers(servers);
  return resolver;
}
