import { describe, expect, it } from 'vitest';
import { claimedHopLines, claimedHops } from '../../../../src/evidence/headers/claims.ts';
import { readHeaders, renderHeaders } from '../../../../src/evidence/headers/header-report.ts';

const TLS = '(using TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits))';
const at = (second: number): string => `Sun, 22 Nov 2026 10:00:${String(second).padStart(2, '0')} +0000`;
const INNER = `from mx1.example.com (mx1.example.com [10.0.0.1]) ${TLS} by ex.example.com (Postfix) with ESMTPS id A1B2C3D4E5; ${at(9)}`;
const EDGE = `from out.example.net (out.example.net [198.51.100.7]) ${TLS} by mx1.example.com (Bridgehead) with ESMTPS id 01J; ${at(5)}`;
const CLAIMED = `from pc.example.net (pc.example.net [198.51.100.9]) ${TLS} by out.example.net (Postfix) with ESMTPSA id B1B2C3D4E5; ${at(3)}`;
const SILENT = `by pc.example.net with SMTP id x; ${at(1)}`;
const OURS = ['ex.example.com', 'mx1.example.com'];
const report = (fields: readonly string[], ours: readonly string[] = OURS): ReturnType<typeof readHeaders> =>
  readHeaders(Buffer.from(fields.map((field) => `Received: ${field}\r\n`).join('')), ours);
const trusted = (fields: readonly string[], ours?: readonly string[]): boolean[] =>
  report(fields, ours).hops.map((hop) => hop.trusted);

describe('the trust boundary (R19)', () => {
  it('believes our own hosts from the top, and nothing below the first other one', () => {
    expect(trusted([INNER, EDGE, CLAIMED, SILENT])).toEqual([false, false, true, true]);
    expect(trusted([INNER, CLAIMED, EDGE])).toEqual([false, false, true]);
    expect(trusted([CLAIMED, INNER, EDGE])).toEqual([false, false, false]);
  });

  it('believes nothing where no host is named', () => {
    expect(trusted([INNER, EDGE], [])).toEqual([false, false]);
    expect(report([INNER, EDGE], []).verdict).toBe('there is no hop that we can vouch for; 2 hops claim TLS');
  });

  it('takes names in any case, with their dot, and all of a domain', () => {
    expect(trusted([INNER, EDGE], ['EX.example.com.', '*.Example.COM'])).toEqual([true, true]);
    expect(trusted([INNER], ['*.ample.com'])).toEqual([false]);
  });

  it('does not believe a field with our own name that a stranger handed over', () => {
    const forged = `from bank.example ([203.0.113.1]) ${TLS} by mx1.example.com (Bridgehead) with ESMTPS id 01X; ${at(4)}`;
    const { hops, notes } = report([EDGE, forged]);
    expect(hops.map((hop) => hop.trusted)).toEqual([false, true]);
    expect(notes.join()).toContain('mx1.example.com took the message from out.example.net [198.51.100.7]');
    const liar = `from mx2.example.com (out.example.net [198.51.100.7]) by mx1.example.com (Bridgehead) with ESMTP id 01J; ${at(5)}`;
    expect(trusted([liar, forged])).toEqual([false, true]);
  });

  it('follows a message from the cloud into our own organisation', () => {
    const cloud = `from A.namprd12.prod.outlook.com (2603:10b6::20) by B.namprd12.prod.outlook.com (2603:10b6::13) with Microsoft SMTP Server (version=TLS1_2, cipher=TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384) id 15.20.8158.24; ${at(2)}`;
    const edge = `from NAM11-obe.outbound.protection.outlook.com (mail-1.outbound.protection.outlook.com [40.107.220.51]) ${TLS} by mx1.example.com (Bridgehead) with ESMTPS id 01J; ${at(5)}`;
    expect(trusted([edge, cloud], ['mx1.example.com', '*.prod.outlook.com'])).toEqual([true, true]);
  });
});

