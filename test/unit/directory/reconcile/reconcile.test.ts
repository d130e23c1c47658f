import { describe, expect, it } from 'vitest';
import type { CheckFinding } from '../../../../src/directory/reconcile/findings.ts';
import type { Reconciliation } from '../../../../src/directory/reconcile/reconcile.ts';
import { reconcile } from '../../../../src/directory/reconcile/reconcile.ts';
import {
  brief,
  check,
  cloudBox,
  cloudUser,
  contextOf,
  homeBox,
  type Line,
  NOW,
  ROUTING,
  remoteBox,
  routing,
  side,
} from './sides.ts';

const only = ({ findings }: Reconciliation): CheckFinding => {
  const [finding] = findings;
  if (finding === undefined || findings.length > 1) throw new Error(JSON.stringify(findings, null, 2));
  return finding;
};
const lines = ({ commands }: CheckFinding): string[] => commands.map(({ where, line }) => `${where}: ${line}`);

const moved = (name: string, more: Partial<Line> = {}): Line => ({
  address: name,
  route: 'cloud',
  routing: routing(name),
  ...more,
});
const staying = (name: string, more: Partial<Line> = {}): Line => ({ address: name, ...more });

describe('directory check', () => {
  it('has nothing to say of a migration in good order', async () => {
    const report = await check({
      active: [moved('anna', { aliases: ['a.long.name'] }), staying('bert'), staying('sales', { kind: 'group' })],
      onPremises: [remoteBox('anna', { aliases: ['a.long.name'] }), homeBox('bert'), { address: 'sales', kind: 'group' }],
      cloud: [cloudBox('anna', { aliases: ['a.long.name', routing('anna')] }), cloudUser('bert')],
    });
    expect(report.findings).toEqual([]);
    expect(report.notes).toEqual([]);
    expect(report.sides).toEqual({
      'on-premises': { origins: ['users.ldf'], recipients: 3, mailboxes: 1, 'taken-at': '2026-11-22T12:00:00.000Z' },
      cloud: { origins: ['cloud.csv'], recipients: 2, mailboxes: 1, 'taken-at': '2026-11-22T12:00:00.000Z' },
    });
  });

  it('finds two mailboxes for one person, and types out only the question where the answer would take one of them away', async () => {
    const report = await check({ active: [staying('anna')], onPremises: [homeBox('anna')], cloud: [cloudBox('anna')] });
    const finding = only(report);
    expect(finding).toMatchObject({ severity: 'error', kind: 'both-sides', address: 'anna@example.com' });
    expect(lines(finding).every((line) => line.includes('Get-Recipient'))).toBe(true);
    expect(finding.remedy).toContain('Set-User -PermanentlyClearPreviousMailboxInfo');
    expect(finding.sources).toEqual(['plain recipients.csv:2', 'ad users.ldf:2', 'tenant cloud.csv:2']);
  });

  it('takes two mailboxes for what they are while a mailbox is being moved', async () => {
    const report = await check({
      active: [
        { address: 'anna', route: 'hold' },
        { address: 'bert', route: 'both' },
      ],
      onPremises: [homeBox('anna'), homeBox('bert')],
      cloud: [cloudBox('anna'), cloudBox('bert')],
    });
    expect(brief(report)).toEqual(['info both-sides anna@example.com', 'info both-sides bert@example.com']);
  });

  it('never proposes to delete a mailbox in the cloud that mail goes to', async () => {
    const finding = only(await check({ active: [moved('anna')], onPremises: [homeBox('anna')], cloud: [cloudBox('anna')] }));
    expect(finding.kind).toBe('both-sides');
    expect(lines(finding).join()).not.toContain('PermanentlyClear');
  });

  it('finds a recipient that neither side has', async () => {
    const report = await check({ active: [staying('gone'), moved('away')], onPremises: [], cloud: [] });
    expect(brief(report)).toEqual(['error neither-side gone@example.com', 'error neither-side away@example.com']);
  });

  it('concludes nothing about a side that it does not know, and says how to get it', async () => {
    const withoutCloud = await check({
      active: [moved('anna'), staying('bert')],
      onPremises: [remoteBox('anna'), homeBox('bert')],
    });
    expect(withoutCloud.findings).toEqual([]);
    expect(withoutCloud.sides.cloud).toBeNull();
    expect(withoutCloud.notes[0]?.text).toContain('No export of the cloud is known');
    expect(withoutCloud.notes[0]?.commands.map(({ line }) => line).join('\n')).toMatch(
      /Get-Recipient[^]*directory check --cloud/,
    );
    const withoutBoth = await check({ active: [moved('anna')] });
    expect(withoutBoth.findings).toEqual([]);
    expect(withoutBoth.notes).toHaveLength(2);
  });

  it('says that an export is old', async () => {
    const context = await contextOf([staying('bert')]);
    const sources = [side('on-premises', [homeBox('bert')]), side('cloud', [cloudUser('bert')], NOW - 9.5 * 86_400_000)];
    const { report } = await reconcile(sources, context, NOW);
    expect(report.notes.map(({ text }) => text)).toEqual(['What is known of the cloud is 9 days old (cloud.csv).']);
  });

  it('finds the routing address that the mailbox in the cloud lacks', async () => {
    const finding = only(
      await check({ active: [moved('anna')], onPremises: [remoteBox('anna')], cloud: [cloudBox('anna', { aliases: [] })] }),
    );
    expect(finding).toMatchObject({ severity: 'error', kind: 'routing-address-missing' });
    expect(lines(finding)).toEqual([
      "on-premises: Set-RemoteMailbox -Identity 'anna@example.com' -EmailAddresses @{add='smtp:anna@tenant.mail.onmicrosoft.com'}",
      'on-premises: Start-ADSyncSyncCycle -PolicyType Delta',
    ]);
  });

  it('finds a remote mailbox that nobody stamped with a routing address', async () => {
    const { routing: _, ...unstamped } = remoteBox('anna');
    const finding = only(await check({ active: [moved('anna')], onPremises: [unstamped], cloud: [cloudBox('anna')] }));
    expect(finding.kind).toBe('routing-address-missing');
    expect(lines(finding)).toEqual([
      "on-premises: Set-RemoteMailbox -Identity 'anna@example.com' -RemoteRoutingAddress 'anna@tenant.mail.onmicrosoft.com'",
    ]);
  });

  it('finds a routing address of another tenant, and one of another person', async () => {
    const foreign = only(
      await check({
        active: [moved('anna')],
        onPremises: [remoteBox('anna', { routing: 'anna@other.mail.onmicrosoft.com' })],
        cloud: [cloudBox('anna')],
      }),
    );
    expect(foreign.kind).toBe('routing-address-wrong');
    expect(lines(foreign)[0]).toContain("-RemoteRoutingAddress 'anna@tenant.mail.onmicrosoft.com'");
    const swapped = await check({
      active: [moved('anna', { routing: routing('anna.two') }), moved('anna.two', { routing: routing('anna.2') })],
      onPremises: [remoteBox('anna'), remoteBox('anna.two', { routing: routing('anna.2') })],
      cloud: [cloudBox('anna'), cloudBox('anna.two', { aliases: [routing('anna.two'), routing('anna.2')] })],
    });
    expect(brief(swapped)).toEqual(['error routing-address-wrong anna@example.com']);
    expect(only(swapped).problem).toContain('belongs to anna.two@example.com in the cloud');
    expect(only(swapped).remedy).toContain(routing('anna'));
  });

  it('does not take another person with the same routing address for the mailbox', async () => {
    const report = await check({
      active: [moved('john', { routing: routing('john') })],
      onPremises: [remoteBox('john')],
      cloud: [cloudBox('john.smith', { aliases: [routing('john')] })],
    });
    expect(brief(report)).toContain('error cloud-mailbox-missing john@example.com');
    expect(brief(report)).toContain('error routing-address-wrong john@example.com');
  });

  it('knows a mailbox in the cloud whose domain was taken from it by its routing address alone', async () => {
    const report = await check({
      active: [moved('anna')],
      onPremises: [remoteBox('anna')],
      cloud: [{ address: routing('anna'), kind: 'mailbox' }],
    });
    expect(report.findings).toEqual([]);
  });

  it('finds an alias with two owners: on one side, and across the sides', async () => {
    const across = only(
      await check({
        active: [moved('anna', { aliases: ['info'] }), staying('bert')],
        onPremises: [remoteBox('anna'), homeBox('bert', { aliases: ['info'] })],
        cloud: [cloudBox('anna', { aliases: ['info', routing('anna')] })],
      }),
    );
    expect(across).toMatchObject({ severity: 'error', kind: 'alias-twice', address: 'info@example.com' });
    expect(across.problem).toBe('it belongs to bert@example.com and to anna@example.com');
    expect(lines(across)).toEqual([
      "cloud: Set-Mailbox -Identity 'anna@example.com' -EmailAddresses @{remove='smtp:info@example.com'}",
    ]);
    expect(across.sources).toEqual(['ad users.ldf:3', 'tenant cloud.csv:2']);
    const within = await check({
      active: [staying('anna'), staying('bert')],
      onPremises: [homeBox('anna', { aliases: ['info'] }), homeBox('bert', { aliases: ['info'] })],
    });
    expect(brief(within)).toEqual(['error alias-twice info@example.com']);
  });

  it('C7: takes a contact beside a mailbox as legitimate', async () => {
    const report = await check({
      active: [staying('anna')],
      onPremises: [homeBox('anna'), { address: 'anna', kind: 'contact' }],
      cloud: [cloudUser('anna')],
    });
    expect(brief(report)).toEqual(['info alias-twice anna@example.com']);
  });

  it('finds a group with members on both sides, and its twin in the cloud', async () => {
    const sales: Line = { address: 'sales', kind: 'group', members: ['anna', 'bert', 'stranger@example.net'] };
    const active = [moved('anna'), staying('bert'), staying('sales', { kind: 'group' })];
    const onPremises = [remoteBox('anna'), homeBox('bert'), sales];
    const one = only(await check({ active, onPremises, cloud: [cloudBox('anna'), cloudUser('bert')] }));
    expect(one).toMatchObject({ severity: 'info', kind: 'group-both-sides', address: 'sales@example.com' });
    expect(one.problem).toContain('1 of its members in the cloud and 1 on-premises');
    const two = only(
      await check({ active, onPremises, cloud: [cloudBox('anna'), cloudUser('bert'), { address: 'sales', kind: 'group' }] }),
    );
    expect(two).toMatchObject({ severity: 'warning', kind: 'group-both-sides' });
  });

  it('C8: refuses to call a domain good that was never proved, and warns of a proof that is gone', async () => {
    const company = {
      active: [moved('anna'), moved('bert')],
      onPremises: [remoteBox('anna'), remoteBox('bert')],
      cloud: [cloudBox('anna'), cloudBox('bert')],
    };
    const never = only(await check(company, { domainState: () => 'unverified' }));
    expect(never).toMatchObject({ severity: 'error', kind: 'domain-unverified', address: 'example.com' });
    expect(never.problem).toContain('2 of its recipients');
    expect(only(await check(company, { domainState: () => 'lost' }))).toMatchObject({ severity: 'warning' });
    expect((await check(company, { domainState: () => 'none' })).findings).toEqual([]);
  });

  it('finds a remote mailbox without a mailbox in the cloud, and tells an account from nothing', async () => {
    const account = only(await check({ active: [moved('anna')], onPremises: [remoteBox('anna')], cloud: [cloudUser('anna')] }));
    expect(account).toMatchObject({ severity: 'error', kind: 'cloud-mailbox-missing' });
    expect(account.problem).toContain('an object without a mailbox');
    const nothing = only(await check({ active: [moved('anna')], onPremises: [remoteBox('anna')], cloud: [] }));
    expect(nothing.problem).toContain('there is nothing');
  });

  it('finds a mailbox in the cloud that on-premises knows nothing of', async () => {
    const finding = only(await check({ active: [moved('anna')], onPremises: [], cloud: [cloudBox('anna')] }));
    expect(finding).toMatchObject({ severity: 'warning', kind: 'on-premises-object-missing' });
    expect(lines(finding)[0]).toContain('Enable-RemoteMailbox');
  });

  it('takes no alias in a routing domain for a targetAddress: synchronisation stamps it on mailboxes that stand here', async () => {
    const stamped = homeBox('anna', { routing: routing('anna') });
    expect((await check({ active: [staying('anna')], onPremises: [stamped], cloud: [cloudUser('anna')] })).findings).toEqual([]);
  });

  it('finds a stale targetAddress on a mailbox that is on-premises', async () => {
    const finding = only(
      await check({
        active: [staying('anna')],
        onPremises: [homeBox('anna', { forwardsTo: routing('anna') })],
        cloud: [cloudUser('anna')],
      }),
    );
    expect(finding).toMatchObject({ severity: 'error', kind: 'stale-target' });
    expect(lines(finding)[0]).toBe(
      "on-premises: Get-ADUser -LDAPFilter '(proxyAddresses=smtp:anna@example.com)' | Set-ADUser -Clear targetAddress",
    );
  });

  it('finds a contact that stands for a migrated user', async () => {
    const contact: Line = { address: 'anna', kind: 'contact', route: 'cloud', routing: routing('anna') };
    const known = await check({ active: [moved('anna', { kind: 'contact' })], onPremises: [contact], cloud: [cloudBox('anna')] });
    expect(brief(known)).toEqual(['info contact-migrated anna@example.com']);
    const unknown = await check({ active: [staying('anna')], onPremises: [contact], cloud: [cloudBox('anna')] });
    expect(brief(unknown)).toContain('warning contact-migrated anna@example.com');
  });

  it('finds a mailbox that was moved without a word to the relay, and one switched too early', async () => {
    const moves = await check({
      active: [staying('anna'), moved('bert')],
      onPremises: [remoteBox('anna'), homeBox('bert')],
      cloud: [cloudBox('anna'), cloudUser('bert')],
    });
    expect(brief(moves)).toEqual(['error wrong-side anna@example.com', 'error wrong-side bert@example.com']);
    expect(moves.findings.map(({ commands }) => commands[0]?.line)).toEqual([
      "bridgehead directory set anna@example.com --route cloud --reason 'check: its mailbox is in the cloud'",
      "bridgehead directory set bert@example.com --route on-premises --reason 'check: its mailbox is on-premises'",
    ]);
  });

  it('takes a mailbox in the cloud for what it may be where on-premises is not known: made before its switch', async () => {
    expect(brief(await check({ active: [staying('anna')], cloud: [cloudBox('anna')] }))).toEqual([
      'warning wrong-side anna@example.com',
    ]);
  });

  it('finds people that came after the last import, on either side', async () => {
    const report = await check({
      active: [],
      onPremises: [homeBox('new'), homeBox('x', { address: 'x@elsewhere.example' })],
      cloud: [cloudBox('newer')],
    });
    expect(brief(report).filter((line) => line.includes('not-in-directory'))).toEqual([
      'warning not-in-directory new@example.com',
      'warning not-in-directory newer@example.com',
    ]);
  });

  it('reports what the answers of servers taught', async () => {
    const last = NOW - 60_000;
    const finding = only(
      await check(
        { active: [moved('anna')], onPremises: [remoteBox('anna')], cloud: [cloudBox('anna')] },
        { learned: () => [{ address: 'anna@example.com', what: 'the cloud answers 5.1.10', count: 3, last }] },
      ),
    );
    expect(finding).toMatchObject({ severity: 'warning', kind: 'learned' });
    expect(finding.problem).toBe('the cloud answers 5.1.10, 3 times, last 2026-11-22T11:59:00.000Z');
  });

  it('does not count test users: they live where they were put', async () => {
    const report = await check({ active: [moved('probe', { kind: 'probe' })], onPremises: [], cloud: [] });
    expect(report.findings).toEqual([]);
  });

  it('writes addresses into PowerShell so that they stay addresses', async () => {
    const report = await check({ active: [staying("o'brien")], onPremises: [homeBox("o'brien")], cloud: [cloudBox("o'brien")] });
    expect(lines(only(report)).join('\n')).toContain("-Identity 'o''brien@example.com'");
    const curly = 'o’x';
    const finding = only(await check({ active: [staying(curly)], onPremises: [homeBox(curly)], cloud: [cloudBox(curly)] }));
    expect(lines(finding).join('\n')).toContain("-Identity 'o’’x@example.com'");
  });

  it('compares 100,000 recipients in seconds, and lists a thousand of a kind at most', async () => {
    const count = 100_000;
    function* each(line: (name: string) => Line): Iterable<Line> {
      for (let i = 0; i < count; i++) yield line(`user${i}`);
    }
    const aliases = (name: string): string[] => [`${name}.alias`, `${name}.second`];
    const context = await contextOf(each((name) => moved(name, { aliases: aliases(name) })));
    const sources = [
      side('on-premises', [...each((name) => remoteBox(name, { aliases: aliases(name) }))]),
      side('cloud', [...each((name) => cloudUser(name))]),
    ];
    const started = performance.now();
    const { report } = await reconcile(sources, context, NOW);
    expect(performance.now() - started).toBeLessThan(20_000);
    expect(report.counts).toEqual({ 'cloud-mailbox-missing': count });
    expect(report.findings).toHaveLength(1000);
    expect(report.omitted).toBe(count - 1000);
    expect(report.severities).toEqual({ error: count, warning: 0, info: 0 });
    expect(ROUTING).toBe('tenant.mail.onmicrosoft.com');
  }, 60_000);
});
