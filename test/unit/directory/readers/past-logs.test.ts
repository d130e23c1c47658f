import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { openPastLog } from '../../../../src/directory/readers/past-logs.ts';
import { file, told, useFolder } from './samples.ts';

useFolder();

const NOW = new Date('2026-01-10T12:00:00Z');
async function log(content: string | Buffer) {
  const opened = await openPastLog(await file(content), NOW);
  if (!opened.ok) return { told: told({ records: [], findings: opened.findings }) };
  const messages: string[] = [];
  for await (const { time, sender, recipient, size, line } of opened.log.messages)
    messages.push(
      `${line} ${time ?? '-'} ${sender === null ? '<>' : (sender?.address ?? '-')} ${recipient.address} ${size ?? '-'}`,
    );
  const { format, counts, findings } = opened.log;
  return { format, messages, counts, told: told({ records: [], findings }) };
}

const POSTFIX = `2026-01-09T10:00:00.123456+01:00 mx postfix/smtpd[1]: connect from client[198.51.100.7]
2026-01-09T10:00:01+01:00 mx postfix/smtpd[1]: 4bXYZ12abc: client=client[198.51.100.7]
2026-01-09T10:00:01+01:00 mx postfix/cleanup[2]: 4bXYZ12abc: message-id=<a@b>
2026-01-09T10:00:01+01:00 mx postfix/qmgr[3]: 4bXYZ12abc: from=<x@example.net>, size=5120, nrcpt=2 (queue active)
2026-01-09T10:00:02+01:00 mx postfix/smtp[4]: 4bXYZ12abc: to=<u1@contoso.com>, orig_to=<info@contoso.com>, relay=10.1.0.5[10.1.0.5]:25, delay=1, dsn=4.0.0, status=deferred (x)
2026-01-09T10:00:02+01:00 mx postfix/smtp[4]: 4bXYZ12abc: to=<u2@contoso.com>, relay=none, delay=1, dsn=4.4.1, status=deferred (x)
2026-01-09T10:09:02+01:00 mx postfix/smtp[4]: 4bXYZ12abc: to=<u2@contoso.com>, relay=10.1.0.5[10.1.0.5]:25, delay=1, dsn=2.0.0, status=sent (250 ok)
2026-01-09T10:09:02+01:00 mx postfix/smtp[4]: 5bXYZ12abc: to=<u3@contoso.com>, relay=127.0.0.1[127.0.0.1]:10024, delay=1, dsn=2.0.0, status=sent (250 ok)
2026-01-09T10:09:03+01:00 mx postfix/qmgr[3]: 4bXYZ12abc: removed
Jan  9 10:10:00 mx postfix/qmgr[3]: 9ABCDEF012: from=<>, size=77, nrcpt=1 (queue active)
Dec 30 10:10:00 mx postfix/lmtp[5]: 9ABCDEF012: to=<u4@contoso.com>, relay=x[/run/lmtp], delay=1, status=sent (250)
Jan  9 10:10:00 mx dovecot: imap(u4): logged out
garbage
`;

