import { describe, expect, it } from 'vitest';
import { MassRefusal } from '../../../src/delivery/mass-refusal.ts';
import { reply } from '../../../src/mail/reply.ts';
import { attemptOf, box, CLOUD, HOUR, legBy, MINUTE, message } from './scheduler/samples.ts';

const NOW = Date.UTC(2026, 10, 22, 10);
const answer = reply(550, '5.7.64', 'TenantAttribution; Relay Access Denied');
const refused = attemptOf({ kind: 'failed', reply: answer, cause: 'answer' });

/** One message, refused at this time; the answer of the tally. */
function refuse(tally: MassRefusal, n: number, now: number) {
  const mail = message([`r${n}@example.com`], { sender: box(`s${n}@example.net`) });
  const [recipient] = mail.recipients;
  if (recipient === undefined) throw new Error('no recipient');
  const part = { recipient, leg: legBy(CLOUD, recipient.address), reason: '', directoryVersion: 1 };
  return tally.note(mail, [part], [refused], now);
}
const twice = { ...message(['r@example.com']).recipients[0], policyRefusals: 2 } as never;

describe('R18: the tally of refusals ages', () => {
  it('ten within some hours are everybody, also where they come an hour apart from the last but few', () => {
    const tally = new MassRefusal();
    for (let n = 0; n < 9; n++) expect(refuse(tally, n, NOW + n * 30 * MINUTE)).toBeUndefined();
    expect(refuse(tally, 9, NOW + 9 * 30 * MINUTE)).toEqual(answer);
  });

  it('ten over days are not: each is long forgotten when the next one comes', () => {
    const tally = new MassRefusal();
    for (let n = 0; n < 30; n++) expect(refuse(tally, n, NOW + n * HOUR)).toBeUndefined();
  });

  it('a lone refusal is company of those of the last hours alone, and that all were refused is forgotten too', () => {
    const tally = new MassRefusal();
    for (let n = 0; n < 2; n++) refuse(tally, n, NOW);
    expect(tally.failsAlone(answer, twice, NOW + HOUR)).toBe(false);
    expect(tally.failsAlone(answer, twice, NOW + 7 * HOUR)).toBe(true);
    for (let n = 0; n < 10; n++) refuse(tally, n, NOW + 8 * HOUR);
    expect(tally.failsAlone(answer, twice, NOW + 9 * HOUR)).toBe(false);
    expect(tally.failsAlone(answer, twice, NOW + 15 * HOUR)).toBe(true);
  });
});
