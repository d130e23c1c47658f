import { expect, it } from 'vitest';
import { RecordedSessions } from '../../support/recorded-sessions.ts';
import { perimeter } from './perimeter.ts';

it('the protocol log of a listener has every command and reply of a session under its id, and nothing of the content', async () => {
  const log = new RecordedSessions();
  const opened: string[] = [];
  await using relay = await perimeter(
    {},
    {
      ports: {
        protocolLog: {
          open(listener, sessionId, ends) {
            opened.push(`${listener} ${sessionId} ${ends.localPort}`);
            return log.session();
          },
        },
      },
    },
  );
  const client = await relay.client();
  for (const command of ['EHLO client.example.net', 'MAIL FROM:<a@b.example>', 'RCPT TO:<user@example.com>', 'DATA'])
    await client.command(command);
  await client.command('Subject: x\r\n\r\nMAIL FROM:<in@the.body>\r\ntop secret\r\n.');
  await client.command('QUIT');
  await relay.reception.stop(1000);
  expect(opened).toEqual([`0 ${relay.spool.messages[0]?.events[0]?.['session-id']} ${relay.reception.addresses()[0]?.port}`]);
  expect(log.lines.filter((line) => !/^> 250[- ]/.test(line))).toEqual([
    '> 220 mx1.example.com ESMTP Bridgehead',
    '< EHLO client.example.net',
    '< MAIL FROM:<a@b.example>',
    '< RCPT TO:<user@example.com>',
    '< DATA',
    '> 354 End data with <CR><LF>.<CR><LF>',
    '< QUIT',
    '> 221 2.0.0 Bye',
    '-',
  ]);
});
