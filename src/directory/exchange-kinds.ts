/**
 * Exchange's types of recipients in our words, and where each one's mail goes (coexistence.md 4.3 b, e). Pure; the one
 * table for LDIF, LDAP and the CSV exports.
 */
import type { Domain, Mailbox } from '../mail/address.ts';
import type { RecipientKind } from './ports.ts';

/** What an export or a directory server says of one object. */
export interface ExchangeFacts {
  /** msExchRecipientTypeDetails in decimal digits (64 bits), or the name that PowerShell has for it; `''` is absent. */
  readonly typeDetails?: string;
  /** RecipientType of Get-Recipient, which counts where there are no details. */
  readonly recipientType?: string;
  /** The object classes, any case. They decide where Exchange has no type (2000/2003 schema). */
  readonly objectClasses?: readonly string[];
  /** homeMDB or msExchHomeServerName is there: the mailbox stands on our own server. */
  readonly hasHome?: boolean;
  /** targetAddress, RemoteRoutingAddress or ExternalEmailAddress, without its `SMTP:`. */
  readonly targetAddress?: Mailbox;
}

export interface ExchangePlace {
  readonly kind: RecipientKind;
  readonly route: 'on-premises' | 'cloud';
  /** Only where the route is cloud; absent: the default one. */
  readonly routingAddress?: Mailbox;
  /** The mailbox is on-premises, and its targetAddress sends on to the cloud. */
  readonly forwardsTo?: Mailbox;
  /** What an administrator should look at; the words of a warning. */
  readonly doubt?: { readonly problem: string; readonly remedy: string };
}

/** `here`: on our server. `away`: a remote mailbox. `target`: where its targetAddress says. */
type Where = 'here' | 'away' | 'target';
interface Row {
  readonly kind: RecipientKind;
  readonly where: Where;
}

const row = (kind: RecipientKind, where: Where): Row => ({ kind, where });
const MAILBOX = row('mailbox', 'here');
const GROUP = row('group', 'here');

/** By the name in lower case. A remote room is a room whose mail goes to the cloud, and so on. */
const BY_NAME: ReadonlyMap<string, Row> = new Map([
  ['usermailbox', MAILBOX],
  ['linkedmailbox', MAILBOX],
  ['legacymailbox', MAILBOX],
  ['discoverymailbox', MAILBOX],
  ['arbitrationmailbox', MAILBOX],
  ['systemmailbox', MAILBOX],
  ['sharedmailbox', row('shared', 'here')],
  ['teammailbox', row('shared', 'here')],
  ['roommailbox', row('room', 'here')],
  ['equipmentmailbox', row('equipment', 'here')],
  ['mailcontact', row('contact', 'target')],
  ['mailforestcontact', row('contact', 'target')],
  ['mailuser', row('mail-user', 'target')],
  ['remoteusermailbox', row('remote-mailbox', 'away')],
  ['remoteroommailbox', row('room', 'away')],
  ['remoteequipmentmailbox', row('equipment', 'away')],
  ['remotesharedmailbox', row('shared', 'away')],
  ['remoteteammailbox', row('shared', 'away')],
  ['mailuniversaldistributiongroup', GROUP],
  ['mailuniversalsecuritygroup', GROUP],
  ['mailnonuniversalgroup', GROUP],
  ['dynamicdistributiongroup', GROUP],
  ['roomlist', GROUP],
  ['groupmailbox', GROUP],
  ['publicfolder', row('public-folder', 'here')],
  ['publicfoldermailbox', row('public-folder', 'here')],
]);

/** msExchRecipientTypeDetails, one bit each; the numbers over 32 bits are why they are kept as text. */
const NAMES: ReadonlyMap<string, string> = new Map([
  ['1', 'UserMailbox'],
  ['2', 'LinkedMailbox'],
  ['4', 'SharedMailbox'],
  ['8', 'LegacyMailbox'],
  ['16', 'RoomMailbox'],
  ['32', 'EquipmentMailbox'],
  ['64', 'MailContact'],
  ['128', 'MailUser'],
  ['256', 'MailUniversalDistributionGroup'],
  ['512', 'MailNonUniversalGroup'],
  ['1024', 'MailUniversalSecurityGroup'],
  ['2048', 'DynamicDistributionGroup'],
  ['4096', 'PublicFolder'],
  ['2147483648', 'RemoteUserMailbox'],
  ['8589934592', 'RemoteRoomMailbox'],
  ['17179869184', 'RemoteEquipmentMailbox'],
  ['34359738368', 'RemoteSharedMailbox'],
]);