describe('shadow: past logs', () => {
  it('Postfix: each recipient once, as the sender wrote it, with sender and size of its queue id', async () => {
    const result = await log(POSTFIX);
    expect(result.format).toBe('postfix');
    expect(result.messages).toEqual([
      '5 2026-01-09T09:00:02.000Z x@example.net info@contoso.com 5120',
      '6 2026-01-09T09:00:02.000Z x@example.net u2@contoso.com 5120',
      `11 ${new Date(2025, 11, 30, 10, 10).toISOString()} <> u4@contoso.com 77`,
    ]);
    expect(result.counts).toEqual({ lines: 13, messages: 3, repeats: 1, others: 8, notUnderstood: 1 });
    expect((await log(gzipSync(POSTFIX))).messages).toEqual(result.messages);
  });

  it('Exim: arrivals and deliveries of either kind of id', async () => {
    const result = await log(`2026-01-09 10:00:00 1tVabc-000012-3X <= x@example.net H=client [198.51.100.7] P=esmtps S=2332 id=a@b
2026-01-09 10:00:01 1tVabc-000012-3X => bob <bob@contoso.com> R=localuser T=local_delivery
2026-01-09 10:00:01 1tVabc-000012-3X -> u2@contoso.com <info@contoso.com> R=route T=smtp H=10.1.0.5 [10.1.0.5] C="250 ok"
2026-01-09 10:00:01 1tVabc-000012-3X ** nobody@contoso.com: Unrouteable address
2026-01-09 10:00:01 1tVabc-000012-3X == late@contoso.com R=route T=smtp defer (-44): x
2026-01-09 10:05:01 1tVabc-000012-3X => late@contoso.com R=route T=smtp H=10.1.0.5 [10.1.0.5]
2026-01-09 10:05:01 1tVabc-000012-3X Completed
2026-01-09 10:05:01.123 +0100 [77] 1tVabc-00000000012-3Xyz <= <> R=1x U=Debian-exim P=local S=99
2026-01-09 10:05:01.123 +0100 [77] 1tVabc-00000000012-3Xyz => c@contoso.com F=<> R=route T=smtp
2026-01-09 10:05:02 End queue run: pid=3
what is this
`);
    expect(result.format).toBe('exim');
    expect(result.messages?.map((message) => message.replace(/ \S+Z /, ' '))).toEqual([
      '2 x@example.net bob@contoso.com 2332',
      '3 x@example.net info@contoso.com 2332',
      '4 x@example.net nobody@contoso.com 2332',
      '5 x@example.net late@contoso.com 2332',
      '9 <> c@contoso.com 99',
    ]);
    expect(result.messages?.[4]).toContain('2026-01-09T09:05:01.123Z');
    expect(result.counts).toEqual({ lines: 11, messages: 5, repeats: 1, others: 4, notUnderstood: 1 });
  });

  it('Exchange: RECEIVE of the message tracking log, each message once over several servers', async () => {
    const fields =
      '#Fields: date-time,client-ip,source,event-id,message-id,recipient-address,total-bytes,sender-address,message-subject';
    const result = await log(`#Software: Microsoft Exchange Server\r
#Version: 15.01.2507.000\r
#Log-Type: Message Tracking Log\r
${fields}\r
2026-01-09T10:00:00.123Z,198.51.100.7,SMTP,RECEIVE,<a@b>,u1@contoso.com;u2@contoso.com,5120,x@example.net,"Hi, ""all"""\r
2026-01-09T10:00:01.123Z,198.51.100.8,SMTP,RECEIVE,<a@b>,u1@contoso.com,5120,x@example.net,Hi "there"\r
2026-01-09T10:00:01.123Z,198.51.100.8,SMTP,SEND,<a@b>,u1@contoso.com,5120,x@example.net,\r
2026-01-09T10:00:02.123Z,,STOREDRIVER,RECEIVE,<c@b>,u3@contoso.com,77,<>,\r
`);
    expect(result.format).toBe('message-tracking');
    expect(result.messages).toEqual([
      '5 2026-01-09T10:00:00.123Z x@example.net u1@contoso.com 5120',
      '5 2026-01-09T10:00:00.123Z x@example.net u2@contoso.com 5120',
      '8 2026-01-09T10:00:02.123Z <> u3@contoso.com 77',
    ]);
    expect(result.counts).toEqual({ lines: 8, messages: 3, repeats: 1, others: 5, notUnderstood: 0 });
  });

  it("the cloud's message trace in UTF-16 does as well", async () => {
    const text =
      '\ufefforigin_timestamp_utc,sender_address,recipient_status,message_subject,total_bytes,message_id\r\n2026-01-09T10:00:00.1Z,x@example.net,"u1@contoso.com##Receive, Send;u2@contoso.com##Receive, Fail",Hi,5120,<a@b>\r\n';
    expect((await log(Buffer.from(text, 'utf16le'))).messages).toEqual([
      '2 2026-01-09T10:00:00.100Z x@example.net u1@contoso.com 5120',
      '2 2026-01-09T10:00:00.100Z x@example.net u2@contoso.com 5120',
    ]);
  });

  it('a plain list is recipients', async () => {
    const result = await log('# who\nu1@contoso.com\n\n<u2@contoso.com>\nnobody\n');
    expect(result.messages).toEqual(['2 - - u1@contoso.com -', '4 - - u2@contoso.com -']);
    expect(result.counts).toEqual({ lines: 5, messages: 2, repeats: 0, others: 2, notUnderstood: 1 });
  });

  it('what is no log is told, and so is one that breaks off', async () => {
    expect((await log('Dear all,\n')).told).toEqual(['error 1 : this is no log that we know']);
    expect(await openPastLog('/nonexistent/mail.log', NOW)).toMatchObject({
      ok: false,
      findings: [{ problem: 'the file cannot be read (ENOENT)' }],
    });
    const cut = gzipSync(Array.from({ length: 20_000 }, (_, i) => `user${i}${Math.sin(i)}@contoso.com`).join('\n'));
    const result = await log(cut.subarray(0, -20));
    expect(result.messages?.length).toBeGreaterThan(0);
    expect(result.told).toEqual([expect.stringContaining('the compressed file is damaged')]);
  });
});
