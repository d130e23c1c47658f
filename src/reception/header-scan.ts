/** Reads the header of a message as it streams by, within bounds (design.md D11). It changes nothing and never fails. */

import { authservIdOf } from '../mail/authentication.ts';
import { isReserved } from '../mail/header-firewall.ts';
import { authorDomains, type OwnDomains } from './own-domains.ts';

/** Octets of header that are looked at; what follows counts as body. */
const HEADER_LIMIT = 256 * 1024;
/** Octets of one field that are kept. */
const FIELD_LIMIT = 8 * 1024;
const MESSAGE_ID_LIMIT = 998;
/** Room for the name of a From field that was cut at the limit. */
const FROM_NAME = 64;
/** Octets of Received fields that are kept of one message, and of each of them. */
const CLAIMS_LENGTH = 4096;
const CLAIM_LENGTH = 1024;
/** Names of fields, and authors' domains, that are kept of one message. */
const MOST_NAMES = 32;

export interface HeaderScanSettings {
  /** All our own names, lower case (G8). */
  readonly relayNames: readonly string[];
  /** Header fields, names in lower case, and the values that prove our own tenant (C1). */
  readonly tenantHeaders: ReadonlyMap<string, string>;
  /** Look for the fields of header-firewall.ts. */
  readonly headerFirewall?: boolean;
  /** Look for Authentication-Results by these ids, lower case. */
  readonly authservIds?: readonly string[];
  /** Look whose domains From claims; absent: it is not looked at. */
  readonly watched?: OwnDomains | undefined;
}

/** Received fields that are kept: filters pass a message on among themselves a few times, not more. */
const HOPS_KEPT = 8;

/** Takes the chunks of one message in wire form, until `done`. */
export class HeaderScan {
  done = false;
  /** Value of the first Message-ID field. */
  messageId: string | undefined;
  /** Received fields. */
  received = 0;
  /** Their text, unfolded, from the top: what the message says of its way before us. What is too long, and all below it, is left out. */
  readonly claims: string[] = [];
  private claimsLength = 0;
  /** Received fields whose `by` names one of our own names. */
  ownHops = 0;
  /** Names of fields that only our own servers may write, lower case. */
  readonly reserved = new Set<string>();
  /** Domains in From fields. */
  readonly authors = new Set<string>();
  /** A From field, or the header, was too long to be read whole. */
  authorsUnknown = false;
  /** Set to an empty list: the topmost Received fields are kept here, unfolded. */
  hops: string[] | undefined;

  private readonly settings: HeaderScanSettings;
  private readonly proofs = new Map<string, boolean>();
  /** The field being read, unfolded as far as it came; '' for one that is of no interest. */
  private field = '';
  /** A line whose end has not come. */
  private partial = '';
  private seen = 0;

  constructor(settings: HeaderScanSettings) {
    this.settings = settings;
  }

  /** All configured fields are there with their values, and none with another. */
  get tenantProof(): boolean {
    const { tenantHeaders } = this.settings;
    if (tenantHeaders.size === 0) return false;
    for (const name of tenantHeaders.keys()) if (this.proofs.get(name) !== true) return false;
    return true;
  }

  take(chunk: Buffer): void {
    if (this.done) return;
    const blank = chunk.indexOf('\r\n\r\n');
    const end = Math.min(blank < 0 ? chunk.length : blank + 4, HEADER_LIMIT - this.seen);
    this.seen += end;
    const text = this.partial + chunk.toString('latin1', 0, end);
    let start = 0;
    for (;;) {
      const lf = text.indexOf('\n', start);
      if (lf < 0) break;
      this.line(text, start, text.charCodeAt(lf - 1) === 13 ? lf - 1 : lf);
      if (this.done) return;
      start = lf + 1;
    }
    if (this.seen >= HEADER_LIMIT) {
      this.authorsUnknown = true;
      this.end();
    } else this.partial = start < text.length ? text.slice(start, start + FIELD_LIMIT) : '';
  }

  /** The message is over. */
  end(): void {
    if (this.done) return;
    this.finishField();
    this.done = true;
    this.partial = '';
  }

