/** `zmprov -l gaa -v` and `zmprov gadl -v` of Zimbra (coexistence.md 4.3 h): `# name address`, then `attribute: value`. */
import { basename } from 'node:path';
import { isWithin, type Mailbox, mailboxKey } from '../../mail/address.ts';
import type { DirectoryChecks, DirectoryRecord, DirectorySource, RecordSink } from '../ports.ts';
import { isMistake, readAddress } from './address-text.ts';
import { eachLine } from './lines.ts';
import { withRoutingAlias } from './object-records.ts';
import { readingFile } from './reading-file.ts';
import type { Report } from './report.ts';
import { utf8Octets } from './text-file.ts';

const NAME = /^# name (\S+)\s*$/;
const ATTRIBUTE =
  /^(objectClass|mail|zimbra(?:MailDeliveryAddress|MailAlias|MailTransport|CalResType|MailForwardingAddress|IsSystemResource)): (.*)$/;

interface Account {
  readonly name: string;
  readonly line: number;
  readonly values: Map<string, string[]>;
}

export function zimbra(name: string, file: string, checks: DirectoryChecks): DirectorySource {
  return {
    name,
    origin: basename(file),
    read: (sink) => readingFile(file, sink, (report) => readFile(file, checks, sink, report)),
  };
}

async function readFile(file: string, checks: DirectoryChecks, sink: RecordSink, report: Report): Promise<void> {
  let account: Account | undefined;
  let accounts = 0;
  const finish = (): void => {
    if (account === undefined) return;
    accounts++;
    const record = recordOf(account, checks, report);
    if (record !== undefined) sink.record(record);
    account = undefined;
  };
  await eachLine(utf8Octets(file), (line, number) => {
    const name = NAME.exec(line)?.[1];
    if (name !== undefined) {
      finish();
      account = { name, line: number, values: new Map() };
      return !report.isFull;
    }
    // other attributes, and the further lines of their values (signatures, S/MIME), are none of ours
    const [, attribute, value = ''] = ATTRIBUTE.exec(line) ?? [];
    if (attribute === undefined || account === undefined) return true;
    const values = account.values.get(attribute);
    if (values === undefined) account.values.set(attribute, [value.trim()]);
    else values.push(value.trim());
    return true;
  });
  finish();
  if (accounts === 0 && !report.hasErrors)
    report.error(1, '', 'there is no account in this file', 'Export with zmprov -l gaa -v > accounts.txt');
}

function recordOf({ name, line, values }: Account, checks: DirectoryChecks, report: Report): DirectoryRecord | undefined {
  const all = (attribute: string): readonly string[] => values.get(attribute) ?? [];
  if (all('zimbraIsSystemResource')[0] === 'TRUE') return undefined;
  const written = all('zimbraMailDeliveryAddress')[0] ?? name;
  const address = readAddress(written, 'address');
  if (isMistake(address)) return report.error(line, written, address.problem, address.remedy);
  const aliases = new Map<string, Mailbox>();
  for (const text of [name, ...all('mail'), ...all('zimbraMailAlias')]) {
    const alias = readAddress(text, 'alias');
    if (isMistake(alias)) {
      if (alias.isDeceptive) report.error(line, written, alias.problem, alias.remedy);
      else report.warning(line, written, alias.problem, 'Remove the alias in Zimbra');
    } else if (mailboxKey(alias) !== mailboxKey(address)) aliases.set(mailboxKey(alias), alias);
  }
  const transport = /^[a-z]+:\[?([^\]:\s]*)/.exec(all('zimbraMailTransport')[0] ?? '')?.[1]?.toLowerCase() ?? '';
  const isCloud = checks.routingDomains.some((domain) => isWithin(transport, domain));
  const isGroup = all('objectClass').includes('zimbraDistributionList');
  const members = isGroup ? all('zimbraMailForwardingAddress').map((member) => readAddress(member, 'member')) : [];
  const known = members.filter((member): member is Mailbox => !isMistake(member));
  const record: DirectoryRecord = {
    address,
    route: isCloud ? 'cloud' : 'on-premises',
    aliases: [...aliases.values()],
    kind: isGroup ? 'group' : kindOf(all('zimbraCalResType')[0] ?? ''),
    primary: 'on-premises',
    ...(known.length === 0 ? {} : { members: known }),
    line,
  };
  return withRoutingAlias(record, new Set(checks.routingDomains));
}

function kindOf(resource: string): string {
  if (resource === 'Location') return 'room';
  return resource === 'Equipment' ? 'equipment' : 'mailbox';
}
