import { describe, expect, it } from 'vitest';
import type { CheckContext } from '../../../../src/directory/reconcile/ports.ts';
import { readSide, type SideIndex } from '../../../../src/directory/reconcile/side-index.ts';
import { checkWave, type WaveCheck } from '../../../../src/directory/reconcile/wave-check.ts';
import { box, cloudBox, cloudUser, contextOf, homeBox, type Line, remoteBox, routing, side } from './sides.ts';

const known = async (name: 'cloud' | 'on-premises', lines: readonly Line[]): Promise<SideIndex | undefined> =>
  await readSide(name, [side(name, lines)]);

interface Sides {
  readonly cloud?: readonly Line[];
  readonly onPremises?: readonly Line[];
  readonly to?: 'cloud' | 'on-premises';
}

async function wave(
  members: readonly string[],
  active: readonly Line[],
  sides: Sides,
  more: Partial<CheckContext> = {},
): Promise<WaveCheck> {
  return checkWave(members.map(box), sides.to ?? 'cloud', {
    ...(await contextOf(active, more)),
    cloud: sides.cloud && (await known('cloud', sides.cloud)),
    onPremises: sides.onPremises && (await known('on-premises', sides.onPremises)),
  });
}

const brief = ({ mailboxes }: WaveCheck): string[] =>
  mailboxes.map(({ address, verdict, reasons }) =>
    [address.split('@')[0], verdict, ...reasons.map(({ problem }) => problem)].join(': '),
  );

describe('wave check', () => {
  it('C4: lets a mailbox go whose routing address is in the newest export of the cloud', async () => {
    const checked = await wave(['anna', 'bert'], [{ address: 'anna' }, { address: 'bert', routing: routing('bert.b') }], {
      cloud: [cloudBox('anna'), cloudBox('bert', { aliases: [routing('bert.b')] })],
    });
    expect(checked).toMatchObject({ safe: 2, unsafe: 0, unknown: 0, notes: [] });
    expect(checked.mailboxes.map((one) => one['routing-address'])).toEqual([routing('anna'), routing('bert.b')]);
  });

  it('C4: stops one whose routing address is missing there, and says what to type', async () => {
    const checked = await wave(['anna'], [{ address: 'anna' }], { cloud: [cloudBox('anna', { aliases: [] })] });
    expect(brief(checked)).toEqual([
      'anna: unsafe: its mailbox in the cloud does not have the routing address anna@tenant.mail.onmicrosoft.com, and would not get its mail (5.1.10)',
    ]);
    expect(checked.mailboxes[0]?.reasons[0]?.commands.at(-1)).toEqual({
      where: 'cloud',
      line: "Set-Mailbox -Identity 'anna@example.com' -EmailAddresses @{add='smtp:anna@tenant.mail.onmicrosoft.com'}",
    });
  });

  it('stops one that is not there, is no mailbox there, or whose routing address is of somebody else', async () => {
    const checked = await wave(['gone', 'user', 'anna'], [{ address: 'gone' }, { address: 'user' }, { address: 'anna' }], {
      cloud: [cloudUser('user'), cloudBox('anna', { aliases: [] }), cloudBox('other', { aliases: [routing('anna')] })],
    });
    expect(brief(checked)).toEqual([
      'gone: unsafe: the cloud has nothing with its address or its routing address',
      'user: unsafe: in the cloud it is a mail-user without a mailbox (tenant cloud.csv:2): its mail would come back to us',
      'anna: unsafe: its routing address anna@tenant.mail.onmicrosoft.com belongs to other@example.com in the cloud (tenant cloud.csv:4)',
    ]);
  });

  it('says "unknown" where no export of the cloud is known, and how to get one', async () => {
    const checked = await wave(['anna', 'nobody'], [{ address: 'anna' }], {});
    expect(checked).toMatchObject({ safe: 0, unsafe: 1, unknown: 1 });
    expect(brief(checked)).toEqual(['anna: unknown', 'nobody: unsafe: the directory does not know it']);
    expect(checked.notes[0]?.commands.map(({ line }) => line).join()).toContain(
      'bridgehead directory check --cloud cloud-recipients.csv',
    );
  });

  it('stops groups and contacts, and two mailboxes with one routing address', async () => {
    const active: Line[] = [
      { address: 'sales', kind: 'group' },
      { address: 'outside', kind: 'contact' },
      { address: 'anna' },
      { address: 'anna@other.example' },
    ];
    const checked = await wave(['sales', 'outside', 'anna', 'anna@other.example'], active, { cloud: [cloudBox('anna')] });
    expect(brief(checked)).toEqual([
      'sales: unsafe: it is a group, and no mailbox',
      'outside: unsafe: it is a contact, and no mailbox',
      'anna: safe',
      'anna: unsafe: its routing address anna@tenant.mail.onmicrosoft.com is that of anna@example.com too',
    ]);
  });

  it('stops mailboxes of a domain that is not verified, and tells what answers taught', async () => {
    const cloud = [cloudBox('anna')];
    const unverified = await wave(['anna'], [{ address: 'anna' }], { cloud }, { domainState: () => 'unverified' });
    expect(brief(unverified)[0]).toMatch(/^anna: unsafe: the domain example.com is not verified/);
    const lost = await wave(['anna'], [{ address: 'anna' }], { cloud }, { domainState: () => 'lost' });
    expect(lost.safe).toBe(1);
    const taught = [{ address: 'Anna@example.com', what: 'the cloud answers 5.1.10', count: 2, last: 0 }];
    const learned = await wave(['anna'], [{ address: 'anna' }], { cloud }, { learned: () => taught });
    expect(brief(learned)).toEqual(['anna: safe: the cloud answers 5.1.10 (2 times)']);
  });

  it('lets a mailbox come back only where on-premises still has it', async () => {
    const active: Line[] = ['here', 'remote', 'gone', 'stale'].map((address) => ({ address, route: 'cloud' }));
    const checked = await wave(['here', 'remote', 'gone', 'stale'], active, {
      to: 'on-premises',
      onPremises: [homeBox('here'), remoteBox('remote'), homeBox('stale', { forwardsTo: routing('stale') })],
    });
    expect(brief(checked)).toEqual([
      'here: safe',
      'remote: unsafe: on-premises it is no mailbox (ad users.ldf:3)',
      'gone: unsafe: on-premises there is nothing with its address',
      'stale: unsafe: its targetAddress sends on to stale@tenant.mail.onmicrosoft.com',
    ]);
  });
});
