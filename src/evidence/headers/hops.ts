/** The hops of a message in the order of travel, and how far their fields can be believed. Pure. */
import { isInternal, isLoopback } from './addresses.ts';
import { parseReceived, type ReceivedField, type TlsClaim } from './received.ts';

/** One hop, in the form of `headers --json` (contract.md); what the field does not say is null. */
export interface Hop {
  readonly 'from-host': string | null;
  readonly 'from-ip': string | null;
  readonly 'by-host': string | null;
  readonly with: string | null;
  readonly id: string | null;
  readonly for: string | null;
  /** ISO 8601 with its offset; without one where the header says `-0000` or nothing. */
  readonly date: string | null;
  readonly tls: TlsClaim;
  /** `TLSv1.2`; null where it is not told, and for `TLSv1/SSLv3`, which is the name of a cipher family. */
  readonly 'tls-version': string | null;
  readonly cipher: string | null;
  /** Written by a host that is named as ours, with nothing but such hosts' fields above it. */
  readonly trusted: boolean;
  /** Since the hop before whose time is known; negative where clocks disagree. */
  readonly 'delay-seconds': number | null;
  readonly helo: string | null;
  readonly 'by-ip': string | null;
  readonly via: string | null;
  /** Where its name and its address both stay on one host, absence of TLS is no finding. */
  readonly 'on-host': boolean;
}

export interface Chain {
  readonly hops: readonly Hop[];
  /** Why the hop below the boundary is not believed although it names one of our hosts; absent where it does not. */
  readonly doubt?: string;
}

/**
 * `fields` are the Received fields from the top of the header, the newest first; `ours` the names of our hosts
 * (`mx1.example.com`, `*.example.com`).
 */
export function chainOf(fields: readonly string[], ours: readonly string[]): Chain {
  const read = fields.map(parseReceived);
  const { trusted, doubt } = boundary(read, ours);
  const hops: Hop[] = [];
  let before: number | null = null;
  for (let i = read.length - 1; i >= 0; i--) {
    const field = read[i];
    if (field === undefined) continue;
    const { instant } = field;
    hops.push(hopOf(field, i < trusted, instant === null || before === null ? null : Math.round((instant - before) / 1000)));
    before = instant ?? before;
  }
  return { hops, ...(doubt === undefined ? undefined : { doubt }) };
}

function hopOf(field: ReceivedField, trusted: boolean, delay: number | null): Hop {
  return {
    'from-host': field.fromHost,
    'from-ip': field.fromIp,
    'by-host': field.byHost,
    with: field.protocol,
    id: field.id,
    for: field.recipient,
    date: field.date,
    tls: field.tls,
    'tls-version': field.tlsVersion,
    cipher: field.cipher,
    trusted,
    'delay-seconds': delay,
    helo: field.helo,
    'by-ip': field.byIp,
    via: field.via,
    'on-host': field.fromIp !== null && isLoopback(field.fromIp),
  };
}

/**
 * How many fields from the top were written by hosts of ours. The first one that another host wrote ends it, and so does
 * one of ours that took the message from a stranger: whatever stands below, that stranger could have written (R19).
 */
function boundary(read: readonly ReceivedField[], ours: readonly string[]): { trusted: number; doubt?: string } {
  const isOurs = matcherOf(ours);
  let trusted = 0;
  for (const [i, field] of read.entries()) {
    if (field.byHost === null || !isOurs(field.byHost)) break;
    const above = read[i - 1];
    const stranger = above === undefined ? undefined : strangerAt(above, ours);
    if (stranger !== undefined)
      return {
        trusted,
        doubt: `${above?.byHost ?? ''} took the message from ${stranger}, and none of the names given covers that`,
      };
    trusted += 1;
  }
  return { trusted };
}

/** Who handed the message over, where that was surely no host of ours. */
function strangerAt({ fromIp, fromHost, helo, reverseName }: ReceivedField, ours: readonly string[]): string | undefined {
  if (fromIp === null || isInternal(fromIp)) return undefined;
  // A name that the writer looked up counts for more than one that the client gave itself
  const names = reverseName === null ? [fromHost, helo] : [reverseName];
  const near = matcherOf(ours.map(organisationOf).map((domain) => `*.${domain}`));
  if (names.some((name) => name !== null && near(name))) return undefined;
  return `${reverseName ?? fromHost ?? 'a client'} [${fromIp}]`;
}

/** `example.com` of `*.mail.example.com`: hosts of one organisation may hand over by other names than they receive by. */
function organisationOf(name: string): string {
  const labels = plain(name).replace(/^\*\./, '').split('.');
  // example.co.uk
  const public3 = labels.length > 2 && (labels.at(-1)?.length ?? 0) === 2 && (labels.at(-2)?.length ?? 0) <= 3;
  return labels.slice(public3 ? -3 : -2).join('.');
}

/** `*.example.com` stands for example.com and all below it. */
function matcherOf(names: readonly string[]): (host: string) => boolean {
  const exact = new Set(names.map(plain));
  const below = names.map(plain).flatMap((name) => (name.startsWith('*.') ? [name.slice(2)] : []));
  return (host) => {
    const name = plain(host);
    return exact.has(name) || below.some((domain) => name === domain || name.endsWith(`.${domain}`));
  };
}

function plain(name: string): string {
  const lower = name.trim().toLowerCase();
  return lower.endsWith('.') ? lower.slice(0, -1) : lower;
}