  private line(text: string, start: number, end: number): void {
    if (end <= start) {
      this.end();
      return;
    }
    const first = text.charCodeAt(start);
    if (first === 32 || first === 9) {
      if (this.field !== '' && this.field.length < FIELD_LIMIT)
        this.field += ` ${text.slice(start + 1, Math.min(end, start + FIELD_LIMIT))}`; // a record with tabs takes long to write
      return;
    }
    if (this.field !== '') this.finishField();
    if (this.isOfInterest(text, start, first | 32)) {
      this.field = text.slice(start, Math.min(end, start + FIELD_LIMIT));
    }
  }

  /** By the first letters: r, m, and those of fields that the settings ask for. */
  private isOfInterest(text: string, start: number, letter: number): boolean {
    if (letter === 114 || letter === 109) return true;
    const { tenantHeaders, headerFirewall, watched, authservIds } = this.settings;
    if (tenantHeaders.size > 0) return true;
    // x-ms-...
    if (letter === 120) return headerFirewall === true && (text.charCodeAt(start + 2) | 32) === 109;
    if (letter === 102) return watched !== undefined;
    return letter === 97 && authservIds !== undefined && authservIds.length > 0;
  }

  private finishField(): void {
    const field = this.field;
    this.field = '';
    const colon = field.indexOf(':');
    if (colon < 1) return;
    const name = field.slice(0, colon).trimEnd().toLowerCase();
    if (name === 'received') {
      this.received += 1;
      this.claim(field);
      if (this.hops !== undefined && this.hops.length < HOPS_KEPT) this.hops.push(field);
      if (namesBy(field, this.settings.relayNames)) this.ownHops += 1;
    } else if (name === 'message-id') {
      if (this.messageId === undefined) {
        const value = field
          .slice(colon + 1)
          .replace(/[\u0000-\u001f\u007f]/g, ' ')
          .trim();
        if (value !== '') this.messageId = value.slice(0, MESSAGE_ID_LIMIT);
      }
    } else if (name === 'from') {
      this.readAuthors(field.slice(colon + 1));
    } else if (name === 'authentication-results') {
      const id = authservIdOf(field.slice(colon + 1));
      if (id !== undefined && this.settings.authservIds?.includes(id) === true) this.reserve(name);
    } else if (this.settings.headerFirewall === true && isReserved(name)) {
      this.reserve(name);
    } else {
      const expected = this.settings.tenantHeaders.get(name);
      if (expected === undefined) return;
      const same =
        field
          .slice(colon + 1)
          .trim()
          .toLowerCase() === expected.toLowerCase();
      this.proofs.set(name, same && this.proofs.get(name) !== false);
    }
  }

  private claim(field: string): void {
    // Whole or not at all: a field without its end could seem to say "no TLS"
    if (field.length > CLAIM_LENGTH || this.claimsLength + field.length > CLAIMS_LENGTH) this.claimsLength = CLAIMS_LENGTH;
    if (this.claimsLength >= CLAIMS_LENGTH) return;
    this.claims.push(field);
    this.claimsLength += field.length;
  }

  private reserve(name: string): void {
    if (this.reserved.size < MOST_NAMES) this.reserved.add(name);
  }

  private readAuthors(value: string): void {
    if (this.settings.watched === undefined) return;
    // a From that long is none that a person reads: what it claims is not known
    if (value.length >= FIELD_LIMIT - FROM_NAME) this.authorsUnknown = true;
    for (const domain of authorDomains(value)) {
      if (this.authors.size < MOST_NAMES) this.authors.add(domain);
      else this.authorsUnknown = true;
    }
  }
}

/** Whether the `by` of a Received field (RFC 5321 §4.4) is one of these names; comments do not count. */
function namesBy(field: string, names: readonly string[]): boolean {
  const lower = field.toLowerCase();
  if (!names.some((name) => lower.includes(name))) return false;
  const by = /[\s:]by\s+([^\s;]+)/.exec(withoutComments(lower))?.[1];
  return by !== undefined && names.includes(by.endsWith('.') ? by.slice(0, -1) : by);
}

function withoutComments(text: string): string {
  let out = '';
  let depth = 0;
  for (let i = 0; i < text.length; i++) {
    const c = text[i];
    if (c === '\\' && depth > 0) i += 1;
    else if (c === '(') depth += 1;
    else if (c === ')' && depth > 0) depth -= 1;
    else if (depth === 0) out += c;
    if (c === ')' && depth === 0) out += ' ';
  }
  return out;
}
