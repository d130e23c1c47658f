import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Disagreements } from '../../../../src/directory/waves/disagreements.ts';
import type { EventRecord } from '../../../../src/mail/event.ts';
import { silentLog } from '../../../../src/platform/logger.ts';
import { DAY, Organisation } from './organisation.ts';

let here: Organisation;
let learned: Disagreements;

beforeEach(() => {
  here = new Organisation();
  here.directory.add('anna@example.com', 'cloud', { aliases: ['a@example.com', 'anna@tenant.onmicrosoft.com'] });
  learned = open();
});
afterEach(() => here[Symbol.dispose]());

const open = () =>
  new Disagreements({
    file: join(here.folder, 'disagreements.json'),
    directory: here.directory,
    clock: here.clock,
    log: silentLog,
  });
const answer = (code: number, enhanced: string, text = 'no'): Partial<EventRecord> => ({
  reply: { code, enhanced, text },
  attempt: 1,
});
const tell = (...given: Parameters<Organisation['record']>) => learned.onEvent(here.record(...given));

describe('learning from answers', () => {
  it.each(['5.4.1', '5.1.10', '5.1.1'])('%s from the cloud names the mailbox that the directory says is there', (enhanced) => {
    tell('FAIL', 'a@example.com', { route: 'cloud', 'directory-version': 12, ...answer(550, enhanced, 'Access denied') });
    tell('DEFER', 'anna+x@example.com', { route: 'cloud', 'directory-version': 13, ...answer(550, enhanced, 'Access denied') });
    expect(learned.list()).toMatchObject([
      {
        address: 'anna@example.com',
        kind: 'missing-in-cloud',
        severity: 'error',
        count: 2,
        reply: `550 ${enhanced} Access denied`,
        'directory-version': 13,
      },
    ]);
  });

  it('the same words from on-premises, or another code from the cloud, are no disagreement', () => {
    tell('FAIL', 'anna@example.com', { route: 'on-premises', ...answer(550, '5.1.1') });
    tell('FAIL', 'anna@example.com', { route: 'cloud', ...answer(552, '5.2.2') });
    tell('DEFER', 'anna@example.com', { route: 'cloud', ...answer(451, '4.7.500') });
    expect(learned.list()).toEqual([]);
  });

  it('is no disagreement any more once the mailbox is where the server said, and is one again when it is moved anew', () => {
    tell('FAIL', 'anna@example.com', { route: 'cloud', ...answer(550, '5.1.10') });
    here.directory.add('anna@example.com', 'on-premises');
    expect(learned.list()).toEqual([]);
    expect(learned.learned()).toEqual([]);
    here.directory.add('anna@example.com', 'cloud');
    expect(learned.list()).toMatchObject([{ kind: 'missing-in-cloud', count: 1 }]);
  });

  it.each(['5.4.6', '5.4.14'])('%s of a server is a loop', (enhanced) => {
    tell('FAIL', 'anna@example.com', { route: 'on-premises', ...answer(554, enhanced) });
    expect(learned.list()).toMatchObject([{ kind: 'loop', count: 1 }]);
  });

  it('R6: mail from the cloud for a cloud mailbox is a disagreement, refused in session or later', () => {
    const loop = { reply: { code: 550, enhanced: '5.4.6', text: 'Routing loop' }, peer: 'cloud' };
    const reason = 'directory: migrated; came from the cloud (R6) (version 12, wave pilot)';
    learned.onEvent({ time: new Date().toISOString(), event: 'REJECT', recipient: 'anna@example.com', ...loop, reason });
    tell('FAIL', 'anna@example.com', { ...loop, reason, route: 'reject' });
    expect(learned.list()).toMatchObject([{ kind: 'returned-by-cloud', count: 2, address: 'anna@example.com' }]);
  });

  it('C9: what on-premises sends for a mailbox of its own is one too', () => {
    const reason = 'directory: on-premises; disagreement: on-premises sent it, so forward to the cloud (C9) (version 3, x)';
    tell('RECEIVE', 'bert@example.com', { peer: 'on-premises', reason });
    expect(learned.list()).toMatchObject([{ kind: 'returned-by-on-premises', severity: 'warning', address: 'bert@example.com' }]);
  });

  it('is over when the cloud takes mail for the mailbox', () => {
    tell('DEFER', 'anna@example.com', { route: 'cloud', ...answer(550, '5.1.10') });
    learned.onEvent(here.sent('a@example.com', 'cloud'));
    expect(learned.list()).toEqual([]);
  });

  it('is kept over a restart, and forgotten after a week without another', () => {
    tell('FAIL', 'anna@example.com', { route: 'cloud', ...answer(550, '5.1.10') });
    learned[Symbol.dispose]();
    learned = open();
    tell('FAIL', 'anna@example.com', { route: 'cloud', ...answer(550, '5.1.10') });
    expect(learned.list()).toMatchObject([{ count: 2 }]);
    here.clock.time += 8 * DAY;
    expect(learned.list()).toEqual([]);
  });

  it('never grows beyond its bound; the one that was not seen for longest goes first', () => {
    for (let i = 0; i <= 10_000; i++) tell('FAIL', `nobody${i}@example.com`, { route: 'cloud', ...answer(550, '5.1.10') });
    const kept = learned.list().map(({ address }) => address);
    expect(kept).toHaveLength(10_000);
    expect(kept).not.toContain('nobody0@example.com');
  });

  it('begins anew where its file is damaged', () => {
    writeFileSync(join(here.folder, 'disagreements.json'), '[{"address":1},');
    expect(open().list()).toEqual([]);
  });
});
