import { expect, it } from 'vitest';
import { signed } from '../../../support/certificates.ts';
import { RecordedSessions } from '../../../support/recorded-sessions.ts';
import { ScriptedPeer } from '../../../support/scripted-peer.ts';
import { bodyOf, deliverOne, streamed, to, transport } from './setup.ts';

const SECRET = 'Subject: x\r\n\r\nMAIL FROM:<in@the.body>\r\ntop secret\r\n';

it('the protocol log has every command and reply of its connectors, the TLS between them, and nothing of the content', async () => {
  const log = new RecordedSessions();
  const asked: string[] = [];
  await using peer = await ScriptedPeer.start({ certificate: signed });
  {
    await using relay = transport({
      protocolLog: {
        open(connector, ends) {
          asked.push(`${connector} ${ends.remotePort}`);
          return connector === 'cloud' ? log.session() : undefined;
        },
      },
    });
    await deliverOne(relay, to(peer.port), { body: bodyOf(SECRET) });
    await deliverOne(relay, to(peer.port), { body: streamed([Buffer.from(SECRET)]) });
    await deliverOne(relay, to(peer.port, {}, { name: 'partner' }), { body: bodyOf(SECRET) });
  }
  expect(asked).toEqual([`cloud ${peer.port}`, `partner ${peer.port}`]);
  const text = log.lines.join('\n');
  expect(text).not.toMatch(/secret|in@the\.body/);
  expect(text).toMatch(/^< 220 .*\n> EHLO relay\.test\n< 250-/);
  expect(text).toMatch(/> STARTTLS\n< 220 .*\n\* TLS: TLSv1\.3 with TLS_\w+\n> EHLO relay\.test\n/);
  expect(text.match(/> MAIL FROM:<sender@example\.net>/g)).toHaveLength(2);
  expect(text.match(/> DATA/g)).toHaveLength(2);
  expect(log.lines.filter((line) => line === '-')).toHaveLength(1);
});
