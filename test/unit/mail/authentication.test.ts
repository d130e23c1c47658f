import { describe, expect, it } from 'vitest';
import { authenticationResultsField, authservIdOf } from '../../../src/mail/authentication.ts';
import { isReserved } from '../../../src/mail/header-firewall.ts';

describe('Authentication-Results', () => {
  it('tells the results in the words of RFC 8601', () => {
    expect(
      authenticationResultsField('mx1.example.com', {
        time: '2026-11-22T10:00:00.000Z',
        spf: { result: 'pass', domain: 'example.net' },
        dkim: [
          { result: 'pass', domain: 'example.net', selector: 's1' },
          { result: 'fail', domain: 'list.example', selector: 's2' },
        ],
        dmarc: { result: 'pass', domain: 'example.net', policy: 'reject' },
      }),
    ).toBe(
      'Authentication-Results: mx1.example.com;\r\n\tspf=pass smtp.mailfrom=example.net;\r\n\tdkim=pass header.d=example.net header.s=s1;\r\n\tdkim=fail header.d=list.example header.s=s2;\r\n\tdmarc=pass policy.dmarc=reject header.from=example.net\r\n',
    );
  });

  it('lets no stranger write into it', () => {
    const field = authenticationResultsField('mx1.example.com', {
      time: '',
      spf: { result: 'fail', domain: 'a;\r\n dkim=pass', helo: true },
      dkim: [{ result: 'fail', domain: 'evil.example', selector: 'x header.d=ours.example' }],
      dmarc: { result: 'none' },
    });
    expect(field).toBe(
      'Authentication-Results: mx1.example.com;\r\n\tspf=fail;\r\n\tdkim=fail header.d=evil.example;\r\n\tdmarc=none\r\n',
    );
  });

  it.each([
    [' mx1.example.com; none', 'mx1.example.com'],
    [' MX1.Example.com 1;', 'mx1.example.com'],
    ['\t(a (nested) \\) comment) mx1.example.com', 'mx1.example.com'],
    [' "mx1.example.com" ; x', 'mx1.example.com'],
    [' "mx1\\.example.com"; x', 'mx1.example.com'],
    [' (never closed mx1.example.com', undefined],
    ['', undefined],
  ])('by %j is by %j', (value, id) => {
    expect(authservIdOf(value)).toBe(id);
  });
});

describe('reserved header fields', () => {
  it('are those that Exchange believes of its own organisation', () => {
    for (const name of ['organization-scl', 'forest-language', 'crosspremises-authas'])
      expect(isReserved(`x-ms-exchange-${name}`)).toBe(true);
    for (const name of ['x-ms-exchange-crosstenant-id', 'x-ms-exchange-organizationscl', 'x-originatororg', 'received'])
      expect(isReserved(name)).toBe(false);
  });
});
