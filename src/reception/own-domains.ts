/** Domains of ours that a sender claims (G5, R8): in MAIL FROM, or as the author in From. Pure. */
import { parseDomain } from '../mail/address.ts';
import type { ReversePath } from '../mail/envelope.ts';

/** The accepted domains, for a look-up on every message. */
export class OwnDomains {
  readonly #names: ReadonlySet<string>;
  /** Domains whose subdomains are ours too, each with a dot in front. */
  readonly #parents: readonly string[];
  readonly #first: string | undefined;

  constructor(domains: readonly { readonly name: string; readonly includeSubdomains: boolean }[]) {
    this.#names = new Set(domains.map(({ name }) => name));
    this.#parents = domains.filter(({ includeSubdomains }) => includeSubdomains).map(({ name }) => `.${name}`);
    this.#first = domains[0]?.name;
  }

  has(domain: string): boolean {
    return this.#names.has(domain) || this.#parents.some((parent) => domain.endsWith(parent));
  }

  /** Stands for a claim that could not be read. */
  get first(): string | undefined {
    return this.#first;
  }
}

/** The domains of ours that a message claims; `undefined` where it claims none, or nobody wants to know. */
export function claimsOf(
  own: OwnDomains | undefined,
  sender: ReversePath,
  authors: { readonly authors: ReadonlySet<string>; readonly authorsUnknown: boolean },
): string[] | undefined {
  if (own === undefined) return undefined;
  const claimed = new Set<string>();
  if (sender !== null && own.has(sender.domain)) claimed.add(sender.domain);
  for (const domain of authors.authors) if (own.has(domain)) claimed.add(domain);
  // what cannot be read is taken for the worst: it is authenticated like any claim, and no more
  if (authors.authorsUnknown && own.first !== undefined && claimed.size === 0) claimed.add(own.first);
  return claimed.size === 0 ? undefined : [...claimed];
}

/**
 * Domains of the addresses in a From field (RFC 5322 §3.6.2, octets as Latin-1): whatever stands behind an @ outside
 * quoted strings and comments, for mail programs differ in what they show of a malformed field.
 */
export function authorDomains(value: string): string[] {
  const domains: string[] = [];
  for (const [, written = ''] of bare(value).matchAll(/@\s*([^\s<>,;:()"[\]\\@]+)/g)) {
    const domain = parseDomain(Buffer.from(written, 'latin1').toString('utf8'));
    if (domain !== undefined) domains.push(domain);
  }
  return domains;
}

/** Without quoted strings and comments. */
function bare(text: string): string {
  if (!/["(]/.test(text)) return text;
  let out = '';
  let depth = 0;
  let quoted = false;
  for (let i = 0; i < text.length; i++) {
    const c = text[i];
    if ((quoted || depth > 0) && c === '\\') i += 1;
    else if (quoted) quoted = c !== '"';
    else if (c === '(') depth += 1;
    else if (c === ')' && depth > 0) depth -= 1;
    else if (depth === 0) {
      if (c === '"') quoted = true;
      else out += c;
    }
  }
  // an end that never comes hides nothing: a reader may show what stands behind it
  return quoted || depth > 0 ? text : out;
}
