/** Findings that one look shows, in words: about an address, a group, a domain, a line of a source. */
import type { Domain } from '../../mail/address.ts';
import type { DirectoryEntry, DirectoryRecord, Finding } from '../ports.ts';
import { COMMANDS } from './commands.ts';
import type { FindingList } from './findings.ts';
import type { LearnedDisagreement } from './ports.ts';
import type { Clash } from './side-index.ts';

export function notInDirectory(findings: FindingList, { address: { address } }: DirectoryRecord, source: string): void {
  findings.add('warning', 'not-in-directory', () => ({
    address,
    problem: 'a source has it, and the active version does not know it',
    cause: 'It was created after the last import. Its mail takes the way of unknown recipients',
    remedy: 'Import the newest export',
    commands: [COMMANDS.importAgain, COMMANDS.explain(address)],
    sources: [source],
  }));
}

/** `side`: where the second of the two stands. */
export function aliasTwice(findings: FindingList, { address, owner, other }: Clash, side: 'on-premises' | 'cloud'): void {
  // C7: a synced contact beside a mailbox is legitimate, and the stronger kind owns the address
  const isContact = (owner.kind === 'contact') !== (other.kind === 'contact');
  findings.add(isContact ? 'info' : 'error', 'alias-twice', () => ({
    address: address.address,
    problem: `it belongs to ${owner.address.address} and to ${other.address.address}`,
    cause: isContact
      ? 'A contact stands beside a mailbox with the same address; the mailbox owns it'
      : 'It was given to a second object by hand, or the two sides were not synchronised. Each side delivers to its own owner',
    remedy: isContact ? 'Nothing, while it lasts' : 'An address has one owner (R10): remove it from one of the two',
    commands: isContact ? [] : [COMMANDS.removeAddress(side, other.address.address, address.address, other.kind === 'group')],
    sources: [owner.source, other.source],
  }));
}

export function mixedGroup(
  findings: FindingList,
  group: DirectoryEntry,
  members: { readonly inCloud: number; readonly onPremises: number },
  twin: DirectoryEntry | undefined,
): void {
  const { address } = group.address;
  const problem = `a group with ${members.inCloud} of its members in the cloud and ${members.onPremises} on-premises`;
  if (twin === undefined) {
    findings.add('info', 'group-both-sides', () => ({
      address,
      problem,
      cause:
        'It is expanded on-premises, and each member is reached where the mailbox is. A group for colleagues only refuses those who come from the other side (5.7.133)',
      remedy: 'Nothing; move its owner last',
      commands: [COMMANDS.listMembers(address)],
      sources: [group.source],
    }));
    return;
  }
  findings.add('warning', 'group-both-sides', () => ({
    address,
    problem: `${problem}, and the cloud has a group with the same address`,
    cause: 'It is expanded on the side of whoever writes: by two lists of members, of which one may be old',
    remedy: 'See that the synchronisation keeps their members alike, or keep one of the two',
    commands: [COMMANDS.listMembers(address), COMMANDS.removeCloudGroup(address)],
    sources: [group.source, twin.source],
  }));
}

/** C8: a proof that was there once and is gone only warns. */
export function unverifiedDomain(findings: FindingList, domain: Domain, count: number, state: 'unverified' | 'lost'): void {
  const isLost = state === 'lost';
  findings.add(isLost ? 'warning' : 'error', 'domain-unverified', () => ({
    address: domain,
    problem: `${count} of its recipients are routed to the cloud, and its proof is ${isLost ? 'gone from DNS' : 'not in DNS'}`,
    cause: isLost
      ? 'People delete the record when all is done; that alone harms nothing (C8)'
      : 'The cloud removes addresses of a domain that is not verified from its mailboxes; mail for them goes round in a loop (5.4.14)',
    remedy: isLost
      ? 'See that the domain still stands in the cloud'
      : 'Publish the record, and verify the domain here and in the cloud',
    commands: [COMMANDS.verifyDomain(domain), COMMANDS.showDomain(domain)],
    sources: ['domains'],
  }));
}

export function learned(findings: FindingList, { address, what, count, last }: LearnedDisagreement): void {
  findings.add('warning', 'learned', () => ({
    address,
    problem: `${what}, ${count} ${count === 1 ? 'time' : 'times'}, last ${new Date(last).toISOString()}`,
    cause: 'A server answered otherwise than the directory says: one of the two is wrong about where the mailbox is',
    remedy: 'Look where the mailbox is, and mend the side that is wrong',
    commands: [COMMANDS.explain(address), ...COMMANDS.showBoth(address)],
    sources: ['answers'],
  }));
}

/** What a reader says of its file or server. */
export function unreadable(findings: FindingList, { severity, file, line, address, problem, remedy }: Finding): void {
  findings.add(severity, 'unreadable', () => ({
    address,
    problem,
    cause: 'The source has it so',
    remedy,
    commands: [],
    sources: [line === 0 ? file : `${file}:${line}`],
  }));
}
