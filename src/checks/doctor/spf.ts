/**
 * SPF (RFC 7208) as far as a check needs it: the record with everything it includes is read once, within bounds, and then
 * asked about our addresses. It is no verifier of mail: macros are not expanded, so what hangs on them is unknown.
 */
import { isIP } from 'node:net';
import type { DnsQuery } from '../../platform/dns-query.ts';
import { addressesOf, isIn } from './addresses.ts';

/** RFC 7208 §4.6.4 */
export const MOST_LOOKUPS = 10;
/** Where reading stops: beyond it the number does not matter. */
const STOP = 20;
const MOST_EXCHANGERS = 10;

export type SpfResult = 'pass' | 'fail' | 'softfail' | 'neutral' | 'none' | 'unknown';

interface Term {
  readonly qualifier: string;
  /** As it is written. */
  readonly text: string;
  readonly matches:
    | { readonly kind: 'all' }
    | { readonly kind: 'networks'; readonly networks: readonly string[] }
    | { readonly kind: 'include'; readonly record: SpfTree | undefined }
    | { readonly kind: 'never' }
    | { readonly kind: 'unknown' };
}

export interface SpfTree {
  readonly domain: string;
  readonly text: string;
  readonly terms: readonly Term[];
  readonly redirect?: SpfTree | 'unknown';
}

export interface SpfReading {
  /** The records of the domain that begin with v=spf1; more than one is a mistake (§4.5). */
  readonly records: readonly string[];
  readonly tree?: SpfTree;
  /** Terms that cost a lookup, in the whole tree; over MOST_LOOKUPS it is a permanent error. */
  readonly lookups: number;
  /** All names that are included, at any depth. */
  readonly includes: readonly string[];
  /** What makes it a permanent error besides. */
  readonly problems: readonly string[];
  readonly unanswered: readonly string[];
}

/** Never rejects. */
export async function readSpf(dns: DnsQuery, domain: string): Promise<SpfReading> {
  const reader = new Reader(dns);
  const records = await reader.recordsOf(domain);
  const [first] = records ?? [];
  const tree = records?.length === 1 && first !== undefined ? await reader.read(domain, first, []) : undefined;
  return {
    records: records ?? [],
    ...(tree !== undefined && { tree }),
    lookups: reader.lookups,
    includes: reader.includes,
    problems: reader.problems,
    unanswered: reader.unanswered,
  };
}

/** What a receiver makes of mail from this address. */
export function spfResult(tree: SpfTree, address: string): SpfResult {
  for (const { qualifier, matches } of tree.terms) {
    const match = doesMatch(matches, address);
    if (match === 'unknown') return 'unknown';
    if (match) return RESULTS[qualifier] ?? 'pass';
  }
  if (tree.redirect === undefined) return 'neutral';
  return tree.redirect === 'unknown' ? 'unknown' : spfResult(tree.redirect, address);
}

/** The term with which everybody may send, where there is one. */
export function openTerm(tree: SpfTree): string | undefined {
  const own = tree.terms.find(
    ({ qualifier, matches }) =>
      qualifier === '+' &&
      (matches.kind === 'all' || (matches.kind === 'networks' && matches.networks.some((one) => /\/[0-3]$/.test(one)))),
  );
  return own?.text ?? (typeof tree.redirect === 'object' ? openTerm(tree.redirect) : undefined);
}

const RESULTS: Readonly<Record<string, SpfResult>> = { '+': 'pass', '-': 'fail', '~': 'softfail', '?': 'neutral' };

function doesMatch(matches: Term['matches'], address: string): boolean | 'unknown' {
  switch (matches.kind) {
    case 'all':
      return true;
    case 'networks':
      return isIn(matches.networks, address);
    case 'include': {
      const result = matches.record === undefined ? 'unknown' : spfResult(matches.record, address);
      return result === 'unknown' ? 'unknown' : result === 'pass';
    }
    case 'never':
      return false;
    case 'unknown':
      return 'unknown';
  }
}

class Reader {
  readonly #dns: DnsQuery;
  lookups = 0;
  readonly includes: string[] = [];
  readonly problems: string[] = [];
  readonly unanswered: string[] = [];

  constructor(dns: DnsQuery) {
    this.#dns = dns;
  }

  /** `undefined` where DNS does not answer. */
  async recordsOf(domain: string): Promise<string[] | undefined> {
    const answer = await this.#dns.ask(domain, 'TXT');
    if (answer.kind === 'unanswered') {
      this.unanswered.push(`${domain}: ${answer.why}`);
      return undefined;
    }
    return answer.kind === 'found' ? answer.records.map(({ value }) => value).filter((text) => /^v=spf1(?: |$)/i.test(text)) : [];
  }

