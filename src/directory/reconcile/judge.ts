/** One recipient as three see it: on-premises, the cloud, and we. Pure: what they say in, what disagrees out. */
import { type Domain, type Mailbox, mailbox, mailboxKey } from '../../mail/address.ts';
import type { DirectoryEntry } from '../ports.ts';
import { COMMANDS } from './commands.ts';
import type { FindingList } from './findings.ts';
import type { Presence, SideIndex } from './side-index.ts';

/** A side's object; `absent` where the side is known and has none, `undefined` where the side is not known. */
export interface Seen {
  readonly presence: Presence | 'absent';
  readonly entry?: DirectoryEntry;
  /** Where the targetAddress of a mailbox sends on to. */
  readonly forwardsTo?: Mailbox;
}

export interface Views {
  /** As we route it; `undefined`: not in the active version. */
  readonly active: DirectoryEntry | undefined;
  readonly onPremises: Seen | undefined;
  readonly cloud: Seen | undefined;
}

/** Who has an address in the cloud, for routing addresses. */
export interface JudgeContext {
  readonly routingDomains: ReadonlySet<string>;
  readonly firstRoutingDomain: Domain | undefined;
  readonly cloudIndex: SideIndex | undefined;
}

/** Where a recipient's mail goes in the cloud, as routing has it: written, or derived from its primary address. */
export function routingAddressOf(
  entry: Pick<DirectoryEntry, 'address' | 'routingAddress'>,
  first: Domain | undefined,
): Mailbox | undefined {
  return entry.routingAddress ?? (first === undefined ? undefined : mailbox(entry.address.localPart, first));
}

export function judge(views: Views, context: JudgeContext, findings: FindingList): void {
  const { active, onPremises, cloud } = views;
  const entry = active ?? onPremises?.entry ?? cloud?.entry;
  // a test user lives where its administrator put it
  if (entry === undefined || active?.kind === 'probe') return;
  const judging: Judging = { ...views, context, findings, address: entry.address.address, routing: routingOf(views, context) };
  const here = onPremises?.presence;
  const there = cloud?.presence;
  if (here === 'mailbox' && there === 'mailbox') bothSides(judging);
  else if (here === 'absent' && there === 'absent') neitherSide(judging);
  else if (here === 'mailbox' && active?.route === 'cloud') wrongSide(judging, 'on-premises');
  else if (there === 'mailbox' && active?.route === 'on-premises' && here === undefined) alsoThere(judging);
  else if (there === 'mailbox' && active?.route === 'on-premises') wrongSide(judging, 'cloud');
  else if (here === 'absent' && there === 'mailbox') cloudOnly(judging);
  else if (here === 'absent' && there === undefined && active?.route === 'on-premises') notThere(judging);
  else if (saysCloud(judging) && there !== undefined && there !== 'mailbox' && there !== 'group') noCloudMailbox(judging);
  if (here === 'mailbox' && onPremises?.forwardsTo !== undefined && active?.route !== 'cloud') staleTarget(judging);
  if (here === 'remote') remoteRouting(judging);
  if (active !== undefined && (active.route === 'cloud' || active.route === 'both')) ownRouting(judging);
  if (here === 'contact' || (here === 'remote' && onPremises?.entry?.kind === 'contact')) migratedContact(judging);
}

interface Judging extends Views {
  readonly context: JudgeContext;
  readonly findings: FindingList;
  readonly address: string;
  /** Where its mail should go in the cloud. */
  readonly routing: string;
}

function routingOf({ active, onPremises, cloud }: Views, context: JudgeContext): string {
  const entry =
    [active, onPremises?.entry].find((one) => one?.routingAddress !== undefined) ?? active ?? onPremises?.entry ?? cloud?.entry;
  return (entry && routingAddressOf(entry, context.firstRoutingDomain)?.address) ?? 'USER@ROUTING-DOMAIN';
}

/** Whether we, or where we do not know it on-premises, say that the mailbox is in the cloud. */
const saysCloud = ({ active, onPremises }: Views): boolean =>
  active === undefined ? onPremises?.presence === 'remote' : active.route === 'cloud' || active.route === 'both';

const sourcesOf = ({ active, onPremises, cloud }: Views): string[] =>
  [...new Set([active?.source, onPremises?.entry?.source, cloud?.entry?.source])].filter((one) => one !== undefined);

