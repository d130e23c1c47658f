/** One object of Active Directory as a recipient (coexistence.md 4.3 e): the same for LDIF and for LDAP. Pure. */
import type { Domain, Mailbox } from '../mail/address.ts';
import { exchangePlace } from './exchange-kinds.ts';
import type { DirectoryRecord } from './ports.ts';
import { readProxyAddresses, readTargetAddress } from './proxy-addresses.ts';

/** What is asked for, and what an LDIF export should hold. */
export const OBJECT_ATTRIBUTES = [
  'objectClass',
  'mail',
  'proxyAddresses',
  'targetAddress',
  'legacyExchangeDN',
  'homeMDB',
  'msExchHomeServerName',
  'msExchRecipientTypeDetails',
  'member',
] as const;
export type ObjectAttribute = (typeof OBJECT_ATTRIBUTES)[number];

export interface DirectoryObject {
  readonly dn: string;
  /** All values of an attribute as text; none where it is absent. */
  values(attribute: ObjectAttribute): readonly string[];
}

/** A recipient and what is odd about it, or why it is none. Members are left to who knows all objects. */
export type ObjectReading =
  | { readonly record: DirectoryRecord; readonly oddities: readonly Oddity[] }
  | { readonly record?: undefined; readonly oddities: readonly Oddity[] };

export interface Oddity {
  readonly address: string;
  readonly problem: string;
  readonly remedy: string;
}

/** Reads one object. `line` is where it stands in a file, 0 for a live source. No record and no oddity: it has no mail. */
export function readObject(object: DirectoryObject, routingDomains: ReadonlySet<Domain>, line: number): ObjectReading {
  const oddities: Oddity[] = [];
  const { primary, aliases, x500, broken } = readProxyAddresses(object.values('proxyAddresses'));
  const address = primary ?? mailOf(object) ?? aliases[0];
  const shown = address?.address ?? object.dn.slice(0, 200);
  for (const { problem } of broken)
    oddities.push({ address: shown, problem, remedy: `Mend proxyAddresses of ${object.dn.slice(0, 200)}` });
  // with its primary address broken it would come in under another name
  if (address === undefined || (primary === undefined && broken.length > 0)) return { oddities };
  const written = object.values('targetAddress')[0];
  const targetAddress = written === undefined ? undefined : readTargetAddress(written);
  const place = exchangePlace(
    {
      ...first(object, 'msExchRecipientTypeDetails', 'typeDetails'),
      objectClasses: object.values('objectClass'),
      hasHome: object.values('homeMDB').length > 0 || object.values('msExchHomeServerName').length > 0,
      ...(targetAddress === undefined ? {} : { targetAddress }),
    },
    routingDomains,
  );
  if (place === undefined) return { oddities };
  if (place.doubt !== undefined) oddities.push({ address: address.address, ...place.doubt });
  const legacy = object.values('legacyExchangeDN').filter((name) => name.startsWith('/') && !x500.includes(name));
  const keys = [...legacy, ...x500];
  return {
    oddities,
    record: {
      address,
      route: place.route,
      ...(place.routingAddress === undefined ? {} : { routingAddress: place.routingAddress }),
      aliases: aliases.filter((alias) => alias !== address),
      ...(place.forwardsTo === undefined ? {} : { forwardsTo: place.forwardsTo }),
      kind: place.kind,
      primary: 'on-premises',
      ...(keys.length === 0 ? {} : { x500: keys }),
      line,
    },
  };
}

/** Where there is no `SMTP:` address (Exchange 2000 left it out at times), `mail` is the primary one. */
function mailOf(object: DirectoryObject): Mailbox | undefined {
  const mail = object.values('mail')[0];
  return mail === undefined ? undefined : readTargetAddress(mail);
}

function first(object: DirectoryObject, attribute: ObjectAttribute, name: 'typeDetails'): { readonly typeDetails?: string } {
  const value = object.values(attribute)[0];
  return value === undefined ? {} : { [name]: value };
}
