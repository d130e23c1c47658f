/** What lies in the Maildirs of a mail server under test. */
import { type Dirent, readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { arrived } from './messages.ts';

export interface Stored {
  readonly user: string;
  readonly token: string;
  readonly hash: string;
  readonly trace: string;
}

const isMail = (entry: Dirent): boolean => entry.isFile() && ['new', 'cur'].includes(basename(entry.parentPath));

/** The messages under `root`, one folder a user; line ends as CRLF whatever the Maildir has. */
export function readMaildirs(root: string): Stored[] {
  const found: Stored[] = [];
  for (const user of readdirSync(root)) {
    for (const entry of readdirSync(join(root, user), { recursive: true, withFileTypes: true }).filter(isMail)) {
      const bytes = readFileSync(join(entry.parentPath, entry.name));
      found.push({ user, ...(arrived(bytes) ?? { token: '', hash: '', trace: bytes.toString('latin1') }) });
    }
  }
  return found;
}

export function countMaildirs(root: string): number {
  let count = 0;
  for (const user of readdirSync(root)) {
    count += readdirSync(join(root, user), { recursive: true, withFileTypes: true }).filter(isMail).length;
  }
  return count;
}
