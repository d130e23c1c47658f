/** EmailAddresses and proxyAddresses: `SMTP:` the primary one, `smtp:` an alias, `X500:` a key for old replies (coexistence.md 1.1). Pure. */
import { type Mailbox, mailboxKey } from '../mail/address.ts';
import { type AddressMistake, isMistake, readAddress } from './readers/address-text.ts';

export interface ProxyAddresses {
  readonly primary?: Mailbox;
  readonly aliases: readonly Mailbox[];
  readonly x500: readonly string[];
  /** SMTP addresses that are none, or deceive the eye. */
  readonly broken: readonly AddressMistake[];
}

const TYPED = /^([A-Za-z0-9-]{1,20}):\s*(.*)$/s;

/**
 * Reads the typed addresses of one object. Other types (SIP, SPO, X400, EUM ...) are no mail. A space behind the colon is
 * taken (Graph's own documentation writes one), an address without a type is an alias, and what stands twice counts once.
 */
export function readProxyAddresses(values: Iterable<string>): ProxyAddresses {
  let primary: Mailbox | undefined;
  const aliases = new Map<string, Mailbox>();
  const x500: string[] = [];
  const broken: AddressMistake[] = [];
  for (const value of values) {
    const [, type = 'smtp', written = value] = TYPED.exec(value.trim()) ?? [];
    const address = written.trim();
    if (type.toLowerCase() === 'x500') x500.push(address);
    if (type.toLowerCase() !== 'smtp') continue;
    const box = readAddress(address, 'address');
    if (isMistake(box)) broken.push(box);
    else if (type === 'SMTP' && primary === undefined) primary = box;
    else aliases.set(mailboxKey(box), box);
  }
  if (primary !== undefined) aliases.delete(mailboxKey(primary));
  return { ...(primary === undefined ? {} : { primary }), aliases: [...aliases.values()], x500, broken };
}

/** targetAddress, RemoteRoutingAddress or ExternalEmailAddress: `SMTP:` in either case before it, or nothing. */
export function readTargetAddress(value: string): Mailbox | undefined {
  const read = readAddress(value.trim().replace(/^smtp:\s*/i, ''), 'address');
  return isMistake(read) ? undefined : read;
}
