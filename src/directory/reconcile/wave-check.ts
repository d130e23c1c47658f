/** Whether the mailboxes of a wave may change sides (C4): each one's routing address against the newest that is known of the cloud. */
import { type Mailbox, mailboxKey } from '../../mail/address.ts';
import type { DirectoryEntry } from '../ports.ts';
import { CLOUD_EXPORT, COMMANDS } from './commands.ts';
import type { CheckCommand } from './findings.ts';
import { routingAddressOf } from './judge.ts';
import type { CheckContext } from './ports.ts';
import type { Reconciliation } from './reconcile.ts';
import type { SideIndex } from './side-index.ts';

/** `unknown`: nothing speaks against it, and nothing is known of the side it goes to. */
export type WaveVerdict = 'safe' | 'unsafe' | 'unknown';

export interface WaveReason {
  /** Whether this alone makes the mailbox unsafe. */
  readonly blocks: boolean;
  readonly problem: string;
  readonly remedy: string;
  readonly commands: readonly CheckCommand[];
}

export interface CheckedMailbox {
  readonly address: string;
  /** Where its mail goes in the cloud. */
  readonly 'routing-address': string | null;
  readonly verdict: WaveVerdict;
  readonly reasons: readonly WaveReason[];
}

/** What `wave check --json` prints. */
export interface WaveCheck {
  readonly to: 'cloud' | 'on-premises';
  readonly version: number;
  readonly safe: number;
  readonly unsafe: number;
  readonly unknown: number;
  readonly mailboxes: readonly CheckedMailbox[];
  readonly notes: Reconciliation['notes'];
}

export interface WaveCheckContext extends CheckContext {
  /** As `reconcile` gave them; `undefined` where the side is not known. */
  readonly onPremises: SideIndex | undefined;
  readonly cloud: SideIndex | undefined;
}

/** Looks at each mailbox that is to go to a side. */
export function checkWave(members: Iterable<Mailbox>, to: 'cloud' | 'on-premises', context: WaveCheckContext): WaveCheck {
  const known = to === 'cloud' ? context.cloud : context.onPremises;
  const checking: Checking = {
    context,
    routingDomains: new Set(context.routingDomains),
    taken: new Map(),
    learned: learnedBy(context),
  };
  const mailboxes: CheckedMailbox[] = [];
  const counts: Record<WaveVerdict, number> = { safe: 0, unsafe: 0, unknown: 0 };
  for (const member of members) {
    const reasons: WaveReason[] = [];
    const routing = to === 'cloud' ? toCloud(member, checking, reasons) : toOnPremises(member, checking, reasons);
    const verdict = reasons.some(({ blocks }) => blocks) ? 'unsafe' : known === undefined ? 'unknown' : 'safe';
    counts[verdict]++;
    mailboxes.push({ address: member.address, 'routing-address': routing?.address ?? null, verdict, reasons });
  }
  return { to, version: context.active.version, ...counts, mailboxes, notes: known === undefined ? [notKnown(to)] : [] };
}

/** What a switch must not take along (C4); what nobody can tell about may go. */
export function unsafeMailboxes({
  mailboxes,
}: WaveCheck): { readonly address: string; readonly why: string; readonly remedy: string }[] {
  return mailboxes
    .filter(({ verdict }) => verdict === 'unsafe')
    .map(({ address, reasons }) => {
      const blocking = reasons.filter(({ blocks }) => blocks);
      return {
        address,
        why: blocking.map(({ problem }) => problem).join('; '),
        remedy: blocking.map(({ remedy }) => remedy).join('; '),
      };
    });
}

interface Checking {
  readonly context: WaveCheckContext;
  readonly routingDomains: ReadonlySet<string>;
  /** Routing addresses of this wave, and whose they are. */
  readonly taken: Map<string, string>;
  readonly learned: ReadonlyMap<string, string>;
}

function learnedBy(context: WaveCheckContext): Map<string, string> {
  const said = new Map<string, string>();
  for (const { address, what, count } of context.learned?.() ?? []) said.set(address.toLowerCase(), `${what} (${count} times)`);
  return said;
}

function notKnown(to: 'cloud' | 'on-premises'): Reconciliation['notes'][number] {
  return to === 'cloud'
    ? {
        text: 'No export of the cloud is known, so that nobody can tell whether the mailboxes are there. Make one and look again:',
        commands: CLOUD_EXPORT,
      }
    : {
        text: 'No source of the on-premises side is known, so that nobody can tell whether the mailboxes are there.',
        commands: [COMMANDS.checkOnPremises],
      };
}

