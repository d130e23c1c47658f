/** Two sides and a version of a small company, written as lines, for the tests of the reconciliation. */
import { buildDirectory } from '../../../../src/directory/build.ts';
import type { DirectoryRecord, DirectoryRoute, DirectorySource, RecipientKind } from '../../../../src/directory/ports.ts';
import type { CheckContext } from '../../../../src/directory/reconcile/ports.ts';
import { type Reconciled, type Reconciliation, reconcile } from '../../../../src/directory/reconcile/reconcile.ts';
import type { SideName, SideSource } from '../../../../src/directory/reconcile/side-index.ts';
import { type Domain, type Mailbox, parseDomain, parseMailbox } from '../../../../src/mail/address.ts';

export const box = (text: string): Mailbox => {
  const parsed = parseMailbox(text.includes('@') ? text : `${text}@example.com`);
  if (parsed === undefined) throw new Error(`no mailbox: ${text}`);
  return parsed;
};
const domain = (text: string): Domain => parseDomain(text) ?? (text as Domain);

export const ROUTING = domain('tenant.mail.onmicrosoft.com');
export const NOW = Date.parse('2026-11-22T12:00:00Z');

export interface Line {
  readonly address: string;
  readonly kind?: RecipientKind;
  readonly route?: DirectoryRoute;
  readonly routing?: string;
  readonly aliases?: readonly string[];
  readonly members?: readonly string[];
  readonly forwardsTo?: string;
}

export function records(lines: Iterable<Line>): DirectoryRecord[] {
  return Array.from(lines, ({ address, kind, route = 'on-premises', routing, aliases = [], members, forwardsTo }, i) => ({
    address: box(address),
    route,
    aliases: aliases.map(box),
    primary: 'on-premises' as const,
    line: i + 2,
    ...(kind && { kind }),
    ...(routing && { routingAddress: box(routing) }),
    ...(members && { members: members.map(box) }),
    ...(forwardsTo && { forwardsTo: box(forwardsTo) }),
  }));
}

export const sourceOf = (name: string, origin: string, lines: Iterable<Line>): DirectorySource => ({
  name,
  origin,
  read(sink) {
    for (const record of records(lines)) sink.record(record);
    return Promise.resolve();
  },
});

export const side = (name: SideName, lines: Iterable<Line>, takenAt: number = NOW): SideSource => ({
  side: name,
  takenAt,
  source: sourceOf(name === 'cloud' ? 'tenant' : 'ad', name === 'cloud' ? 'cloud.csv' : 'users.ldf', lines),
});

export async function contextOf(lines: Iterable<Line>, more: Partial<CheckContext> = {}): Promise<CheckContext> {
  const domains = [{ name: domain('example.com'), includeSubdomains: false }];
  const { index } = await buildDirectory([sourceOf('plain', 'recipients.csv', lines)], {
    domains,
    routingDomains: [ROUTING],
    connectors: [],
  });
  const active = { version: 12, find: (key: string) => index.find(key), entries: () => index.entries() };
  return { domains, routingDomains: [ROUTING], active, ...more };
}

export interface Company {
  readonly active: Iterable<Line>;
  readonly onPremises?: Iterable<Line>;
  readonly cloud?: Iterable<Line>;
}

export async function reconciled({ active, onPremises, cloud }: Company, more: Partial<CheckContext> = {}): Promise<Reconciled> {
  const sources = [...(onPremises ? [side('on-premises', onPremises)] : []), ...(cloud ? [side('cloud', cloud)] : [])];
  return await reconcile(sources, await contextOf(active, more), NOW);
}

export const check = async (...args: Parameters<typeof reconciled>): Promise<Reconciliation> =>
  (await reconciled(...args)).report;

/** `error both-sides a@example.com`, one a finding. */
export const brief = ({ findings }: Reconciliation): string[] =>
  findings.map(({ severity, kind, address }) => `${severity} ${kind} ${address}`);

export const routing = (name: string): string => `${name}@${ROUTING}`;
/** A mailbox as an export of the cloud has it. */
export const cloudBox = (name: string, more: Partial<Line> = {}): Line => ({
  address: name,
  kind: 'mailbox',
  aliases: [routing(name)],
  ...more,
});
/** A synchronised account without a mailbox there. */
export const cloudUser = (name: string): Line => ({ address: name, kind: 'mail-user', aliases: [routing(name)] });
/** A mailbox as on-premises has it. */
export const homeBox = (name: string, more: Partial<Line> = {}): Line => ({ address: name, kind: 'mailbox', ...more });
/** What on-premises has of a mailbox that moved. */
export const remoteBox = (name: string, more: Partial<Line> = {}): Line => ({
  address: name,
  kind: 'remote-mailbox',
  route: 'cloud',
  routing: routing(name),
  ...more,
});
