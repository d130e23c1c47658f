/**
 * Files that hold a secret. Who else can write them decides who we are: that is refused. Who else can read them is told,
 * at each check and start; it is no mistake, because a renewal that leaves a key readable would then end in an expired certificate.
 */
import { stat } from 'node:fs/promises';

const OTHERS_READ = 0o004;
const GROUP_OR_OTHERS_WRITE = 0o022;

export interface TooOpen {
  readonly severity: 'mistake' | 'note';
  readonly problem: string;
  readonly remedy: string;
}

/** What is wrong with the rights of a file that holds `what`; `undefined` where nothing is, or where it is not there. */
export async function tooOpen(file: string, what: string): Promise<TooOpen | undefined> {
  let mode: number;
  try {
    ({ mode } = await stat(file));
  } catch {
    return undefined; // told where it is read
  }
  const rights = (mode & 0o777).toString(8).padStart(4, '0');
  const remedy = `Keep it to the user of the relay: chmod 600 ${file} (640 where its group must read it)`;
  if ((mode & GROUP_OR_OTHERS_WRITE) !== 0)
    return { severity: 'mistake', problem: `others can replace ${what} in ${file} (mode ${rights})`, remedy };
  if ((mode & OTHERS_READ) !== 0)
    return { severity: 'note', problem: `everybody on this machine can read ${what} in ${file} (mode ${rights})`, remedy };
  return undefined;
}
