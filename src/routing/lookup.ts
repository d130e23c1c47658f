/** A recipient in the directory: exact or alias first, then an X.500 name, then the base of a sub-address; and its address in the cloud. */
import { type Mailbox, mailbox, mailboxKey } from '../mail/address.ts';
import type { CompiledRouting } from './compile.ts';
import { x500KeyOf } from './imceaex.ts';
import type { ActiveDirectory, DirectoryEntry } from './ports.ts';

export interface Found {
  readonly entry: DirectoryEntry;
  /** What stands behind `+`, where the base was found and not the address itself (R11). */
  readonly tag?: string;
}

/** R9: an X.500 name finds its owner. R11: an exact entry wins, so that a legitimate `+` in a local part stays what it is. */
export function find(routing: CompiledRouting, directory: ActiveDirectory, recipient: Mailbox): Found | undefined {
  const exact = directory.find(mailboxKey(recipient));
  if (exact !== undefined) return { entry: exact };
  const x500 = x500KeyOf(recipient.localPart);
  if (x500 !== undefined) {
    // R9: the name has no domain of its own, and `+` in it is no tag
    const owner = directory.find(x500);
    return owner === undefined ? undefined : { entry: owner };
  }
  const plus = recipient.localPart.indexOf('+');
  if (plus < 1) return undefined;
  const base = directory.find(`${recipient.localPart.slice(0, plus).toLowerCase()}@${recipient.domain}`);
  return base === undefined ? undefined : { entry: base, tag: recipient.localPart.slice(plus + 1) };
}

/**
 * RCPT TO at the cloud: the owner's routing address, for an alias too (R10); `base+tag@` for a sub-address, which the
 * cloud resolves exact first, then base. `undefined` where there is no routing domain.
 */
export function cloudAddress(routing: CompiledRouting, recipient: Mailbox, found: Found | undefined): Mailbox | undefined {
  if (found === undefined && routing.isRoutingDomain(recipient.domain)) return recipient;
  const domain = routing.routingDomains[0];
  const written = found?.entry.routingAddress;
  if (written === undefined && domain === undefined) return undefined;
  const base = written ?? mailbox((found?.entry.address ?? recipient).localPart, domain ?? recipient.domain);
  if (base === undefined || found?.tag === undefined || found.tag === '') return base;
  return mailbox(`${base.localPart}+${found.tag}`, base.domain) ?? base;
}
