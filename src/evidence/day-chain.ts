/** The hash chain inside a day's file: its foundation in the table `chain`, a link beside each record (chain.ts). */
import { hash } from 'node:crypto';
import type { DatabaseSync } from 'node:sqlite';
import { type Foundation, foundationText, type Head } from './chain.ts';
import { openToRead } from './open-day.ts';

/** The last link of a file that is about to be written; makes the chain where there is none yet. */
export function openChain(db: DatabaseSync, day: string, next: number, after: () => Foundation['after']): string {
  const columns = db.prepare('PRAGMA table_info(records)').all();
  if (!columns.some((column) => column['name'] === 'link')) db.exec('ALTER TABLE records ADD COLUMN link BLOB'); // before there was a chain
  const foundation = db.prepare('SELECT foundation FROM chain').get()?.['foundation'];
  const last = db.prepare('SELECT link FROM records ORDER BY id DESC LIMIT 1').get()?.['link'];
  if (typeof foundation === 'string') return last instanceof Uint8Array ? hexOf(last) : hash('sha256', foundation);
  const before = after();
  const text = foundationText({ day, first: next, ...(before !== undefined && { after: before }) });
  db.prepare('INSERT INTO chain VALUES (1, ?)').run(text);
  return hash('sha256', text);
}

/** Whether the file still has what was noted of it. */
export function agrees(db: DatabaseSync, noted: Head | null): boolean {
  if (noted === null) return false;
  const [link] = db.prepare('SELECT link FROM records WHERE id = ?').all(noted.records - 1);
  return link !== undefined && link['link'] instanceof Uint8Array && hexOf(link['link']) === noted.head;
}

/** The head of a day that nobody writes; `undefined` where it has none that can be read. */
export function headOf(path: string): Head | undefined {
  try {
    using db = openToRead(path);
    const last = db.prepare('SELECT id, link FROM records ORDER BY id DESC LIMIT 1').get();
    if (last?.['link'] instanceof Uint8Array) return { records: Number(last['id']) + 1, head: hexOf(last['link']) };
    const foundation = db.prepare('SELECT foundation FROM chain').get()?.['foundation'];
    return last === undefined && typeof foundation === 'string' ? { records: 0, head: hash('sha256', foundation) } : undefined;
  } catch {
    return undefined; // written before there was a chain, or damaged: it has none to rest on
  }
}

export function hexOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('hex');
}