function bothSides(judging: Judging): void {
  const { active, address, routing, findings } = judging;
  const isMoving = active?.route === 'hold' || active?.route === 'both';
  findings.add(isMoving ? 'info' : 'error', 'both-sides', () => ({
    address,
    problem: 'it has a mailbox on-premises and one in the cloud',
    cause:
      'As a rule a licence was given before the move, or the old mailbox was kept after it. Each side delivers to its own mailbox, so what colleagues write arrives in the one on their side',
    remedy: isMoving
      ? 'It is being moved: finish the wave, then turn the old mailbox into a remote mailbox'
      : active?.route === 'cloud'
        ? 'Carry over what came to the old mailbox, then turn it into a remote mailbox'
        : 'Find out first which of the two is in use. Not moved yet: take its licence and then the mailbox in the cloud away (Set-User -PermanentlyClearPreviousMailboxInfo). Moved: turn the old one into a remote mailbox (Disable-Mailbox, Enable-RemoteMailbox) and switch the route',
    // Where two remedies exclude each other only the question is typed out: pasted whole, they would take both mailboxes away
    commands: [
      ...COMMANDS.showBoth(address),
      ...(active?.route === 'cloud' || isMoving ? COMMANDS.makeRemote(address, routing) : []),
    ],
    sources: sourcesOf(judging),
  }));
}

function neitherSide(judging: Judging): void {
  const { active, address, findings } = judging;
  findings.add('error', 'neither-side', () => ({
    address,
    problem: `we route it ${active?.route ?? ''}, and neither side has it`,
    cause: 'It was deleted or renamed on both sides, or it stands in a file alone. Mail for it is taken and then bounces',
    remedy: 'Remove it from the source, or create the mailbox',
    commands: [...COMMANDS.showBoth(address), COMMANDS.importAgain],
    sources: sourcesOf(judging),
  }));
}

function wrongSide(judging: Judging, side: 'on-premises' | 'cloud'): void {
  const { active, address, routing, findings } = judging;
  findings.add('error', 'wrong-side', () => ({
    address,
    problem: `we route it ${active?.route ?? ''}, and its mailbox is ${side === 'cloud' ? 'in the cloud' : 'on-premises'}`,
    cause:
      side === 'cloud'
        ? 'It was moved, and the relay was not told. On-premises sends its mail on to the cloud at best, and refuses it at worst'
        : 'It was switched before its mailbox was moved, or moved back. The cloud refuses its mail (5.1.10, 5.4.1) or sends it round in a loop',
    remedy: side === 'cloud' ? 'Switch it: in its wave, or alone' : 'Take it back, or finish the move',
    commands: [
      COMMANDS.setRoute(address, side, `check: its mailbox is ${side === 'cloud' ? 'in the cloud' : 'on-premises'}`),
      ...(side === 'on-premises' ? [COMMANDS.setTarget(address, routing)] : []),
    ],
    sources: sourcesOf(judging),
  }));
}

/** What on-premises has is not known: it may be on both sides, as it is before a switch. */
function alsoThere(judging: Judging): void {
  const { address, findings } = judging;
  findings.add('warning', 'wrong-side', () => ({
    address,
    problem: 'we route it on-premises, and the cloud has a mailbox for it',
    cause:
      'It waits for its switch, or it was moved and the relay was not told. Until then what colleagues in the cloud write arrives in the mailbox there',
    remedy: 'Where it has moved, switch it: in its wave, or alone; an export of the on-premises side tells more',
    commands: [COMMANDS.setRoute(address, 'cloud', 'check: its mailbox is in the cloud'), COMMANDS.checkOnPremises],
    sources: sourcesOf(judging),
  }));
}

function cloudOnly(judging: Judging): void {
  const { address, routing, findings } = judging;
  findings.add('warning', 'on-premises-object-missing', () => ({
    address,
    problem: 'it has a mailbox in the cloud, and on-premises there is nothing',
    cause:
      'It was created in the cloud, or its account was deleted on-premises. Colleagues on-premises get 5.1.1 when they write to it',
    remedy: 'Give on-premises an object that points to the cloud',
    commands: [COMMANDS.enableRemote(address, routing)],
    sources: sourcesOf(judging),
  }));
}