  async read(domain: string, text: string, path: readonly string[]): Promise<SpfTree> {
    const terms: Term[] = [];
    let redirect: SpfTree | 'unknown' | undefined;
    for (const word of text.split(/ +/).slice(1).filter(Boolean)) {
      const modifier = /^([a-z][a-z0-9_.-]*)=(.*)$/i.exec(word);
      if (modifier === null) terms.push(await this.#term(domain, word, [...path, domain]));
      else if (modifier[1]?.toLowerCase() === 'redirect')
        redirect = (await this.#other(modifier[2] ?? '', word, [...path, domain])) ?? 'unknown';
    }
    // §6.1: redirect counts only where nothing matches, and "all" always does
    const hasAll = terms.some(({ matches }) => matches.kind === 'all');
    return { domain, text, terms, ...(redirect !== undefined && !hasAll && { redirect }) };
  }

  async #term(domain: string, text: string, path: readonly string[]): Promise<Term> {
    const [, qualifier = '', name = '', value, bits4, bits6] =
      /^([+?~-]?)([a-z][a-z0-9]*)(?::([^/]*))?(?:\/(\d{1,3}))?(?:\/\/(\d{1,3}))?$/i.exec(text) ?? [];
    const term = (matches: Term['matches']): Term => ({ qualifier: qualifier === '' ? '+' : qualifier, text, matches });
    const kind = name.toLowerCase();
    switch (kind) {
      case 'all':
        return term({ kind: 'all' });
      case 'ip4':
      case 'ip6': {
        const written = text.slice(text.indexOf(':') + 1);
        const address = written.replace(/\/\d{1,3}$/, '');
        if (isIP(address) !== (kind === 'ip4' ? 4 : 6)) return this.#wrong(domain, term({ kind: 'never' }));
        return term({ kind: 'networks', networks: [written] });
      }
      case 'include':
        return term({ kind: 'include', record: await this.#other(value ?? '', text, path) });
      case 'a':
      case 'mx': {
        this.lookups += 1;
        const target = value ?? domain;
        if (target.includes('%')) return term({ kind: 'unknown' });
        const networks = this.lookups > STOP ? undefined : await this.#hosts(kind, target, bits4, bits6);
        return term(networks === undefined ? { kind: 'unknown' } : { kind: 'networks', networks });
      }
      case 'ptr':
      case 'exists':
        this.lookups += 1;
        return term({ kind: 'unknown' });
      default:
        return this.#wrong(domain, term({ kind: 'never' }));
    }
  }

  #wrong(domain: string, term: Term): Term {
    this.problems.push(`"${term.text}" in the record of ${domain} is no term of SPF`);
    return term;
  }

  /** The record that `include` or `redirect` leads to; `undefined` where it is not known. */
  async #other(name: string, text: string, path: readonly string[]): Promise<SpfTree | undefined> {
    this.lookups += 1;
    const domain = name.toLowerCase().replace(/\.$/, '');
    if (domain.includes('%') || this.lookups > STOP) return undefined;
    this.includes.push(domain);
    if (path.includes(domain)) {
      this.problems.push(`"${text}" leads back to ${domain}`);
      return undefined;
    }
    const records = await this.recordsOf(domain);
    if (records === undefined) return undefined;
    const [first] = records;
    if (records.length !== 1 || first === undefined) {
      // §5.2: none is a permanent error of the whole record
      this.problems.push(`"${text}": ${domain} has ${records.length === 0 ? 'no' : records.length} SPF records`);
      return undefined;
    }
    return await this.read(domain, first, path);
  }

  async #hosts(kind: 'a' | 'mx', target: string, bits4 = '32', bits6 = '128'): Promise<string[] | undefined> {
    let hosts = [target];
    if (kind === 'mx') {
      const answer = await this.#dns.ask(target, 'MX');
      if (answer.kind === 'unanswered') {
        this.unanswered.push(`${target}: ${answer.why}`);
        return undefined;
      }
      hosts =
        answer.kind === 'found'
          ? answer.records
              .map(({ value }) => value)
              .filter(Boolean)
              .slice(0, MOST_EXCHANGERS)
          : [];
    }
    const found = await Promise.all(hosts.map((host) => addressesOf(this.#dns, host)));
    for (const { name, unanswered } of found) if (unanswered !== undefined) this.unanswered.push(`${name}: ${unanswered}`);
    return found.flatMap(({ addresses }) => addresses).map((address) => `${address}/${isIP(address) === 4 ? bits4 : bits6}`);
  }
}
