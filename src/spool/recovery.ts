/** What start-up finds and repairs. Reads every record, no body. */
import type { SpoolId } from '../mail/spooled.ts';
import type { Log } from '../platform/logger.ts';
import type { BodyFiles } from './body-files.ts';
import { decode } from './codec.ts';
import { type Databases, entries } from './databases.ts';
import type { DueIndex } from './due-index.ts';

/** Records read before the map is looked at. */
const PAGE = 1000;

/**
 * Fills the index. One log line for each thing that is not as it should be. Returns how many records are set aside.
 * Reading every record maps most of the file into memory: `mapAnew` gives that back from time to time.
 */
export async function recover(
  opened: Databases,
  mapAnew: (db: Databases) => Promise<Databases>,
  files: BodyFiles,
  index: DueIndex,
  log: Log,
): Promise<{ readonly db: Databases; readonly aside: number }> {
  let db = opened;
  takeBackWhatIsWhole(db, files, log);

  const orphans: SpoolId[] = [];
  const broken: { id: SpoolId; record: string; reason: string }[] = [];
  for (let after: SpoolId | undefined, isLast = false; !isLast; ) {
    const from = after === undefined ? {} : { start: after, exclusiveStart: true };
    const page = [...db.messages.getRange({ ...from, limit: PAGE })];
    isLast = page.length < PAGE;
    after = page.at(-1)?.key;
    // Bodies between the page's records: one that no record names is left over
    const bodies = new Set(
      db.bodies.getKeys({ ...from, ...(!isLast && after !== undefined && { end: after, inclusiveEnd: true }) }),
    );
    for (const { key: id, value: record } of page) {
      const inStore = bodies.delete(id);
      const reason = examine(files, id, record, () => inStore, index);
      if (reason !== undefined) broken.push({ id, record, reason });
    }
    orphans.push(...bodies);
    db = await mapAnew(db);
  }

  for (const { id, record, reason } of broken) {
    setAside(db, id, record, reason);
    log.error({ spoolId: id, reason }, 'a spooled message cannot be delivered and is set aside');
  }
  for (const id of orphans) {
    if (db.aside.doesExist(id)) continue;
    db.bodies.removeSync(id);
    log.warn({ spoolId: id }, 'removed a stored body without a record');
  }
  for (const path of files.removeLeftovers((id) => index.get(id)?.bodyInFile === true || db.aside.doesExist(id))) {
    log.info({ path }, 'removed a leftover body file');
  }
  let aside = 0;
  for (const { key: id, value } of entries(db.aside)) {
    aside += 1;
    log.error(
      { spoolId: id, reason: (JSON.parse(value) as Aside).reason },
      'a message is set aside: restore its body, or remove it',
    );
  }
  return { db, aside };
}

interface Aside {
  readonly reason: string;
  readonly record: string;
}

/** A record that was set aside is looked at again: its body may have been restored. */
function takeBackWhatIsWhole(db: Databases, files: BodyFiles, log: Log): void {
  const whole: { id: SpoolId; record: string }[] = [];
  for (const { key: id, value } of entries(db.aside)) {
    const { record } = JSON.parse(value) as Aside;
    if (examine(files, id, record, () => db.bodies.doesExist(id)) === undefined) whole.push({ id, record });
  }
  for (const { id, record } of whole) {
    takeBack(db, id, record);
    log.info({ spoolId: id }, 'a message that was set aside is whole again');
  }
}

/** Puts a good record into the index, where one is given; the reason where it is not good. */
function examine(
  files: BodyFiles,
  id: SpoolId,
  record: string,
  isBodyInStore: () => boolean,
  index?: DueIndex,
): string | undefined {
  let stored: ReturnType<typeof decode>;
  try {
    stored = decode(id, record);
  } catch (error) {
    return `unreadable record: ${(error as Error).message}`;
  }
  const { message, bodyInFile } = stored;
  if (bodyInFile) {
    const size = files.sizeOf(id);
    if (size === undefined) return `the body file ${files.path(id)} is missing`;
    if (size !== message.wireSize) return `the body file ${files.path(id)} has ${size} octets instead of ${message.wireSize}`;
  } else if (!isBodyInStore()) return 'the body is missing';
  index?.add(message, bodyInFile);
  return undefined;
}

/** Moves a record to where no delivery looks; the body stays. All or nothing; where a crash prevents it, the next start does it. */
function setAside(db: Databases, id: SpoolId, record: string, reason: string): void {
  db.root.transactionSync(() => {
    void db.aside.put(id, JSON.stringify({ reason, record } satisfies Aside));
    void db.messages.remove(id);
  });
}

function takeBack(db: Databases, id: SpoolId, record: string): void {
  db.root.transactionSync(() => {
    void db.messages.put(id, record);
    void db.aside.remove(id);
  });
}