describe('the verdict', () => {
  it('tells what we vouch for apart from what is claimed', () => {
    const { verdict, encrypted, plain, unknown } = report([INNER, EDGE, CLAIMED, SILENT]);
    expect(verdict).toBe('encrypted on all 2 hops we can vouch for; 1 further hop claims TLS; 1 does not say');
    expect({ encrypted, plain, unknown }).toEqual({ encrypted: 3, plain: 0, unknown: 1 });
  });

  it('says where it was in clear, and requires every hop that we vouch for', () => {
    const clear = EDGE.replace(` ${TLS}`, '').replace('ESMTPS', 'ESMTP');
    const found = report([INNER, clear]);
    expect(found.verdict).toBe('encrypted on 1 of 2 hops we can vouch for; 1 in clear');
    expect(found['vouched-encrypted']).toBe(false);
    expect(report([INNER, EDGE, CLAIMED])['vouched-encrypted']).toBe(true);
    expect(report([CLAIMED])['vouched-encrypted']).toBe(false);
  });

  it('does not count what is no SMTP session, nor what stays on one host', () => {
    const local = `from localhost (localhost [127.0.0.1]) by ex.example.com (Postfix) with ESMTP id C1B2C3D4E5; ${at(9)}`;
    const lmtp = `from ex.example.com by ex.example.com with LMTP id x; ${at(9)}`;
    const found = report([lmtp, local, INNER]);
    expect(found.verdict).toBe('encrypted on the only hop we can vouch for');
    expect(found['vouched-encrypted']).toBe(true);
  });

  it('has nothing to say of a message without Received fields', () => {
    expect(readHeaders(Buffer.from('Subject: x\r\n\r\n'), OURS)).toMatchObject({
      hops: [],
      encrypted: 0,
      'vouched-encrypted': false,
    });
  });
});

describe('the way of a message', () => {
  it('is told from the first hop to the last, with its delays', () => {
    expect(report([INNER, EDGE, CLAIMED, SILENT]).hops.map((hop) => [hop['by-host'], hop['delay-seconds']])).toEqual([
      ['pc.example.net', null],
      ['out.example.net', 2],
      ['mx1.example.com', 2],
      ['ex.example.com', 4],
    ]);
  });

  it('notes clocks that disagree', () => {
    const { hops, notes } = report([EDGE, CLAIMED.replace(at(3), at(35))]);
    expect(hops[1]?.['delay-seconds']).toBe(-30);
    expect(notes.join()).toContain('hop 2 is dated 30 s before the one before it');
  });

  it('counts -0000 as UTC, and a date without a zone as none', () => {
    const utc = CLAIMED.replace('+0000', '-0000');
    expect(report([EDGE, utc]).hops.map((hop) => [hop.date, hop['delay-seconds']])).toEqual([
      ['2026-11-22T10:00:03', null],
      ['2026-11-22T10:00:05+00:00', 2],
    ]);
    expect(report([INNER, EDGE.replace(' +0000', ''), CLAIMED]).hops.map((hop) => hop['delay-seconds'])).toEqual([null, null, 6]);
  });

  it('is printed within 100 columns, and steers no terminal', () => {
    const long = `from ${'a'.repeat(300)}.example.net (\u001b[31m [192.0.2.1]) by ${'b'.repeat(300)} with Microsoft SMTP Server (version=TLS1_2, cipher=TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384) id 15.1.1.1; ${at(1)}`;
    const text = renderHeaders(report([INNER, EDGE, long]));
    expect(
      Math.max(
        ...text
          .split('\n')
          .filter((line) => !/^(?:Verdict|note)/.test(line))
          .map((line) => line.length),
      ),
    ).toBeLessThanOrEqual(100);
    expect(text).not.toContain('\u001b');
    expect(text).toContain('Verdict: encrypted on all 2 hops we can vouch for; 1 further hop claims TLS\n');
  });

  it('is told before our own record in a trace', () => {
    expect(claimedHops([EDGE, CLAIMED]).map((hop) => hop.trusted)).toEqual([false, false]);
    expect(claimedHopLines([`Received: ${CLAIMED}`])).toEqual([
      '  1           pc.example.net [198.51.100.9] -> out.example.net',
      '              ESMTPSA; encrypted, TLSv1.3 TLS_AES_256_GCM_SHA384',
    ]);
  });
});
