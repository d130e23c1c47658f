import { describe, expect, it } from 'vitest';
import { graced } from '../../../src/delivery/grace.ts';
import { type EnhancedStatus, reply } from '../../../src/mail/reply.ts';
import { attemptOf, box, CLOUD, connector, HOUR, legBy, message, ON_PREMISES } from './scheduler/samples.ts';

const NOW = Date.UTC(2026, 10, 22, 10);
const window = { until: () => NOW + HOUR };
const refused = (enhanced: EnhancedStatus) => attemptOf({ kind: 'failed', reply: reply(550, enhanced, 'no'), cause: 'answer' });

function partBy(by = CLOUD) {
  const [recipient] = message(['user@example.com']).recipients;
  if (recipient === undefined) throw new Error('no recipient');
  return { recipient, leg: legBy(by, box('user@tenant.onmicrosoft.com')), reason: 'directory: migrated', directoryVersion: 2 };
}

describe('R5 grace after a switch', () => {
  it.each(['5.1.10', '5.1.1', '5.4.1'] as const)('%s from the cloud is put off, and the record keeps the answer', (enhanced) => {
    const put = graced(partBy(), refused(enhanced), NOW, window);
    expect(put?.attempt.outcome).toEqual({
      kind: 'deferred',
      reply: reply(550, enhanced, 'no'),
      cause: 'answer',
      inGrace: true,
    });
    expect(put?.part.reason).toBe(
      'directory: migrated; switched just now, so put off until 2026-11-22T11:00:00.000Z at most (R5)',
    );
  });

  it('what was on its way to the side that the mailbox left is put off too, and follows it', () => {
    expect(graced(partBy(ON_PREMISES), refused('5.1.1'), NOW, window)).toBeDefined();
  });

  it('another refusal, another server, another mailbox or another time is the last word', () => {
    expect(graced(partBy(), refused('5.7.1'), NOW, window)).toBeUndefined();
    expect(graced(partBy(connector('internet', 'internet')), refused('5.1.1'), NOW, window)).toBeUndefined();
    expect(graced(partBy(), refused('5.1.1'), NOW, { until: () => undefined })).toBeUndefined();
    expect(graced(partBy(), refused('5.1.1'), NOW + HOUR, window)).toBeUndefined();
    expect(graced(partBy(), refused('5.1.1'), NOW, undefined)).toBeUndefined();
  });

  it('asks for the address that the sender wrote, then for the one at the server (R9)', () => {
    const asked: string[] = [];
    graced(partBy(), refused('5.1.1'), NOW, { until: ({ address }) => void asked.push(address) });
    expect(asked).toEqual(['user@example.com', 'user@tenant.onmicrosoft.com']);
  });
});
