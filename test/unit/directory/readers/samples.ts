/** Files as people have them, after coexistence.md 4.3, and what reads them in a test. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll } from 'vitest';
import type { DirectoryChecks, DirectoryRecord, Finding } from '../../../../src/directory/ports.ts';
import { type FileSourceOptions, openFileSource } from '../../../../src/directory/readers/open-source.ts';
import type { Domain } from '../../../../src/mail/address.ts';

export const CHECKS: DirectoryChecks = {
  domains: [{ name: 'contoso.com' as Domain, includeSubdomains: false }],
  routingDomains: ['contoso.mail.onmicrosoft.com' as Domain, 'domain1.microsoftonline.com' as Domain],
  connectors: [{ name: 'on-premises', side: 'on-premises', byMx: false }],
};

export const PILAR_X500 = '/o=Contoso/ou=First Administrative Group/cn=Recipients/cn=pilarp';

export const REMOTE_MAILBOXES = [
  ['DisplayName', 'Alias', 'PrimarySmtpAddress', 'RemoteRoutingAddress', 'EmailAddresses', 'RecipientTypeDetails'],
  [
    'Pilar Pinilla',
    'pilarp',
    'pilarp@contoso.com',
    'SMTP:pilarp@contoso.mail.onmicrosoft.com',
    `SMTP:pilarp@contoso.com;smtp:pp@contoso.com;smtp:pilarp@contoso.mail.onmicrosoft.com;X500:${PILAR_X500}`,
    'RemoteUserMailbox',
  ],
  [
    'Raum "Köln", 2. OG',
    'raumkoeln',
    'raum.koeln@contoso.com',
    'smtp:raumkoeln@contoso.mail.onmicrosoft.com',
    'SMTP:raum.koeln@contoso.com;smtp:raumkoeln@contoso.mail.onmicrosoft.com',
    'RemoteRoomMailbox',
  ],
] as const;

/** As Export-Csv writes: every cell quoted, CRLF. */
export function csv(rows: readonly (readonly string[])[], delimiter = ',', typeLine = true): string {
  const lines = rows.map((row) => row.map((cell) => `"${cell.replaceAll('"', '""')}"`).join(delimiter));
  return `${[...(typeLine ? ['#TYPE Selected.Microsoft.Exchange.Data.Directory.Management.RemoteMailbox'] : []), ...lines].join('\r\n')}\r\n`;
}

export const CLOUD_CSV = `LegacyExchangeDN,CloudEmailAddress,OnPremiseEmailAddress,MailboxGUID\r
/o=ExchangeLabs/ou=Exchange Administrative Group (FYDIBOHF23SPDLT)/cn=Recipients/cn=Pinilla, Pilar, Sales,pilarp@domain1.microsoftonline.com,pilarp@contoso.com,6fd2f1a5-0d5e-4d0b-8a45-2f2d1d9f1a11\r
/o=ExchangeLabs/cn=bobk,bobk@domain1.microsoftonline.com,bobk@contoso.com,{6fd2f1a5-0d5e-4d0b-8a45-2f2d1d9f1a12}\r
`;

export const LDIF = `version: 1

# Pilar
dn: CN=Pilar Pinilla,OU=Sales,DC=contoso,DC=com
changetype: add
objectClass: top
objectClass: user
mail: pilarp@contoso.com
proxyAddresses: SMTP:pilarp@contoso.com
proxyAddresses: smtp:pp@contoso.com
proxyAddresses: X500:/o=Contoso/ou=First Administrative Group/cn=Recipients/cn
 =pilarp
proxyAddresses:: c210cDpww6RAY29udG9zby5jb20=
targetAddress: SMTP:pilarp@contoso.mail.onmicrosoft.com
thumbnailPhoto:: /9j/4AAQSkZJRgABAQEAYABgAAD
msExchRecipientDisplayType: -2147483642
msExchRecipientTypeDetails: 2147483648
msExchRemoteRecipientType: 4

dn:: Q049SsO2cmcsT1U9U2FsZXMsREM9Y29udG9zbyxEQz1jb20=
objectClass: user
mail: joerg@contoso.com
homeMDB: CN=DB1,CN=Databases,DC=contoso,DC=com
legacyExchangeDN: /o=Contoso/ou=First Administrative Group/cn=Recipients/cn=joerg
msExchRecipientTypeDetails: 1

dn: CN=Shared,OU=Sales,DC=contoso,DC=com
objectClass: user
proxyAddresses: SMTP:info@contoso.com
targetAddress: smtp:info@contoso.mail.onmicrosoft.com
msExchRecipientTypeDetails: 34359738368

dn: CN=Old,OU=Sales,DC=contoso,DC=com
objectClass: user
mail: old@contoso.com
proxyAddresses: SMTP:old@contoso.com
msExchHomeServerName: /o=Contoso/ou=First/cn=Servers/cn=EX2003

dn: CN=Team,OU=Groups,DC=contoso,DC=com
objectClass: group
proxyAddresses: SMTP:team@contoso.com
member: CN=Pilar Pinilla, OU=Sales,DC=contoso,DC=com
member:: Q049SsO2cmcsT1U9U2FsZXMsREM9Y29udG9zbyxEQz1jb20=
member: CN=Gone,OU=Sales,DC=contoso,DC=com
msExchRecipientTypeDetails: 256

dn: CN=Printer,OU=Sales,DC=contoso,DC=com
objectClass: computer
`;

