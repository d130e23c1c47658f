/** Who the process is: root for as long as it takes to bind, then somebody who owns nothing but the data. */
import { chownSync, lstatSync, readdirSync } from 'node:fs';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { makeDirectory } from './files.ts';

export interface Account {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
}

/** What an administrator must mend before the process can become somebody else. */
export class AccountProblem extends Error {}

export const isRoot = (): boolean => process.getuid?.() === 0;

/**
 * The account of this name, as the system knows it (passwd, LDAP, ...); its group, where another is not named. For root:
 * Node asks the system about the effective user alone, so that this one is it for a moment.
 */
export function accountOf(user: string, group?: string): Account {
  const system = posix();
  try {
    system.seteuid(user);
  } catch {
    throw new AccountProblem(
      `there is no user ${user} on this machine: useradd --system --home-dir /nonexistent --shell /usr/sbin/nologin ${user}`,
    );
  }
  let account: Account;
  try {
    const { uid, gid } = userInfo();
    account = { name: user, uid, gid };
  } finally {
    system.seteuid(0);
  }
  if (account.uid === 0) throw new AccountProblem(`the user ${user} is root: name one who may do nothing else`);
  if (group === undefined) return account;
  const before = system.getegid();
  try {
    system.setegid(group);
  } catch {
    throw new AccountProblem(`there is no group ${group} on this machine: groupadd --system ${group}`);
  }
  const gid = system.getegid();
  system.setegid(before);
  return { ...account, gid };
}

/** Becomes this account for good, with its groups and without any capability. Throws where root could be had again. */
export function become({ name, uid, gid }: Account): void {
  const system = posix();
  // the order matters: once the user is gone, so is the right to change groups
  system.initgroups(name, gid);
  system.setgid(gid);
  system.setuid(uid);
  if (process.getuid?.() !== uid || process.geteuid?.() !== uid || process.getgid?.() !== gid)
    throw new Error(`the process did not become ${name}`);
  try {
    system.setuid(0);
  } catch {
    return;
  }
  throw new Error('the process could become root again');
}

/** Makes the data directory for its owner where it is missing. What is there must be the owner's already. */
export function ownDirectory(path: string, { name, uid, gid }: Account): void {
  const owners = (): string | undefined => {
    for (const entry of [path, ...listing(path), ...listing(join(path, 'spool'))]) if (lstatSync(entry).uid !== uid) return entry;
    return undefined;
  };
  if (lstatSync(path, { throwIfNoEntry: false }) === undefined) {
    makeDirectory(path);
    chownSync(path, uid, gid);
    return;
  }
  const foreign = owners();
  if (foreign !== undefined)
    throw new AccountProblem(`${foreign} does not belong to ${name}, as whom the relay runs: chown -R ${name}: ${path}`);
}

function listing(folder: string): string[] {
  try {
    return readdirSync(folder).map((entry) => join(folder, entry));
  } catch {
    return [];
  }
}

interface Posix {
  getegid(): number;
  seteuid(id: number | string): void;
  setegid(id: number | string): void;
  setgid(id: number | string): void;
  setuid(id: number | string): void;
  initgroups(user: string, group: number): void;
}

function posix(): Posix {
  if (process.seteuid === undefined)
    throw new AccountProblem('this system does not know users as Unix does: leave out `user` and `group`');
  return process as unknown as Posix; // initgroups is not in Node's types
}
