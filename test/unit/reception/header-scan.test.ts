import { describe, expect, it } from 'vitest';
import { HeaderScan } from '../../../src/reception/header-scan.ts';

const SETTINGS = {
  relayNames: ['mx1.example.com', 'mx2.example.com'],
  tenantHeaders: new Map([['x-originatororg', 'example.onmicrosoft.com']]),
};

function scanned(text: string, pieceLength = text.length): HeaderScan {
  const scan = new HeaderScan(SETTINGS);
  for (let at = 0; at < text.length; at += pieceLength) scan.take(Buffer.from(text.slice(at, at + pieceLength)));
  scan.end();
  return scan;
}

const HEADER = [
  'Received: from a (a [192.0.2.1]) by mx1.example.com (Bridgehead) with ESMTP id 1; Sun, 22 Nov 2026 10:00:00 +0000',
  'RECEIVED: from b by',
  '\tMX2.Example.Com. with ESMTP',
  '\tid 2; Sun, 22 Nov 2026 10:00:00 +0000',
  'Received: from mx1.example.com by other.example (forged by mx1.example.com) with SMTP id 3; now',
  'Message-ID:',
  ' <one@example.net>',
  'Message-ID: <two@example.net>',
  'X-OriginatorOrg: Example.onmicrosoft.com',
  'Subject: Received: by mx1.example.com',
  '',
  'Received: from body by mx1.example.com; this is no header',
  '',
].join('\r\n');

describe('the header scan', () => {
  it.each([1, 2, 3, 7, 64, 10_000])('reads the same from pieces of %i octets', (length) => {
    expect(scanned(HEADER, length)).toMatchObject({ received: 3, ownHops: 2, messageId: '<one@example.net>', tenantProof: true });
  });

  it('does not count a name of ours in `from`, in a comment, or in the body (G8)', () => {
    const scan = scanned(
      'Received: from mx1.example.com (by mx2.example.com) by elsewhere.example; x\r\n\r\nReceived: by mx1.example.com\r\n',
    );
    expect(scan).toMatchObject({ received: 1, ownHops: 0 });
  });

  it('takes no tenant proof from a wrong value, nor from a right one beside a wrong one (C1)', () => {
    expect(scanned('X-OriginatorOrg: other.onmicrosoft.com\r\n\r\n').tenantProof).toBe(false);
    expect(scanned('X-OriginatorOrg: example.onmicrosoft.com\r\nX-OriginatorOrg: other.example\r\n\r\n').tenantProof).toBe(false);
    expect(scanned('Subject: none\r\n\r\n').tenantProof).toBe(false);
  });

  it('stops at 256 KB, and keeps little of an endless line', () => {
    const scan = new HeaderScan(SETTINGS);
    const chunk = Buffer.alloc(65_536, 'x');
    for (let i = 0; i < 4; i++) scan.take(chunk);
    expect(scan.done).toBe(true);
  });

  it('leaves control characters out of a Message-ID', () => {
    expect(scanned('Message-ID: <a\x07b@example.net>\r\n\r\n').messageId).toBe('<a b@example.net>');
  });
});
