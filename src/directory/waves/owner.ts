/** Whose mailbox an address leads to: exact or alias first, then the base of a sub-address (R11). */
import { type Mailbox, mailboxKey, parseMailbox } from '../../mail/address.ts';
import type { DirectoryEntry } from '../ports.ts';

export interface Owner {
  readonly entry: DirectoryEntry;
  /** It was found by its base: `user+tag@`. */
  readonly isSubAddress: boolean;
}

export function ownerOf(version: { find(key: string): DirectoryEntry | undefined }, address: Mailbox): Owner | undefined {
  const exact = version.find(mailboxKey(address));
  if (exact !== undefined) return { entry: exact, isSubAddress: false };
  const plus = address.localPart.indexOf('+');
  const base = plus < 1 ? undefined : version.find(`${address.localPart.slice(0, plus).toLowerCase()}@${address.domain}`);
  return base === undefined ? undefined : { entry: base, isSubAddress: true };
}

/** The same for an address as a record has it. */
export function ownerOfText(version: Parameters<typeof ownerOf>[0], text: string | undefined): Owner | undefined {
  const address = text === undefined ? undefined : parseMailbox(text);
  return address === undefined ? undefined : ownerOf(version, address);
}