/** msExchRecipientTypeDetails and names of what has no mail that could be routed: accounts, plans, what Exchange keeps for itself. */
const NO_RECIPIENTS: ReadonlySet<string> = new Set(
  [
    '65536 User 131072 Contact 262144 UniversalDistributionGroup 524288 UniversalSecurityGroup 1048576 NonUniversalGroup',
    '2097152 DisabledUser DisabledLinkedUser UserAccount 4194304 MicrosoftExchange 16777216 MailboxPlan 33554432 LinkedUser',
    '1073741824 RoleGroup 4294967296 Computer 549755813888 MonitoringMailbox 4398046511104 AuditLogMailbox',
    '70368744177664 AuxAuditLogMailbox',
  ]
    .join(' ')
    .toLowerCase()
    .split(' '),
);

/** Whether a type (digits or name) is one that never has mail to be routed. */
export const hasNoMail = (type: string): boolean => NO_RECIPIENTS.has(type.trim().toLowerCase());

/**
 * Where an object's mail goes; `undefined` where nothing says that Exchange has mail for it (a user without a mailbox).
 * `routingDomains` are `cloud.routing-domains`.
 */
export function exchangePlace(facts: ExchangeFacts, routingDomains: ReadonlySet<Domain>): ExchangePlace | undefined {
  if (facts.typeDetails !== undefined && hasNoMail(facts.typeDetails)) return undefined;
  const known = rowOf(facts.typeDetails) ?? rowOf(facts.recipientType) ?? rowByShape(facts);
  if (known === undefined) return undefined;
  const { kind, where } = known;
  const { targetAddress } = facts;
  const isToCloud = targetAddress !== undefined && routingDomains.has(targetAddress.domain);
  if (where === 'target') {
    return isToCloud ? { kind, route: 'cloud', routingAddress: targetAddress } : { kind, route: 'on-premises' };
  }
  if (where === 'away') {
    if (targetAddress !== undefined) return { kind, route: 'cloud', routingAddress: targetAddress };
    return {
      kind,
      route: 'cloud',
      doubt: {
        problem:
          'its mailbox is in the cloud, and it has no targetAddress (RemoteRoutingAddress): on-premises mail for it bounces',
        remedy: 'Set-RemoteMailbox -RemoteRoutingAddress; until then the relay uses the default routing address',
      },
    };
  }
  if (!isToCloud) return { kind, route: 'on-premises' };
  return {
    kind,
    route: 'on-premises',
    forwardsTo: targetAddress,
    doubt: {
      problem: `its mailbox is on-premises, and its targetAddress sends on to ${targetAddress.address} (a staged migration)`,
      remedy: 'Remove the targetAddress, or where the mailbox has moved: directory set ADDRESS --route cloud',
    },
  };
}

/** The kind alone, for exports that say nothing of routes. */
export function exchangeKind(typeDetails: string): RecipientKind | undefined {
  return rowOf(typeDetails)?.kind;
}

function rowOf(type: string | undefined): Row | undefined {
  if (type === undefined) return undefined;
  const name = type.trim();
  return BY_NAME.get((NAMES.get(name) ?? name).toLowerCase());
}

/** Exchange 2000 and 2003 write no type: the home server, the class and the target tell. */
function rowByShape({ objectClasses = [], hasHome = false, targetAddress }: ExchangeFacts): Row | undefined {
  const classes = new Set(objectClasses.map((name) => name.toLowerCase()));
  if (classes.has('group') || classes.has('msexchdynamicdistributionlist')) return GROUP;
  if (classes.has('publicfolder')) return row('public-folder', 'here');
  if (hasHome) return MAILBOX;
  if (classes.has('contact')) return row('contact', 'target');
  return targetAddress === undefined ? undefined : row('mail-user', 'target');
}