const PLAN = {
  assignedDateTime: '2026-01-01T00:00:00Z',
  capabilityStatus: 'Enabled',
  service: 'exchange',
  servicePlanId: 'efb87545-963c-4e0d-99df-69c6916d9eb0',
};
export const GRAPH_USERS = {
  '@odata.context': 'https://graph.microsoft.com/v1.0/$metadata#users(id,mail)',
  '@odata.nextLink': 'https://graph.microsoft.com/v1.0/users?$skiptoken=x',
  value: [
    {
      id: '1',
      userPrincipalName: 'pilarp@contoso.com',
      mail: 'pilarp@contoso.com',
      accountEnabled: true,
      userType: 'Member',
      onPremisesSyncEnabled: true,
      proxyAddresses: [
        'SMTP: pilarp@contoso.com',
        'smtp:pilarp@contoso.mail.onmicrosoft.com',
        'SIP:pilarp@contoso.com',
        'SPO:SPO_1@SPO_2',
      ],
      assignedPlans: [PLAN],
    },
    {
      id: '2',
      userPrincipalName: 'notyet@contoso.com',
      mail: 'notyet@contoso.com',
      userType: 'Member',
      onPremisesSyncEnabled: true,
      proxyAddresses: ['SMTP:notyet@contoso.com', 'smtp:notyet1@contoso.mail.onmicrosoft.com'],
      assignedPlans: [
        { ...PLAN, servicePlanId: '113feb6c-3fe4-4440-bddc-54d774bf0318' },
        { ...PLAN, capabilityStatus: 'Deleted' },
      ],
    },
  ],
};

export const BATCH = `EmailAddress,Password,ForceChangePassword\r
pilarp@contoso.com,Hidd3n-One!,True\r
"bobk@contoso.com","Hidd3n,Two",False\r
`;
export const PASSWORDS = /Hidd3n/i;

let folder = '';
let number = 0;
export function useFolder(): void {
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'bridgehead-readers-'));
  });
  afterAll(() => rm(folder, { recursive: true }));
}

export async function file(content: string | Buffer): Promise<string> {
  const path = join(folder, `file-${number++}.txt`);
  await writeFile(path, content);
  return path;
}

export interface Read {
  readonly format?: string;
  readonly records: readonly DirectoryRecord[];
  readonly findings: readonly Finding[];
}

/** Opens and reads a file as an import does. */
export async function read(content: string | Buffer, options: Partial<FileSourceOptions> = {}): Promise<Read> {
  const opened = await openFileSource({ name: 'imported', file: await file(content), checks: CHECKS, ...options });
  if (!opened.ok) return { records: [], findings: opened.findings };
  const records: DirectoryRecord[] = [];
  const findings: Finding[] = [];
  await opened.source.read({ record: (record) => records.push(record), finding: (finding) => findings.push(finding) });
  return { format: opened.format, records, findings };
}

/** A record as one line of text. */
export const line = ({ address, route, routingAddress, aliases, kind }: DirectoryRecord): string =>
  [
    address.address,
    route,
    routingAddress?.address ?? '-',
    aliases.map((alias) => alias.address).join(' ') || '-',
    kind ?? '-',
  ].join(' | ');
export const lines = ({ records }: Read): string[] => records.map(line);
export const told = ({ findings }: Read): string[] =>
  findings.map((finding) => `${finding.severity} ${finding.line} ${finding.address}: ${finding.problem}`);
