import { describe, expect, it } from 'vitest';
import { kindOf, type RefusalKind } from '../../../src/delivery/outcome-table.ts';
import type { Domain } from '../../../src/mail/address.ts';
import { CLOUD_ADVICE } from '../../../src/mail/advice-cloud.ts';
import { GENERAL_ADVICE } from '../../../src/mail/advice-general.ts';
import { OWN_ADVICE } from '../../../src/mail/advice-own.ts';
import { type EnhancedStatus, parseReply } from '../../../src/mail/reply.ts';
import { adviceOn, entryFor } from '../../../src/mail/reply-advice.ts';
import { REPLIES } from '../../../src/routing/replies.ts';

const read = (wire: string) => {
  const parsed = parseReply(wire);
  if (parsed === undefined) throw new Error(wire);
  return parsed;
};
const meaningOf = (wire: string) => adviceOn(read(wire), 'unknown')?.meaning;

describe('the reply advisor', () => {
  it.each([
    ['550 5.4.1 Recipient address rejected: Access denied. AS(201806281)', 'directory-based edge blocking'],
    ['550 5.4.1 Relay Access Denied', 'takes no mail for the domain'],
    ['550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient not found by SMTP address lookup', 'no recipient by this address'],
    ['550 5.1.1 User unknown', 'no such mailbox'],
    ['550 5.7.64 TenantAttribution; Relay Access Denied', 'whose mail this is'],
    ['550 5.7.1 Service unavailable; ATTR36', 'whose mail this is'],
    ['554 5.4.14 Hop count exceeded - possible mail loop ATTR34', 'in circles'],
    ['554 5.4.6 Hop count exceeded - possible mail loop', 'in circles'],
    [
      '550 5.7.68 TenantInboundAttribution; Direct Send not allowed for this organization from unauthorized sources',
      'one of its own domains',
    ],
    ['450 4.7.230 Connecting Exchange server version is out-of-date', 'slows down'],
    ['550 5.7.230 Connecting Exchange server version is out-of-date', 'takes no more mail'],
    ['451 4.7.500 Server busy. Please try again later', 'limits mail from the address'],
    ['451 4.7.550 Access denied, please try again later', 'limits mail from the address'],
    ['451 4.7.699 x', 'limits mail from the address'],
    ['550 5.7.25 Access denied, the sending IPv6 address must have a reverse DNS record', 'no name in DNS'],
    ['450 4.7.26 Access denied, a message sent over IPv6 must pass either SPF or DKIM validation', 'Mail by IPv6'],
    ['550 5.7.506 Access Denied, Bad HELO', 'gave in EHLO'],
    ['550 5.7.511 Access denied, banned sender', 'barred the address'],
    ['550 5.7.606 Access denied, banned sending IP [192.0.2.1]', 'barred the address'],
    ['550 5.7.649 Access denied, banned sending IP [192.0.2.1]', 'barred the address'],
    ['550 5.7.12 Sender was not authenticated by organization', 'its own organisation alone'],
    ['550 5.7.133 RESOLVER.RST.SenderNotAuthenticatedForGroup', 'its own organisation alone'],
    ['450 4.4.317 Cannot connect to remote server [Message=UntrustedRoot]', 'does not trust the certificate'],
    ['450 4.4.316 Connection refused [Message=Socket error code 10061]', 'could not connect'],
    ['550 5.7.323 tlsa-invalid: The domain failed DANE validation', 'DANE'],
    ['450 4.4.8 MX hosts of domain failed MTA-STS validation', 'MTA-STS'],
    ['550 5.7.520 Access denied, Your organization does not allow external forwarding', 'automatic forwarding'],
    ['550 5.6.11 SMTPSEND.BareLinefeedsAreIllegal', 'bare carriage returns'],
    ['432 4.3.2 STOREDRV.Deliver; recipient thread limit exceeded', 'more at once'],
    ['421 4.3.2 Service not active', 'takes no mail at the moment'],
    ['452 4.5.3 Too many recipients', 'Too many recipients'],
    ['552 5.2.2 Mailbox full', 'mailbox is full'],
    ['552 5.3.4 Message size exceeds fixed limit', 'larger than'],
    ['450 4.7.1 Greylisted, see http://example.net', 'greylisting'],
    ['550 5.7.23 The message was rejected because of Sender Policy Framework violation', 'SPF record'],
    ['550 5.7.509 Access denied, sending domain example.com does not pass DMARC verification', 'DMARC'],
    ['550 5.7.26 This mail has been blocked because the sender is unauthenticated', 'vouch for the sender'],
    ['451 4.4.1 connection to mail.example:25 refused', 'did not answer'],
    ['451 4.7.5 TLS with mail.example failed', 'TLS with the server failed'],
    ['554 5.7.1 Service unavailable; Client host [192.0.2.1] blocked using zen.spamhaus.org', 'A filter refused'],
    ['530 5.7.57 Client not authenticated to send mail', 'signed in alone'],
  ])('knows what "%s" means', (wire, meaning) => {
    expect(meaningOf(wire)).toContain(meaning);
  });

  it('knows the replies that routing writes itself, and takes none of them for a server that answered', () => {
    const own = [REPLIES.loop, REPLIES.noCloud, REPLIES.unverified, REPLIES.tooLarge, REPLIES.spoofed, REPLIES.notAuthenticated];
    for (const reply of [
      ...own,
      REPLIES.noConnector('x.example' as Domain),
      REPLIES.noConnectorNamed('x'),
      REPLIES.internalOnly('x'),
    ])
      expect(OWN_ADVICE.map(({ meaning }) => meaning)).toContain(adviceOn(reply, 'failed')?.meaning);
  });

  it('says nothing of what it does not know, of success, or of a reply without an enhanced code', () => {
    for (const wire of ['250 2.0.0 Ok', '550 no', '554 5.9.9 no', '550 5.7.650 x', '451 4.7.499 x'])
      expect(meaningOf(wire)).toBeUndefined();
  });

  it('tells of the relay what delivery does: every policy code is one of the outcome table, and the other way round', () => {
    const kinds: Partial<Record<RefusalKind, string>> = { stop: 'stop', throttle: 'throttle', grace: 'not-there' };
    const wrong: string[] = [];
    for (const [klass, code] of [
      [4, 451],
      [5, 550],
    ] as const) {
      for (let subject = 0; subject <= 7; subject++) {
        for (let detail = 0; detail < 1000; detail++) {
          const enhanced = `${klass}.${subject}.${detail}` as EnhancedStatus;
          const entry = entryFor({ code, enhanced, text: 'x' });
          const kind = kindOf({
            reply: { code, enhanced, text: 'x' },
            side: 'cloud',
            byMx: false,
            stage: 'answer',
            inGrace: true,
          });
          const expected = kinds[kind];
          if (expected !== undefined && entry?.policy !== expected) wrong.push(`${enhanced}: ${kind}, advised ${entry?.policy}`);
          if (expected === undefined && entry?.policy !== undefined) wrong.push(`${enhanced}: ${kind}, advised ${entry.policy}`);
        }
      }
    }
    expect(wrong).toEqual([]);
  });

  it('tells a message that was put off from one that failed', () => {
    const stop = read('550 5.7.64 TenantAttribution; Relay Access Denied');
    expect(adviceOn(stop, 'deferred')?.relay).toContain('pauses the connector');
    expect(adviceOn(stop, 'failed')?.relay).toContain('told the sender');
    expect(adviceOn(read('550 5.1.10 x'), 'deferred')?.relay).toContain('switched just now');
    expect(adviceOn(read('450 4.7.230 x'), 'deferred')?.relay).toContain('halves its connections');
    expect(adviceOn(read('421 4.5.3 x'), 'deferred')?.relay).toContain('halves its connections');
    expect(adviceOn(read('452 4.5.3 x'), 'deferred')?.relay).not.toContain('halves its connections');
    expect(adviceOn(read('451 4.4.1 x'), 'deferred')?.relay).toContain('queue.retry');
    expect(adviceOn(read('451 4.4.1 x'), 'expired')?.relay).toContain('expire-after');
  });

  it('has every entry written whole', () => {
    for (const entry of [...OWN_ADVICE, ...CLOUD_ADVICE, ...GENERAL_ADVICE]) {
      for (const text of [entry.meaning, entry.cause, entry.remedy])
        expect(text).toMatch(/^(?:[A-Z]|bridgehead |source-address ).*[^.]$/);
      for (const code of entry.codes) expect(code).toMatch(/^[45]\.\d\.\d{1,3}(-\d{1,3})?$/);
    }
  });
});
