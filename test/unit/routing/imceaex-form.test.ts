import { describe, expect, it } from 'vitest';
import { byAnyAddress } from '../../../src/evidence/by-mailbox.ts';
import type { EvidenceFilter } from '../../../src/evidence/filter.ts';
import { addressBook } from '../../../src/operating.ts';
import { imceaexOf, x500KeyOf } from '../../../src/routing/imceaex.ts';

const KEY = 'x500:/o=contoso/ou=first administrative group (fydibohf23spdlt)/cn=recipients/cn=pilarp';
const LOCAL = 'IMCEAEX-_o=contoso_ou=first+20administrative+20group+20+28fydibohf23spdlt+29_cn=recipients_cn=pilarp';

describe('R9: an X.500 name in an address', () => {
  it('is written as Exchange writes it, and read back as the same name', () => {
    expect(imceaexOf(KEY)).toBe(LOCAL);
    for (const key of [KEY, 'x500:/o=a_b+c/cn=müller', 'x500:/o=x/cn=a@b "c"']) expect(x500KeyOf(imceaexOf(key))).toBe(key);
  });

  it('finds a message by any address of the mailbox, and by the name itself', async () => {
    const names = [
      { key: 'pilarp@contoso.com', role: 'primary' as const },
      { key: 'pp@contoso.com', role: 'alias' as const },
      { key: 'pilarp@contoso.mail.onmicrosoft.com', role: 'routing' as const },
      { key: KEY, role: 'x500' as const },
    ];
    const asked: EvidenceFilter[] = [];
    const evidence = byAnyAddress(
      { query: (filter) => Promise.resolve({ records: [], more: asked.push(filter) < 0 }) },
      addressBook({ namesOf: (key) => (names.some((name) => name.key === key) ? names : []) }),
    );
    for (const recipient of ['PP@Contoso.com', 'pilarp@contoso.mail.onmicrosoft.com', `${LOCAL.toUpperCase()}@contoso.com`])
      await evidence.query({ recipient });
    for (const { recipients } of asked)
      expect(new Set(recipients?.map((one) => one.toLowerCase()))).toEqual(
        new Set(
          [
            'pilarp@contoso.com',
            'pp@contoso.com',
            'pilarp@contoso.mail.onmicrosoft.com',
            `${LOCAL}@contoso.com`,
            `${LOCAL}@contoso.mail.onmicrosoft.com`,
          ].map((one) => one.toLowerCase()),
        ),
      );
  });
});
