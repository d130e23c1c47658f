import { describe, expect, it } from 'vitest';
import { renderTrace } from '../../../src/evidence/trace-table.ts';
import { received, sent } from '../../integration/evidence/records.ts';

describe('the story of a message', () => {
  it('tells each hop with its host, reply and TLS', () => {
    expect(renderTrace([received(1), sent(1)])).toBe(`${received(1)['spool-id']}  <m1@example.net>  5.0 KiB
  from    sender1@example.net
  client  client.example.net [198.51.100.1] (external)
          TLS: encrypted, TLSv1.3 TLS_AES_256_GCM_SHA384
  2026-11-22
  12:00:01.000Z received  user1@example.com
                          route cloud, connector cloud; directory: migrated (version 12, wave pilot)
  12:00:01.057Z sent      user1@example.com as user1@domain1.microsoftonline.com
                          to mail.example [203.0.113.9]:25, connector cloud, attempt 1, 41 ms
                          250 2.0.0 Ok: queued as 4C1
                          TLS: encrypted, TLSv1.3 TLS_AES_256_GCM_SHA384 X25519; certificate CN=mail.example; not verified: DEPTH_ZERO_SELF_SIGNED_CERT
  now     user1@example.com: the cloud has it, mail.example said 250 2.0.0 Ok: queued as 4C1
  cloud   its own trace of this message, in Exchange Online PowerShell:
          Get-MessageTraceV2 -MessageId '<m1@example.net>' -RecipientAddress 'user1@domain1.microsoftonline.com','user1@example.com' -StartDate '2026-11-22T11:00:00Z' -EndDate '2026-11-23T12:00:00Z'
`);
  });

  it('tells every step of a TLS ladder, and that a duplicate is possible', () => {
    const story = renderTrace([
      sent(1, {
        event: 'DEFER',
        'possible-duplicate': true,
        'next-attempt': '2026-11-22T12:05:00.000Z',
        reply: { code: 451, enhanced: '4.4.2', text: 'Connection lost' },
        tls: {
          result: 'plain-after-failure',
          ladder: [
            { offer: 'STARTTLS intermediate', result: 'handshake-failed', error: 'ECONNRESET' },
            { offer: 'clear', result: 'plain-after-failure' },
          ],
        },
      }),
    ]);
    expect(story).toContain('TLS: in clear, after TLS failed');
    expect(story).toContain('offered TLS 1.2 or newer (intermediate): the handshake failed (ECONNRESET)');
    expect(story).toContain('then without TLS: sent in clear');
    expect(story).toContain('the next hop may have it already');
    expect(story).toContain('next attempt 2026-11-22T12:05:00.000Z');
  });

  it('never says of mail that was put off that it went in clear, and says why it did not go', () => {
    const put = (result: 'not-offered' | 'refused') => {
      const { 'body-sha256': _, ...rest } = sent(1, {
        event: 'DEFER',
        reply: { code: 451, enhanced: '4.7.4', text: 'TLS is required, but mail.example does not offer STARTTLS' },
        tls: { result, ladder: [{ offer: 'STARTTLS intermediate', result }] },
      });
      return renderTrace([rest]);
    };
    expect(put('not-offered')).toContain('TLS: nothing of it went: STARTTLS was not offered');
    expect(put('refused')).toContain('TLS: nothing of it went: STARTTLS was refused');
    expect(put('not-offered')).not.toContain('TLS: in clear');
    const body = { 'body-sha256': 'a'.repeat(64) };
    const afterData = sent(1, { event: 'DEFER', tls: { result: 'not-offered' }, ...body });
    expect(renderTrace([afterData])).toContain('TLS: in clear, STARTTLS was not offered');
  });

  it('says of mail that was put off untried why it was not tried, and claims no silence of a host', () => {
    const {
      attempt: _,
      tls: __,
      'remote-mta': ___,
      'body-sha256': ____,
      ...rest
    } = sent(1, {
      event: 'DEFER',
      reason: 'next hop down since 2026-11-22T11:59:00.000Z: 451 4.7.4 TLS is required, but mail.example does not offer STARTTLS',
      reply: { code: 451, enhanced: '4.7.4', text: 'TLS is required, but mail.example does not offer STARTTLS' },
    });
    const story = renderTrace([rest]);
    expect(story).toContain('not tried, connector cloud: next hop down since 2026-11-22T11:59:00.000Z\n');
    expect(story.match(/but mail\.example does not offer STARTTLS/g)).toHaveLength(1);
    expect(story).not.toContain('no host answered');
    const { reply: _____, ...paused } = rest;
    expect(renderTrace([{ ...paused, reason: 'connector paused' }])).toContain('not tried, connector cloud: connector paused');
  });

  it('says of a refusal at RCPT behind a broken handshake that the session was in clear, and that nothing was sent', () => {
    const story = renderTrace([
      sent(1, {
        event: 'FAIL',
        reply: { code: 550, enhanced: '5.1.1', text: 'User unknown' },
        tls: {
          result: 'plain-after-failure',
          ladder: [
            { offer: 'STARTTLS intermediate', result: 'handshake-failed', error: 'ECONNRESET' },
            { offer: 'clear', result: 'plain-after-failure' },
          ],
        },
      }),
    ]);
    expect(story).toContain('TLS: nothing of it went; the session was in clear, after TLS failed');
    expect(story).toContain('then without TLS: the session was in clear');
    expect(story).not.toContain('sent in clear');
  });

  it('explains a refusal once a message, under the last of its kind, with what the relay does about it', () => {
    const refused = { code: 450, enhanced: '4.7.230', text: 'Connecting Exchange server version is out-of-date' };
    const story = renderTrace([
      sent(1, { event: 'DEFER', attempt: 1, reply: refused }),
      sent(1, { event: 'DEFER', attempt: 2, reply: refused }),
      sent(1, { event: 'FAIL', attempt: 3, reply: { ...refused, code: 550, enhanced: '5.7.230' } }),
    ]);
    expect(story.match(/means   The cloud slows down mail from an Exchange server/g)).toHaveLength(1);
    expect(story.indexOf('attempt 2')).toBeLessThan(story.indexOf('The cloud slows down'));
    expect(story).toContain('relay   It halves its connections there');
    expect(story).toContain('means   The cloud takes no more mail');
    expect(story).toContain('relay   It failed this message');
  });

  it('tells refusals of one session together', () => {
    const refusal = (n: number) => {
      const {
        'spool-id': _,
        'message-id': __,
        ...rest
      } = received(n, { event: 'REJECT', 'session-id': 'S', reply: { code: 550, enhanced: '5.1.1', text: 'User unknown' } });
      return rest;
    };
    const story = renderTrace([refusal(1), refusal(2)]);
    expect(story.match(/refused in session/g)).toHaveLength(1);
    expect(story.match(/550 5.1.1 User unknown/g)).toHaveLength(2);
  });

  it('joins what the message says of its way before us, and that it is no proof', () => {
    const story = renderTrace([
      received(1, {
        received: [
          'Received: from inside.example.net (inside.example.net [192.0.2.7]) by client.example.net (Postfix) with ESMTP id 4AB; Sun, 22 Nov 2026 11:59:58 +0000',
        ],
      }),
    ]);
    expect(story).toContain('before  what the message says of its way to us; whoever sent it could have written that');
    expect(story).toContain('inside.example.net [192.0.2.7] -> client.example.net');
    expect(story.indexOf('-> client.example.net')).toBeLessThan(story.indexOf('received  user1@example.com'));
  });

  it('says of a body that went out whether it is the one that came', () => {
    const story = renderTrace([
      received(1, { 'body-sha256': 'ab'.repeat(32) }),
      sent(1, { 'body-sha256': 'ab'.repeat(32) }),
      sent(1, { 'body-sha256': 'cd'.repeat(32) }),
    ]);
    expect(story).toContain('body SHA-256 abababababababab…\n');
    expect(story).toContain('body as it came');
    expect(story).toContain('body SHA-256 cdcdcdcdcdcdcdcd…, NOT the one that came');
  });

  it('lets no reply steer the terminal of the reader', () => {
    const story = renderTrace([sent(1, { reply: { code: 250, text: '\u001b[2J\u202egnihton\r\nfake line' } })]);
    expect(story).toContain('\\u001b[2J\\u202egnihton\\u000d\\u000afake line');
    expect(story).not.toContain('\u001b');
  });
});
