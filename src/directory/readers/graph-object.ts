/** One object of Microsoft Graph (user, group, orgContact) as a recipient (coexistence.md 4.3 f). Pure. */
import { type Domain, type Mailbox, mailboxKey } from '../../mail/address.ts';
import type { DirectoryRecord } from '../ports.ts';
import { readProxyAddresses, readTargetAddress } from '../proxy-addresses.ts';
import type { AddressMistake } from './address-text.ts';
import { withRoutingAlias } from './object-records.ts';

export type GraphObject = Readonly<Record<string, unknown>>;

/** What is asked of Graph, for `$select`. */
export const USER_PROPERTIES =
  'id,displayName,userPrincipalName,mail,mailNickname,proxyAddresses,accountEnabled,userType,onPremisesSyncEnabled,assignedPlans';

/**
 * Plans of the service "exchange" that give nobody a mailbox: EXCHANGE_S_FOUNDATION (in nearly every licence),
 * MICROSOFTBOOKINGS, LOCKBOX_ENTERPRISE.
 */
const NO_MAILBOX: ReadonlySet<string> = new Set([
  '113feb6c-3fe4-4440-bddc-54d774bf0318',
  '199a5c09-e0ca-4e37-8f7c-b05d533e1ea2',
  '9f431833-0334-42de-a7dc-70aa40db46db',
]);

export interface GraphChecks {
  readonly routingDomains: ReadonlySet<Domain>;
  /** Keys (`mailboxKey`) of mailboxes that are known to be in the cloud, where somebody listed them. */
  readonly cloudMailboxes?: ReadonlySet<string>;
}

export type GraphReading =
  | {
      readonly is: 'recipient';
      readonly record: DirectoryRecord;
      readonly broken: readonly AddressMistake[];
      readonly doubt?: 'no-proof';
    }
  /** In the cloud alone, with addresses and without proof of a mailbox. */
  | { readonly is: 'unproven'; readonly address: Mailbox }
  /** No mail, or nothing that we know. */
  | { readonly is: 'none' };

/**
 * A user is in the cloud with an enabled Exchange plan, or where `cloudMailboxes` has it. An address in a routing domain
 * proves nothing: directory synchronisation stamps it on mailboxes that stand on-premises.
 */
export function readGraphObject(object: GraphObject, checks: GraphChecks, line: number): GraphReading {
  const what = whatIs(object);
  if (what === 'nothing') return { is: 'none' };
  const { primary, aliases, x500, broken } = readProxyAddresses(texts(object['proxyAddresses']));
  const mail = text(object['mail']);
  const address = primary ?? readTargetAddress(mail) ?? aliases[0];
  if (address === undefined) return { is: 'none' };
  const isSynced = object['onPremisesSyncEnabled'] === true;
  const base = {
    address,
    aliases: aliases.filter((alias) => alias !== address),
    primary: 'on-premises',
    ...(x500.length === 0 ? {} : { x500 }),
    line,
  } as const;
  const recipient = (route: 'on-premises' | 'cloud', kind: string, doubt?: 'no-proof'): GraphReading => ({
    is: 'recipient',
    record: withRoutingAlias({ ...base, route, kind }, checks.routingDomains),
    broken,
    ...(doubt === undefined ? {} : { doubt }),
  });
  switch (what) {
    case 'group': {
      const reading = recipient(isSynced ? 'on-premises' : 'cloud', 'group');
      const members = membersOf(object);
      if (reading.is !== 'recipient' || members.length === 0) return reading;
      return { ...reading, record: { ...reading.record, members } };
    }
    case 'contact': {
      // its mail goes to its own address: in a routing domain that is a user in the cloud
      const target = readTargetAddress(mail) ?? address;
      return recipient(checks.routingDomains.has(target.domain) ? 'cloud' : 'on-premises', 'contact');
    }
    case 'user': {
      const isListed = [address, ...aliases].some((box) => checks.cloudMailboxes?.has(mailboxKey(box)) === true);
      if (isListed || hasMailboxPlan(object['assignedPlans'])) return recipient('cloud', 'mailbox');
      return isSynced ? recipient('on-premises', 'mail-user', 'no-proof') : { is: 'unproven', address };
    }
  }
}

function whatIs(object: GraphObject): 'user' | 'group' | 'contact' | 'nothing' {
  const type = text(object['@odata.type']).toLowerCase();
  if (type.endsWith('.group') || 'groupTypes' in object || 'mailEnabled' in object || 'securityEnabled' in object)
    return object['mailEnabled'] === false ? 'nothing' : 'group';
  if (type.endsWith('.orgcontact')) return 'contact';
  if (type.endsWith('.user') || 'userPrincipalName' in object)
    return text(object['userType']).toLowerCase() === 'guest' ? 'nothing' : 'user';
  return 'proxyAddresses' in object || 'mail' in object ? 'contact' : 'nothing';
}

function hasMailboxPlan(plans: unknown): boolean {
  if (!Array.isArray(plans)) return false;
  return plans.some((plan: unknown) => {
    const { service, capabilityStatus, servicePlanId } = (plan ?? {}) as Record<string, unknown>;
    return (
      text(service).toLowerCase() === 'exchange' &&
      text(capabilityStatus).toLowerCase() === 'enabled' &&
      !NO_MAILBOX.has(text(servicePlanId).toLowerCase())
    );
  });
}

/** `$expand=members`: each with its addresses, or its mail alone. */
function membersOf(object: GraphObject): Mailbox[] {
  const members = object['members'];
  if (!Array.isArray(members)) return [];
  return members.flatMap((member: unknown) => {
    const { proxyAddresses, mail } = (member ?? {}) as Record<string, unknown>;
    const { primary } = readProxyAddresses(texts(proxyAddresses));
    return primary ?? readTargetAddress(text(mail)) ?? [];
  });
}

const text = (value: unknown): string => (typeof value === 'string' ? value.trim() : '');
const texts = (value: unknown): string[] => (Array.isArray(value) ? value.filter((one) => typeof one === 'string') : []);