function toCloud(member: Mailbox, checking: Checking, reasons: WaveReason[]): Mailbox | undefined {
  const { context, taken, learned } = checking;
  const { active, routingDomains } = context;
  const { address } = member;
  const block = (problem: string, remedy: string, ...commands: CheckCommand[]): void =>
    void reasons.push({ blocks: true, problem, remedy, commands });
  const note = (problem: string, remedy: string): void => void reasons.push({ blocks: false, problem, remedy, commands: [] });

  const entry = active.find(mailboxKey(member));
  if (entry === undefined) {
    block('the directory does not know it', 'Import the newest export, or mend the address in the list', COMMANDS.importAgain);
    return undefined;
  }
  const kind = entry.kind ?? 'mailbox';
  if (kind === 'group' || kind === 'public-folder' || kind === 'contact') {
    block(`it is a ${kind}, and no mailbox`, 'Take it out of the wave');
    return undefined;
  }
  if (entry.route === 'cloud') note('it is in the cloud already', 'Nothing: the switch leaves it there');
  const said = learned.get(entry.address.address.toLowerCase());
  if (said !== undefined) note(said, 'Look where the mailbox is before it is switched');
  const state = context.domainState?.(entry.address.domain);
  if (state === 'unverified') {
    block(
      `the domain ${entry.address.domain} is not verified, and the cloud takes its addresses away`,
      'Publish the record, and verify the domain here and in the cloud',
      COMMANDS.verifyDomain(entry.address.domain),
    );
  }
  const routing = routingAddressOf(entry, routingDomains[0]);
  if (routing === undefined || !checking.routingDomains.has(routing.domain)) {
    block(
      routing === undefined ? 'there is no routing domain' : `its routing address ${routing.address} is in no routing domain`,
      'Set cloud.routing-domains in the settings, or a routing-address that is in one',
    );
    return routing;
  }
  const key = mailboxKey(routing);
  const other = taken.get(key) ?? ownerElsewhere(active.find(key), entry);
  if (other === undefined) taken.set(key, entry.address.address);
  else
    block(`its routing address ${routing.address} is that of ${other} too`, 'Give one of the two a routing-address of its own');
  if (context.cloud !== undefined) inCloud(entry, routing, context.cloud, block);
  if (address !== entry.address.address)
    note(`it is an alias of ${entry.address.address}, which is switched as a whole`, 'Nothing');
  return routing;
}

const ownerElsewhere = (owner: DirectoryEntry | undefined, self: DirectoryEntry): string | undefined =>
  owner === undefined || mailboxKey(owner.address) === mailboxKey(self.address) ? undefined : owner.address.address;

type Block = (problem: string, remedy: string, ...commands: CheckCommand[]) => void;

function inCloud(entry: DirectoryEntry, routing: Mailbox, cloud: SideIndex, block: Block): void {
  const { address } = entry.address;
  const owner = cloud.ownerOf(mailboxKey(routing));
  const byAddress = cloud.ownerOf(mailboxKey(entry.address));
  if (owner === undefined && byAddress === undefined) {
    block(
      'the cloud has nothing with its address or its routing address',
      'See that the account is synchronised and has a licence, then make a new export',
      ...COMMANDS.showBoth(address),
    );
    return;
  }
  const found = cloud.entry(owner ?? byAddress ?? 0);
  if (owner === undefined) {
    block(
      `its mailbox in the cloud does not have the routing address ${routing.address}, and would not get its mail (5.1.10)`,
      'Add the address; on-premises where the account is synchronised, else in the cloud',
      ...COMMANDS.addRemoteAddress(address, routing.address),
      COMMANDS.addCloudAddress(address, routing.address),
    );
  } else if (byAddress !== undefined && byAddress !== owner) {
    block(
      `its routing address ${routing.address} belongs to ${found.address.address} in the cloud (${found.source})`,
      "Write the mailbox's own routing-address in the source, and import it",
      COMMANDS.importAgain,
    );
    return;
  }
  if (cloud.presence(found) !== 'mailbox') {
    block(
      `in the cloud it is ${found.kind === undefined ? 'an object' : `a ${found.kind}`} without a mailbox (${found.source}): its mail would come back to us`,
      'Finish the move or assign the licence, then make a new export',
      ...COMMANDS.showBoth(address),
    );
  }
}

function toOnPremises(member: Mailbox, { context }: Checking, reasons: WaveReason[]): Mailbox | undefined {
  const entry = context.active.find(mailboxKey(member));
  const { address } = member;
  const block: Block = (problem, remedy, ...commands) => void reasons.push({ blocks: true, problem, remedy, commands });
  if (entry === undefined) {
    block('the directory does not know it', 'Import the newest export, or mend the address in the list', COMMANDS.importAgain);
    return undefined;
  }
  const { onPremises } = context;
  const routing = routingAddressOf(entry, context.routingDomains[0]);
  if (onPremises === undefined) return routing;
  const owner = onPremises.ownerOf(mailboxKey(entry.address));
  const found = owner === undefined ? undefined : onPremises.entry(owner);
  const presence = found === undefined ? 'absent' : onPremises.presence(found);
  const forwardsTo = owner === undefined ? undefined : onPremises.forwardOf(owner);
  if (presence !== 'mailbox') {
    block(
      presence === 'absent'
        ? 'on-premises there is nothing with its address'
        : `on-premises it is no mailbox (${found?.source ?? ''})`,
      'Move or restore the mailbox first, else its mail is refused there or sent to the cloud again',
      ...COMMANDS.showBoth(address),
    );
  } else if (forwardsTo !== undefined) {
    block(`its targetAddress sends on to ${forwardsTo.address}`, 'Remove the targetAddress', COMMANDS.clearTarget(address));
  }
  return routing;
}
