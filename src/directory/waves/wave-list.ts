/** Who may be in a new wave: each address of its list looked up in the active version. */
import { type Mailbox, mailboxKey } from '../../mail/address.ts';
import type { DirectoryEntry, Finding } from '../ports.ts';
import type { Change, Member, Wave } from './wave.ts';

/** A list as it was read from a file. */
export interface WaveList {
  /** Short name of the file, for findings. */
  readonly file?: string;
  readonly addresses: readonly { readonly mailbox: Mailbox; readonly line: number }[];
  readonly findings: readonly Finding[];
}

export interface Candidates {
  readonly members: readonly Member[];
  /** With an error among them the wave is not made. */
  readonly findings: readonly Finding[];
  /** Members that stand in an older wave, at home again: the new wave takes them over. */
  readonly taken: ReadonlyMap<string, readonly string[]>;
}

export interface Surroundings {
  readonly find: (key: string) => DirectoryEntry | undefined;
  readonly waves: Iterable<Wave>;
  readonly isOurs?: (address: Mailbox) => boolean;
}

/** Kinds that have no mailbox of their own to move. */
const NO_MAILBOX = new Set(['group', 'contact', 'public-folder']);

export function candidates(list: WaveList, surroundings: Surroundings, change: Change): Candidates {
  const { find, isOurs } = surroundings;
  const findings: Finding[] = [...list.findings];
  const members = new Map<string, Member>();
  const taken = new Map<string, string[]>();
  const elsewhere = new Map<string, { wave: Wave; member: Member }>();
  for (const wave of surroundings.waves) for (const member of wave.members) elsewhere.set(member.key, { wave, member });

  for (const { mailbox, line } of list.addresses) {
    const report = (severity: Finding['severity'], problem: string, remedy: string): void => {
      findings.push({ severity, file: list.file ?? '', line, address: mailbox.address, problem, remedy });
    };
    const entry = find(mailboxKey(mailbox));
    const address = entry?.address ?? mailbox;
    const key = mailboxKey(address);
    if (members.has(key)) {
      report('warning', `${address.address} stands in the list already`, 'Nothing: it counts once');
      continue;
    }
    if (entry === undefined && isOurs?.(mailbox) === false) {
      report('error', `${mailbox.domain} is none of our domains`, 'Mend the address, or add the domain in the settings');
      continue;
    }
    if (entry?.kind !== undefined && NO_MAILBOX.has(entry.kind)) {
      report(
        'error',
        `it is a ${entry.kind}, and has no mailbox to move`,
        'Take it out of the list; change its route with directory set',
      );
      continue;
    }
    const other = elsewhere.get(key);
    if (other !== undefined && other.member.state !== other.member.home) {
      report(
        'error',
        `it is ${other.member.state} in wave ${other.wave.name}`,
        `A mailbox is in one wave at a time: bridgehead wave rollback ${other.wave.name} --only ${address.address}, or take it out of this list`,
      );
      continue;
    }
    const route = entry?.route ?? 'on-premises';
    if (route === 'cloud' || route === 'hold') {
      report('warning', `its route is ${route} already (${entry?.source}); it is left out`, 'Nothing, where that is right');
      continue;
    }
    if (entry === undefined)
      report(
        'warning',
        'the directory does not know it; the wave takes it as a mailbox on-premises',
        'Mend the address where it is mistyped',
      );
    if (other !== undefined) taken.set(other.wave.name, [...(taken.get(other.wave.name) ?? []), key]);
    members.set(key, {
      address,
      key,
      ...(entry?.kind === undefined ? {} : { kind: entry.kind }),
      home: route,
      primary: entry?.primary ?? 'on-premises',
      state: route,
      steps: [{ ...change, state: route }],
    });
  }
  if (members.size === 0 && !findings.some(({ severity }) => severity === 'error'))
    findings.push({
      severity: 'error',
      file: list.file ?? '',
      line: 0,
      address: '',
      problem: 'no mailbox is left to move',
      remedy: list.addresses.length === 0 ? 'Write one address in each line' : 'All that it names were left out, as said above',
    });
  return { members: [...members.values()], findings, taken };
}