function notThere(judging: Judging): void {
  const { address, findings } = judging;
  findings.add('error', 'on-premises-object-missing', () => ({
    address,
    problem: 'we route it on-premises, and on-premises there is nothing',
    cause: 'It was deleted or renamed there. Mail for it is taken and then bounces',
    remedy: 'Remove it from the source, or where it was moved, switch it',
    commands: [...COMMANDS.showBoth(address), COMMANDS.importAgain],
    sources: sourcesOf(judging),
  }));
}

function noCloudMailbox(judging: Judging): void {
  const { active, cloud, address, findings } = judging;
  const isThere = cloud?.presence !== 'absent';
  findings.add('error', 'cloud-mailbox-missing', () => ({
    address,
    problem: `${active === undefined ? 'on-premises' : 'we'} say that its mailbox is in the cloud, and there ${isThere ? 'is an object without a mailbox' : 'is nothing'}`,
    cause: isThere
      ? 'The move has not ended, or the licence was taken away. The cloud sends its mail back to us, and we refuse the loop (5.4.6)'
      : 'The account is not synchronised, or was deleted in the cloud. Mail for it is refused there (5.1.10, 5.4.1)',
    remedy: 'Finish the move or assign the licence; where it is still on-premises, take the route back',
    commands: [...COMMANDS.showBoth(address), COMMANDS.setRoute(address, 'on-premises', 'check: no mailbox in the cloud')],
    sources: sourcesOf(judging),
  }));
}

function staleTarget(judging: Judging): void {
  const { active, onPremises, address, findings } = judging;
  const target = onPremises?.forwardsTo?.address ?? '';
  findings.add(active === undefined ? 'warning' : 'error', 'stale-target', () => ({
    address,
    problem: `its mailbox is on-premises, and its targetAddress sends on to ${target}`,
    cause:
      'A move was begun or taken back, and the attribute stayed. On-premises sends its mail to the cloud, and the cloud sends it back',
    remedy: 'Remove the targetAddress; where the mailbox has moved, switch the route',
    commands: [COMMANDS.clearTarget(address), COMMANDS.setRoute(address, 'cloud', 'check: moved')],
    sources: sourcesOf(judging),
  }));
}

/** The on-premises object points to the cloud: to an address that is there, and in a routing domain? */
function remoteRouting(judging: Judging): void {
  const { active, onPremises, cloud, context, address, routing, findings } = judging;
  const target = onPremises?.entry?.routingAddress;
  if (onPremises?.entry === undefined || onPremises.entry.kind === 'contact') return;
  // where the cloud has the mailbox, that is said already
  if (active?.route === 'on-premises' && cloud?.presence !== 'mailbox') {
    findings.add('error', 'wrong-side', () => ({
      address,
      problem: 'we route it on-premises, and on-premises it is a remote mailbox',
      cause: 'It was moved, and the relay was not told; or the file is old. On-premises sends its mail to the cloud, round about',
      remedy: 'Switch it: in its wave, or alone',
      commands: [COMMANDS.setRoute(address, 'cloud', 'check: a remote mailbox on-premises')],
      sources: sourcesOf(judging),
    }));
  }
  if (target === undefined) {
    findings.add('error', 'routing-address-missing', () => ({
      address,
      problem: 'the remote mailbox on-premises has no routing address (targetAddress)',
      cause: 'It was not stamped when the mailbox moved. On-premises refuses what colleagues write to it (5.1.1)',
      remedy: 'Set it',
      commands: [COMMANDS.setRemoteRouting(address, routing)],
      sources: sourcesOf(judging),
    }));
    return;
  }
  if (!context.routingDomains.has(target.domain)) {
    wrongRouting(
      judging,
      target,
      `is in no routing domain (${[...context.routingDomains].join(', ') || 'none is set'})`,
      'on-premises',
    );
  } else if (active === undefined || active.route === 'on-premises' || target.address !== routing) {
    // else our own is the same, and is looked at as such
    lookUpRouting(judging, target, 'on-premises');
  }
}

/** Our own routing address: is it there, and whose is it? */
function ownRouting(judging: Judging): void {
  const { active, context } = judging;
  const target = active === undefined ? undefined : routingAddressOf(active, context.firstRoutingDomain);
  if (target !== undefined) lookUpRouting(judging, target, 'relay');
}

