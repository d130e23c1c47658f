/** Pages of Microsoft Graph in a file (coexistence.md 4.3 f): users, groups, contacts, in any mixture. */
import { basename } from 'node:path';
import { ownRecords } from '../live/own-domains.ts';
import type { DirectoryChecks, DirectorySource, RecordSink } from '../ports.ts';
import { deceptionIn } from './address-text.ts';
import { type GraphObject, readGraphObject, USER_PROPERTIES } from './graph-object.ts';
import { eachObject } from './json-objects.ts';
import { readingFile } from './reading-file.ts';
import type { Report } from './report.ts';

const REMEDY = `Save the answers of GET /v1.0/users?$select=${USER_PROPERTIES}&$top=999 as they are, every page`;

/** `cloudMailboxes`: keys (`mailboxKey`) of mailboxes known to be in the cloud, such as a list of Get-EXOMailbox. */
export function graphJson(
  name: string,
  file: string,
  checks: DirectoryChecks,
  cloudMailboxes?: ReadonlySet<string>,
): DirectorySource {
  return {
    name,
    origin: basename(file),
    read: (sink) => readingFile(file, sink, (report) => readFile(file, checks, cloudMailboxes, sink, report)),
  };
}

async function readFile(
  file: string,
  checks: DirectoryChecks,
  cloudMailboxes: ReadonlySet<string> | undefined,
  sink: RecordSink,
  report: Report,
): Promise<void> {
  const graph = {
    routingDomains: new Set(checks.routingDomains),
    ...(cloudMailboxes === undefined ? {} : { cloudMailboxes }),
  };
  const isOwn = ownRecords(checks);
  const synced = new Tally();
  const unproven = new Tally();
  const foreign = new Tally();
  let objects = 0;
  let hasPlans = false;
  const mistake = await eachObject(file, (object, line) => {
    objects++;
    if (isError(object)) {
      report.error(line, '', "this is an answer of Graph's that refuses the question, and no list", REMEDY);
      return false;
    }
    hasPlans ||= 'assignedPlans' in object;
    if (hasDeception(object, line, report)) return !report.isFull;
    const reading = readGraphObject(object, graph, line);
    if (reading.is === 'unproven') unproven.count(line);
    if (reading.is !== 'recipient') return true;
    const { record, broken, doubt } = reading;
    if (!isOwn(record)) {
      foreign.count(line);
      return true;
    }
    for (const { problem } of broken) report.warning(line, record.address.address, problem, 'Mend proxyAddresses of the object');
    if (doubt === 'no-proof') synced.count(line);
    sink.record(record);
    return true;
  });
  if (mistake !== undefined) report.error(mistake.line, '', mistake.problem, REMEDY);
  else if (objects === 0) report.error(1, '', 'there is no object in this file', REMEDY);
  const asked = hasPlans ? '' : '; the export has no assignedPlans at all';
  synced.tell(
    report,
    `synchronised users without an enabled Exchange plan are taken as on-premises${asked}`,
    'An alias in a routing domain is no proof of a mailbox there; list those that have one, or export assignedPlans too',
  );
  unproven.tell(
    report,
    `users of the cloud alone, without proof of a mailbox, were left out${asked}`,
    'Shared mailboxes have no licence: list them with Get-EXOMailbox, or directory set ADDRESS --route cloud --reason T',
  );
  foreign.tell(
    report,
    'objects have no address in any of our domains and were left out',
    'Nothing to do for contacts outside; otherwise add the domain under domains',
  );
}

/** One finding for many objects: how many, and where the first stands. */
class Tally {
  #number = 0;
  #first = 0;

  count(line: number): void {
    if (this.#number++ === 0) this.#first = line;
  }

  tell(report: Report, what: string, remedy: string): void {
    if (this.#number > 0) report.warning(this.#first, '', `${this.#number} ${what} (the first stands here)`, remedy);
  }
}

const isError = (object: GraphObject): boolean => typeof object['error'] === 'object' && !('proxyAddresses' in object);

function hasDeception(object: GraphObject, line: number, report: Report): boolean {
  const proxies = object['proxyAddresses'];
  let found = false;
  for (const text of [object['mail'], ...(Array.isArray(proxies) ? proxies : [])] as unknown[]) {
    const deception = typeof text === 'string' ? deceptionIn(text) : undefined;
    if (deception === undefined) continue;
    found = true;
    report.error(line, deception.address, deception.problem, deception.remedy);
  }
  return found;
}
