import { parse } from 'csv-parse/sync';
import { describe, expect, it } from 'vitest';
import { renderMessageTracking } from '../../../src/evidence/message-tracking-csv.ts';
import { NOON, received, sent } from '../../integration/evidence/records.ts';

/** Exchange's own list (coexistence.md 1.1). */
const FIELDS =
  'date-time,client-ip,client-hostname,server-ip,server-hostname,source-context,connector-id,source,event-id,internal-message-id,message-id,network-message-id,recipient-address,recipient-status,total-bytes,recipient-count,related-recipient-address,reference,message-subject,sender-address,return-path,message-info,directionality,tenant-id,original-client-ip,original-server-ip,custom-data,transport-traffic-type,log-id,schema-version';

function rows(csv: string): Record<string, string>[] {
  return parse(csv, { columns: FIELDS.split(','), comment: '#', comment_no_infix: true });
}

describe('the message tracking log', () => {
  it('begins with the header lines of Exchange and its field names verbatim', () => {
    const lines = renderMessageTracking([], '0.1.0', NOON).split('\r\n');
    expect(lines).toEqual([
      '#Software: Bridgehead',
      '#Version: 0.1.0',
      '#Log-Type: Message Tracking Log',
      '#Date: 2026-11-22T12:00:00.000Z',
      `#Fields: ${FIELDS}`,
      '',
    ]);
  });

  it('writes one row an event, its recipients separated by semicolons', () => {
    const [receive, send] = rows(
      renderMessageTracking(
        [received(1), received(1, { recipient: 'b@example.com' }), sent(1, { 'duration-ms': 41 })],
        '0.1.0',
        NOON,
      ),
    );
    expect(receive).toMatchObject({
      'date-time': '2026-11-22T12:00:01.000Z',
      'client-ip': '198.51.100.1',
      source: 'SMTP',
      'event-id': 'RECEIVE',
      'recipient-address': 'user1@example.com;b@example.com',
      'recipient-count': '2',
      'total-bytes': '5120',
      'sender-address': 'sender1@example.net',
      directionality: 'Incoming',
    });
    expect(send).toMatchObject({
      'event-id': 'SEND',
      'server-ip': '203.0.113.9',
      'server-hostname': 'mail.example',
      'recipient-address': 'user1@domain1.microsoftonline.com',
      'related-recipient-address': 'user1@example.com',
      'recipient-status': '250 2.0.0 Ok: queued as 4C1',
    });
    expect(send?.['custom-data']).toContain('S:TlsVersion=TLSv1.3');
  });

  it('lets no address become a formula of a spreadsheet, nor a reply a row of its own', () => {
    const csv = renderMessageTracking(
      [
        sent(1, {
          sender: '=cmd|x!A1@example.net',
          recipient: '+a@example.com',
          'message-id': '@SUM(1,"2")',
          reply: { code: 250, text: 'ok\r\n=1+1' },
        }),
      ],
      '0.1.0',
      NOON,
    );
    expect(rows(csv)[0]).toMatchObject({
      'sender-address': "'=cmd|x!A1@example.net",
      'recipient-address': "'+a@example.com",
      'message-id': `'@SUM(1,"2")`,
      'recipient-status': '250 ok =1+1',
    });
    expect(csv.trimEnd().split('\r\n')).toHaveLength(6);
  });
});
