import { describe, expect, it } from 'vitest';
import { cloudTraceOf, endingOf, quoted } from '../../../src/evidence/trace-ending.ts';
import type { EventRecord } from '../../../src/mail/event.ts';
import { received, sent } from '../../integration/evidence/records.ts';

const dsn: EventRecord = {
  time: received(1).time,
  event: 'DSN',
  'spool-id': 'D1',
  recipient: 'sender1@example.net',
  action: 'failed',
  'related-spool-id': received(1)['spool-id'] ?? '',
};

describe('the end of the story', () => {
  it.each([
    ['queued', [received(1)], 'user1@example.com: we have it, in the queue, not tried yet'],
    [
      'in the cloud',
      [received(1), sent(1)],
      'user1@example.com: the cloud has it, mail.example said 250 2.0.0 Ok: queued as 4C1',
    ],
    [
      'deferred',
      [received(1), sent(1, { event: 'DEFER', 'next-attempt': '2026-11-22T12:05:00.000Z' })],
      'user1@example.com: we have it, in the queue until 2026-11-22T12:05:00.000Z',
    ],
    [
      'held',
      [received(1), sent(1, { event: 'HOLD', reason: 'wave pilot' })],
      `user1@example.com: we have it, held: wave pilot ("bridgehead queue release --id ${received(1)['spool-id']}")`,
    ],
    [
      'failed, nobody told',
      [received(1), sent(1, { event: 'FAIL' })],
      'user1@example.com: nobody has it, it was refused; no notification is on record (NOTIFY=NEVER, or not sent yet)',
    ],
    [
      'failed, and MAIL FROM is forged',
      [
        received(1),
        sent(1, {
          event: 'FAIL',
          peer: 'external',
          authentication: {
            time: '',
            spf: { result: 'fail', domain: 'example.net' },
            dkim: [],
            dmarc: { result: 'none' },
            claims: ['example.com'],
            'own-domain': 'spoofed',
          },
        }),
      ],
      'user1@example.com: nobody has it, it was refused; sender1@example.net is not told: SPF says that it did not send this',
    ],
    [
      'failed, from the null sender',
      [received(1, { sender: '' }), sent(1, { event: 'EXPIRE', sender: '' })],
      'user1@example.com: nobody has it, we gave up; nobody is told of a notification (null sender)',
    ],
  ] as const)('says who has it: %s', (_, records, line) => {
    expect(endingOf(records, [])).toEqual([line]);
  });

  it('names the notification that the sender was sent', () => {
    expect(endingOf([received(1), sent(1, { event: 'FAIL' })], [dsn])).toEqual([
      'user1@example.com: nobody has it, it was refused; the sender was told',
      'sender1@example.net was told that it was failed: message D1',
    ]);
  });

  it('says that the sender was not told, and why, where the notification was not sent', () => {
    const failed = sent(1, { event: 'FAIL' });
    const capped: EventRecord = {
      ...dsn,
      'spool-id': received(1)['spool-id'] ?? '',
      reason: 'not sent: limits.notifications-per-hour: 3',
    };
    expect(endingOf([received(1), capped, failed], [capped])).toEqual([
      'user1@example.com: nobody has it, it was refused; the sender was not told',
      'sender1@example.net was not told that it was failed: not sent: limits.notifications-per-hour: 3',
    ]);
  });

  it('lets a best-effort copy change nothing of who has it', () => {
    const copy = sent(1, { copy: true, connector: 'on-premises', event: 'FAIL' });
    expect(endingOf([received(1), sent(1), copy], [])[0]).toContain('the cloud has it');
  });
});

describe("the cloud's own trace", () => {
  it('is asked with the real values of what went there', () => {
    expect(cloudTraceOf([received(1), sent(1)])).toBe(
      "Get-MessageTraceV2 -MessageId '<m1@example.net>' -RecipientAddress 'user1@domain1.microsoftonline.com','user1@example.com' -StartDate '2026-11-22T11:00:00Z' -EndDate '2026-11-23T12:00:00Z'",
    );
  });

  it('is not offered for what did not go there', () => {
    expect(cloudTraceOf([received(1), sent(1, { route: 'on-premises' })])).toBeUndefined();
    expect(cloudTraceOf([received(1), sent(1, { event: 'DEFER' })])).toBeUndefined();
  });

  it('looks by sender where the message has no Message-ID', () => {
    const { 'message-id': _, ...record } = sent(1);
    expect(cloudTraceOf([record])).toContain("-SenderAddress 'sender1@example.net'");
    expect(cloudTraceOf([record])).not.toContain('MessageId');
  });

  it('lets no value of a stranger out of its quotes, in any of the quotes that PowerShell knows', () => {
    expect(quoted("<a'; Remove-Item C:\\ -Recurse; '@x>")).toBe("'<a''; Remove-Item C:\\ -Recurse; ''@x>'");
    expect(quoted('a\u2019b\u2018c\u201ad\u201b')).toBe("'a\u2019\u2019b\u2018\u2018c\u201a\u201ad\u201b\u201b'");
    expect(quoted('$(calc) `n "x"\r\nGet-Foo')).toBe('\'$(calc) `n "x"Get-Foo\'');
  });
});
