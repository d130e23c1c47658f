/** The exact lines that mend what a check found: PowerShell for either Exchange, and our own command line. */
import type { CheckCommand } from './findings.ts';

/** A PowerShell string in single quotes, in which nothing is special but quotes, and PowerShell takes curly ones for such. */
export const quoted = (text: string): string => `'${text.replace(/['\u2018\u2019\u201a\u201b]/g, '$&$&')}'`;

/** A word of a POSIX shell. */
export const shellWord = (text: string): string => (/^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`);

const onPremises = (line: string): CheckCommand => ({ where: 'on-premises', line });
const cloud = (line: string): CheckCommand => ({ where: 'cloud', line });
const relay = (line: string): CheckCommand => ({ where: 'relay', line });

/** Directory synchronisation carries a change to the cloud within 30 minutes, or at once with this. */
export const syncNow = onPremises('Start-ADSyncSyncCycle -PolicyType Delta');

export const COMMANDS = {
  setRoute: (address: string, route: 'cloud' | 'on-premises', reason: string): CheckCommand =>
    relay(`bridgehead directory set ${shellWord(address)} --route ${route} --reason ${shellWord(reason)}`),
  explain: (address: string): CheckCommand => relay(`bridgehead explain ${shellWord(address)}`),
  importAgain: relay('bridgehead directory import FILE'),
  checkOnPremises: relay('bridgehead directory check --on-premises FILE'),
  verifyDomain: (domain: string): CheckCommand => relay(`bridgehead domain verify ${shellWord(domain)}`),

  showBoth: (address: string): readonly CheckCommand[] => [
    onPremises(`Get-Recipient -Identity ${quoted(address)} | Format-List RecipientTypeDetails,ExchangeGuid,EmailAddresses`),
    cloud(`Get-Recipient -Identity ${quoted(address)} | Format-List RecipientTypeDetails,ExchangeGuid,EmailAddresses`),
  ],
  /** The mailbox moved: the old one becomes a remote mailbox. Its content stays restorable for the retention time. */
  makeRemote: (address: string, routing: string): readonly CheckCommand[] => [
    onPremises(`Disable-Mailbox -Identity ${quoted(address)}`),
    onPremises(`Enable-RemoteMailbox -Identity ${quoted(address)} -RemoteRoutingAddress ${quoted(routing)}`),
  ],
  setRemoteRouting: (address: string, routing: string): CheckCommand =>
    onPremises(`Set-RemoteMailbox -Identity ${quoted(address)} -RemoteRoutingAddress ${quoted(routing)}`),
  addRemoteAddress: (address: string, routing: string): readonly CheckCommand[] => [
    onPremises(`Set-RemoteMailbox -Identity ${quoted(address)} -EmailAddresses @{add=${quoted(`smtp:${routing}`)}}`),
    syncNow,
  ],
  addCloudAddress: (address: string, routing: string): CheckCommand =>
    cloud(`Set-Mailbox -Identity ${quoted(address)} -EmailAddresses @{add=${quoted(`smtp:${routing}`)}}`),
  removeAddress: (where: 'on-premises' | 'cloud', owner: string, address: string, isGroup: boolean): CheckCommand => ({
    where,
    line: `${isGroup ? 'Set-DistributionGroup' : 'Set-Mailbox'} -Identity ${quoted(owner)} -EmailAddresses @{remove=${quoted(`smtp:${address}`)}}`,
  }),
  enableRemote: (address: string, routing: string): CheckCommand =>
    onPremises(`Enable-RemoteMailbox -Identity ${quoted(address)} -RemoteRoutingAddress ${quoted(routing)}`),
  /** By the addresses: the mailbox's own cmdlets do not show the attribute. */
  clearTarget: (address: string): CheckCommand =>
    onPremises(
      `Get-ADUser -LDAPFilter ${quoted(`(proxyAddresses=smtp:${ldapValue(address)})`)} | Set-ADUser -Clear targetAddress`,
    ),
  setTarget: (address: string, routing: string): CheckCommand =>
    onPremises(
      `Get-ADUser -LDAPFilter ${quoted(`(proxyAddresses=smtp:${ldapValue(address)})`)} | Set-ADUser -Replace @{targetAddress=${quoted(`SMTP:${routing}`)}}`,
    ),
  listMembers: (group: string): CheckCommand =>
    onPremises(
      `Get-DistributionGroupMember -Identity ${quoted(group)} -ResultSize Unlimited | Format-Table PrimarySmtpAddress,RecipientTypeDetails`,
    ),
  removeCloudGroup: (group: string): CheckCommand => cloud(`Remove-DistributionGroup -Identity ${quoted(group)}`),
  showDomain: (domain: string): CheckCommand =>
    cloud(`Get-AcceptedDomain -Identity ${quoted(domain)} | Format-List DomainName,DomainType`),
  internalRelay: (domain: string): CheckCommand =>
    cloud(`Set-AcceptedDomain -Identity ${quoted(domain)} -DomainType InternalRelay`),
} as const;

/** RFC 4515 §3: what is special in a filter's value. */
const ldapValue = (text: string): string =>
  text.replace(/[\\*()\0]/g, (char) => `\\${char.charCodeAt(0).toString(16).padStart(2, '0')}`);

/** How to get what a check needs of the cloud. */
export const CLOUD_EXPORT: readonly CheckCommand[] = [
  cloud(
    "Get-Recipient -ResultSize Unlimited | Select-Object Name,Alias,PrimarySmtpAddress,@{n='EmailAddresses';e={$_.EmailAddresses -join ';'}},ExternalEmailAddress,RecipientTypeDetails | Export-Csv cloud-recipients.csv -NoTypeInformation -Encoding UTF8",
  ),
  relay('bridgehead directory check --cloud cloud-recipients.csv'),
];
