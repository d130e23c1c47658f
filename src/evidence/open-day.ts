/** Opens a day's file to read, beside a writer or without one. */
import { DatabaseSync } from 'node:sqlite';
import { pathToFileURL } from 'node:url';

/** A reader without the right to write in the directory cannot make the WAL's index: then the file is read as it stands. */
export function openToRead(path: string): DatabaseSync {
  try {
    const db = new DatabaseSync(path, { readOnly: true });
    db.exec('PRAGMA busy_timeout = 5000; SELECT 1 FROM records LIMIT 1');
    return db;
  } catch {
    const url = pathToFileURL(path);
    url.searchParams.set('immutable', '1');
    return new DatabaseSync(url, { readOnly: true });
  }
}