function lookUpRouting(judging: Judging, target: Mailbox, where: 'on-premises' | 'relay'): void {
  const { onPremises, cloud, context, findings, address } = judging;
  if (context.cloudIndex === undefined) return;
  const owner = context.cloudIndex.ownerOf(mailboxKey(target));
  if (owner !== undefined) {
    const other = context.cloudIndex.entry(owner);
    if (cloud?.entry === undefined || mailboxKey(other.address) !== mailboxKey(cloud.entry.address))
      wrongRouting(judging, target, `belongs to ${other.address.address} in the cloud (${other.source})`, where);
  } else if (cloud?.presence === 'mailbox') {
    findings.add('error', 'routing-address-missing', () => ({
      address,
      problem: `its mailbox in the cloud does not have ${target.address}, where ${where === 'relay' ? 'we send' : 'on-premises sends'} its mail`,
      cause:
        'The address was never added, or was removed with a domain that is not verified. The cloud refuses its mail (5.1.10)',
      remedy: 'Add the address to the mailbox; on-premises where the account is synchronised, else in the cloud',
      commands:
        onPremises?.presence === 'remote'
          ? COMMANDS.addRemoteAddress(address, target.address)
          : [COMMANDS.addCloudAddress(address, target.address)],
      sources: sourcesOf(judging),
    }));
  }
}

function wrongRouting(judging: Judging, target: Mailbox, what: string, where: 'on-premises' | 'relay'): void {
  const { address, findings } = judging;
  const right = rightRouting(judging, target);
  findings.add('error', 'routing-address-wrong', () => ({
    address,
    problem: `the routing address ${target.address} ${what}`,
    cause:
      where === 'on-premises'
        ? 'It was typed by hand, or is of another tenant or another person. Colleagues on-premises do not reach the mailbox'
        : 'Two people share a local part, or a mailbox was renamed. Mail for the one reaches the other',
    remedy:
      where === 'on-premises'
        ? 'Set the right one'
        : `Write the mailbox's own routing-address in the source (${right}), then import it`,
    commands: where === 'on-premises' ? [COMMANDS.setRemoteRouting(address, right)] : [COMMANDS.importAgain],
    sources: sourcesOf(judging),
  }));
}

/** An address in a routing domain that is this mailbox's own; a placeholder where none is known. */
function rightRouting({ context, active, onPremises, cloud, address }: Judging, wrong: Mailbox): string {
  const domain = context.firstRoutingDomain;
  const derived = domain && mailbox(address.slice(0, address.lastIndexOf('@')), domain);
  const candidates = [
    cloud?.entry?.address,
    cloud?.entry?.routingAddress,
    active?.routingAddress,
    onPremises?.entry?.routingAddress,
    derived,
  ];
  const right = candidates.find((one) => {
    if (one === undefined || one.address === wrong.address || !context.routingDomains.has(one.domain)) return false;
    const owner = context.cloudIndex?.ownerOf(mailboxKey(one));
    return (
      owner === undefined ||
      (cloud?.entry !== undefined && context.cloudIndex?.entry(owner).address.address === cloud.entry.address.address)
    );
  });
  return right?.address ?? `USER@${domain ?? 'ROUTING-DOMAIN'}`;
}

function migratedContact(judging: Judging): void {
  const { active, onPremises, address, context, findings } = judging;
  const target = onPremises?.entry?.routingAddress;
  if (target === undefined || !context.routingDomains.has(target.domain)) return;
  const isKnown = active?.route === 'cloud' || active?.route === 'both' || active?.route === 'hold';
  findings.add(isKnown ? 'info' : 'warning', 'contact-migrated', () => ({
    address,
    problem: `a contact on-premises points to ${target.address}: it stands for a mailbox in the cloud`,
    cause: 'Before there were remote mailboxes, people were moved that way. It is a migrated user, whatever its type says',
    remedy: isKnown ? 'Nothing, while it lasts; a remote mailbox shows more to colleagues' : 'Route it to the cloud',
    commands: isKnown ? [] : [COMMANDS.setRoute(address, 'cloud', 'check: a contact that stands for a mailbox in the cloud')],
    sources: sourcesOf(judging),
  }));
}
