/** An export of Active Directory by ldifde or ldapsearch (coexistence.md 4.3 e). */
import { basename } from 'node:path';
import { type Mailbox, mailboxKey } from '../../mail/address.ts';
import { type DirectoryObject, OBJECT_ATTRIBUTES } from '../directory-object.ts';
import type { DirectoryChecks, DirectoryRecord, DirectorySource, RecordSink } from '../ports.ts';
import { readProxyAddresses, readTargetAddress } from '../proxy-addresses.ts';
import { eachEntry, type LdifEntry } from './ldif-entries.ts';
import { ObjectRecords } from './object-records.ts';
import { readingFile } from './reading-file.ts';
import type { Report } from './report.ts';

const TYPE = 'msexchrecipienttypedetails';
const DISPLAY_TYPE = 'msexchrecipientdisplaytype';
const REMOTE_TYPE = 'msexchremoterecipienttype';
const NUMBERS = [TYPE, DISPLAY_TYPE, REMOTE_TYPE] as const;
const WANTED: ReadonlySet<string> = new Set([...OBJECT_ATTRIBUTES.map((name) => name.toLowerCase()), ...NUMBERS]);
const NAMES_ONLY: ReadonlySet<string> = new Set(['mail', 'proxyaddresses']);

/** msExchRecipientDisplayType of what is in the cloud: negative, for its highest bit says "synchronised". */
const REMOTE_DISPLAY: ReadonlyMap<string, string> = new Map([
  ['-2147483642', 'RemoteUserMailbox'],
  ['-2147481850', 'RemoteRoomMailbox'],
  ['-2147481594', 'RemoteEquipmentMailbox'],
]);

export function ldif(name: string, file: string, checks: DirectoryChecks): DirectorySource {
  return {
    name,
    origin: basename(file),
    read: (sink) => readingFile(file, sink, (report) => readFile(file, checks, sink, report)),
  };
}

interface Group {
  readonly record: DirectoryRecord;
  /** Keys of names. */
  readonly members: readonly string[];
  readonly isCut: boolean;
}

async function readFile(file: string, checks: DirectoryChecks, sink: RecordSink, report: Report): Promise<void> {
  const records = new ObjectRecords(report, checks);
  const groups: Group[] = [];
  let entries = 0;
  await eachEntry(file, WANTED, report, (entry) => {
    entries++;
    if (!hasNumbers(entry, report)) return true;
    const record = records.read(objectOf(entry), entry.line);
    const members = entry.values.get('member') ?? [];
    if (record === undefined) return true;
    if (record.kind === 'group' && members.length > 0) groups.push({ record, members: members.map(nameKey), isCut: entry.isCut });
    else sink.record(record);
    return true;
  });
  records.finish();
  if (groups.length > 0) await resolveGroups(file, groups, sink, report);
  if (entries === 0 && !report.hasErrors)
    report.error(1, '', 'there is no entry in this file', 'Export with ldifde -f export.ldf -r "(proxyAddresses=*)"');
}

/** 64 bits in decimal digits, negative ones too (34359738368 is more than 32 bits hold). */
function hasNumbers(entry: LdifEntry, report: Report): boolean {
  for (const name of NUMBERS) {
    const value = entry.values.get(name)?.[0];
    if (value === undefined || /^-?\d{1,19}$/.test(value)) continue;
    report.error(entry.line, '', `${name} of ${entry.dn.slice(0, 200)} is no number`, 'Export it again, and do not edit it');
    return false;
  }
  return true;
}

function objectOf(entry: LdifEntry): DirectoryObject {
  return {
    dn: entry.dn,
    values: (attribute) => {
      const values = entry.values.get(attribute.toLowerCase());
      return attribute === 'msExchRecipientTypeDetails' ? typeOf(entry, values) : (values ?? []);
    },
  };
}

/** BigInt takes leading zeros away. Where there is no type, what directory synchronisation wrote tells a remote mailbox. */
function typeOf(entry: LdifEntry, written: readonly string[] | undefined): readonly string[] {
  if (written?.[0] !== undefined) return [BigInt(written[0]).toString()];
  const display = REMOTE_DISPLAY.get(entry.values.get(DISPLAY_TYPE)?.[0] ?? '');
  if (display !== undefined) return [display];
  const remote = BigInt(entry.values.get(REMOTE_TYPE)?.[0] ?? 0);
  // bits: 1 provisioned, 4 migrated, 8 deprovisioned; 32 room, 64 equipment, both shared
  if (remote <= 0n || (remote & 5n) === 0n || (remote & 8n) !== 0n) return [];
  switch (remote & 96n) {
    case 96n:
      return ['RemoteSharedMailbox'];
    case 64n:
      return ['RemoteEquipmentMailbox'];
    case 32n:
      return ['RemoteRoomMailbox'];
    default:
      return ['RemoteUserMailbox'];
  }
}

/** A second reading for the members' addresses, so that only the names of members are kept and not those of everybody. */
async function resolveGroups(file: string, groups: readonly Group[], sink: RecordSink, report: Report): Promise<void> {
  const addresses = new Map<string, Mailbox | undefined>();
  for (const { members } of groups) for (const member of members) addresses.set(member, undefined);
  // what is wrong with the entries was told in the first reading
  const silent = report.silent();
  await eachEntry(file, NAMES_ONLY, silent, (entry) => {
    const key = nameKey(entry.dn);
    if (addresses.has(key)) addresses.set(key, primaryOf(entry));
    return true;
  });
  for (const { record, members, isCut } of groups) {
    const found = new Map<string, Mailbox>();
    let missing = 0;
    for (const member of members) {
      const address = addresses.get(member);
      if (address === undefined) missing++;
      else found.set(mailboxKey(address), address);
    }
    if (missing > 0 || isCut)
      report.warning(
        record.line,
        record.address.address,
        isCut
          ? 'the export has the first part of its members alone (member;range=)'
          : `${missing} of its ${members.length} members have no address in this file`,
        'Export members and groups into one file; it matters only to the check of groups with members on both sides',
      );
    sink.record(found.size === 0 ? record : { ...record, members: [...found.values()] });
  }
}

function primaryOf(entry: LdifEntry): Mailbox | undefined {
  const { primary, aliases } = readProxyAddresses(entry.values.get('proxyaddresses') ?? []);
  const mail = entry.values.get('mail')?.[0];
  return primary ?? (mail === undefined ? undefined : readTargetAddress(mail)) ?? aliases[0];
}

/** A distinguished name as it is compared: case and spaces around its separators do not count (RFC 4518). */
const nameKey = (dn: string): string =>
  dn
    .toLowerCase()
    .replace(/\s*([,=+])\s*/g, '$1')
    .trim();
