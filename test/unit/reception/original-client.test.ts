import { describe, expect, it } from 'vitest';
import { originalClient } from '../../../src/reception/original-client.ts';
import { NetworkSet } from '../../../src/reception/peers.ts';

const filter = new NetworkSet(['10.9.0.0/24', '2001:db8:9::/64']);
const behind = (...fields: string[]) =>
  originalClient(
    fields.map((text) => `Received: ${text}`),
    filter,
  );
const FORGED = 'from innocent.example (innocent.example [192.0.2.99]) by mx.filter.example; Sun, 22 Nov 2026 10:00:00 +0000';

describe('the client behind a filter', () => {
  it.each([
    ['Postfix', 'from c.example (c.example [198.51.100.7]) by mx.filter.example (Postfix) with ESMTP id 1;'],
    ['Postfix over IPv6', 'from c.example (unknown [IPv6:2001:db8::7]) by mx.filter.example (Postfix) id 1;', '2001:db8::7'],
    [
      'Postfix over TLS',
      'from c.example (c.example [198.51.100.7]) (using TLSv1.3 with cipher X (256/256 bits)) (Client CN "[192.0.2.99]") by m;',
    ],
    ['Exim', 'from c.example ([198.51.100.7]) by mx.filter.example with esmtps (TLS1.3) (Exim 4.96) id 1'],
    ['Exim without a name', 'from [198.51.100.7] (helo=c.example) by mx.filter.example with esmtp'],
    ['Exim with a forged HELO', 'from [198.51.100.7] (helo=[192.0.2.99]) by mx.filter.example'],
    ['Exim with a name and a forged HELO', 'from rdns.example ([198.51.100.7] helo=[192.0.2.99]) by mx'],
    ['Exchange', 'from c.example (198.51.100.7) by EX01.filter.example (10.9.0.4) with Microsoft SMTP Server id 15.2;'],
    ['sendmail', 'from c.example (c.example [198.51.100.7] (may be forged)) by mx.filter.example (8.17/8.17) with ESMTP id 1'],
    ['a forged HELO', 'from [192.0.2.99] (unknown [198.51.100.7]) by mx.filter.example (Postfix) id 1;'],
  ])('is read as %s writes it', (_who, top, client = '198.51.100.7') => {
    expect(behind(top, FORGED)).toBe(client);
  });

  it('is looked for behind the hops of the filter among itself', () => {
    expect(
      behind(
        'from localhost (localhost [127.0.0.1]) by out.filter.example (Postfix) id 3;',
        'from in.filter.example (in.filter.example [10.9.0.4]) by out.filter.example (Postfix) id 2;',
        'from c.example (c.example [198.51.100.7]) by in.filter.example (Postfix) id 1;',
        FORGED,
      ),
    ).toBe('198.51.100.7');
  });

  it('is looked for behind a program of the filter, in what the same host wrote', () => {
    const client = 'from c.example (c.example [198.51.100.7]) by mx.filter.example (Postfix) id 1;';
    expect(behind('by mx.filter.example (Postfix, from userid 65534) id 2;', client)).toBe('198.51.100.7');
    expect(behind('by other.filter.example (Postfix, from userid 65534) id 2;', client)).toBeUndefined();
    expect(behind('(qmail 1234 invoked by uid 0); 22 Nov 2026', client)).toBeUndefined();
  });

  it.each([
    ['there is no field', []],
    ['the top field has no address', ['from c.example by mx.filter.example;', FORGED]],
    ['the only address is what the client said', ['from [192.0.2.99] by mx.filter.example;', FORGED]],
    ['the comment holds none', ['from c.example (unknown) by mx.filter.example;', FORGED]],
    ['the address is none', ['from c.example (c.example [1.2.3.4.5]) by mx.filter.example;', FORGED]],
    ['all hops are the filter', ['from a (a [10.9.0.4]) by b;', 'from a (a [127.0.0.1]) by b;']],
  ])('is not guessed where %s', (_when, fields) => {
    expect(behind(...fields)).toBeUndefined();
  });

  it('takes no time to speak of, whatever stands there', () => {
    for (const text of [
      'from '.repeat(2000),
      `from ${'('.repeat(8000)}`,
      `from x (${'['.repeat(8000)}`,
      `from x (${' '.repeat(8000)}`,
    ]) {
      const begun = performance.now();
      behind(text);
      expect(performance.now() - begun).toBeLessThan(100);
    }
  });
});
