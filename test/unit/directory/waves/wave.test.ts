import { describe, expect, it } from 'vitest';
import {
  confirm,
  type MailboxState,
  type Member,
  mayMove,
  move,
  overlaysOf,
  type Wave,
} from '../../../../src/directory/waves/wave.ts';
import { box, HOUR, START } from './organisation.ts';

const CHANGE = { time: START, who: 'anna', reason: 'the plan' };

const member = (state: MailboxState, more: Partial<Member> = {}): Member => ({
  address: box('a@example.com'),
  key: 'a@example.com',
  home: 'on-premises',
  primary: 'on-premises',
  state,
  steps: [{ state, ...CHANGE }],
  ...more,
});
const waveOf = (...members: Member[]): Wave => ({ name: 'pilot', created: CHANGE, members, alarms: [] });
const only = (wave: Wave): Member => wave.members[0] ?? member('on-premises');

describe('the states of a mailbox in a wave', () => {
  it('lead from on-premises over both and hold to the cloud, are confirmed there, and lead back', () => {
    const ways: [MailboxState, MailboxState][] = [
      ['on-premises', 'both'],
      ['both', 'hold'],
      ['hold', 'cloud'],
      ['cloud', 'confirmed'],
      ['confirmed', 'hold'],
      ['hold', 'on-premises'],
      ['on-premises', 'cloud'],
      ['confirmed', 'on-premises'],
    ];
    for (const [from, to] of ways) expect(mayMove(from, to), `${from} to ${to}`).toBe(true);
  });

  it('are confirmed by a delivery alone, and only in the cloud', () => {
    for (const state of ['on-premises', 'both', 'hold'] as const) {
      expect(mayMove(state, 'confirmed')).toBe(false);
      expect(only(confirm(waveOf(member(state)), 'a@example.com', { time: START })).state).toBe(state);
    }
  });

  it('say who changed them, when and why, at every step', () => {
    const held = move(waveOf(member('on-premises')), () => 'hold', CHANGE, 7);
    const switched = move(held.wave, () => 'cloud', { time: START + HOUR, who: 'bert', reason: 'the mover is done' }, 8);
    expect(only(switched.wave).steps.slice(1)).toEqual([
      { state: 'hold', time: START, who: 'anna', reason: 'the plan', version: 7 },
      { state: 'cloud', time: START + HOUR, who: 'bert', reason: 'the mover is done', version: 8 },
    ]);
  });

  it('name the mailboxes for which there is no way, and leave them as they are', () => {
    const { members, impossible, wave } = move(waveOf(member('cloud')), () => 'cloud', CHANGE);
    expect([members, impossible]).toEqual([[], []]);
    const none = move(wave, () => 'confirmed', CHANGE);
    expect(none.impossible).toEqual([]);
    expect(move(waveOf(member('on-premises')), () => 'confirmed', CHANGE).impossible).toHaveLength(1);
  });

  it('keep in a hold the side it came from (C9), and a hold in the cloud is no new switch', () => {
    const cloud = member('cloud', { switchedAt: START - HOUR });
    const held = move(waveOf(cloud), () => 'hold', CHANGE).wave;
    expect(only(held).heldFrom).toBe('cloud');
    const back = only(move(held, () => 'cloud', { ...CHANGE, time: START + HOUR }).wave);
    expect(back.switchedAt).toBe(START - HOUR);
    expect(back.heldFrom).toBeUndefined();
  });

  it('do not take a delivery before the switch as its confirmation', () => {
    const wave = waveOf(member('cloud', { switchedAt: START }));
    expect(confirm(wave, 'a@example.com', { time: START - 1 })).toBe(wave);
    expect(only(confirm(wave, 'a@example.com', { time: START })).state).toBe('confirmed');
  });

  it('are told to the directory as routes, with the wave as their source', () => {
    const { members } = waveOf(member('confirmed'));
    expect([...overlaysOf('pilot', members).values()]).toEqual([
      { address: box('a@example.com'), route: 'cloud', source: 'wave pilot' },
    ]);
    const both = overlaysOf('pilot', [member('both', { primary: 'cloud' })]).get('a@example.com');
    expect(both).toMatchObject({ route: 'both', primary: 'cloud' });
  });
});
