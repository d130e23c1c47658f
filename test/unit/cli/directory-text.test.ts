/** The directory as a person reads it. */
import { expect, it } from 'vitest';
import type { DirectoryList } from '../../../src/admin/directory-contract.ts';
import { listText } from '../../../src/cli/directory-text.ts';

const T = '2026-11-22T10:00:00.000Z';

it('a server that is away is told once, with what to do', () => {
  const error = 'ldap://dc1: connect ECONNREFUSED';
  const listing: DirectoryList = {
    version: 3,
    recipients: 30,
    counts: { 'on-premises': 30, cloud: 0, hold: 0, both: 0 },
    pinned: null,
    sources: [
      {
        name: 'ad',
        kind: 'live',
        origins: ['ldap://dc1, ldap://dc2'],
        recipients: 30,
        state: 'failing',
        'last-success': T,
        age: 60,
        since: T,
        error,
      },
    ],
    set: [],
    waves: [],
    live: [
      {
        name: 'ad',
        kind: 'ldap',
        origin: 'ldap://dc1, ldap://dc2',
        state: 'stale',
        refreshing: false,
        'last-success': T,
        age: 60,
        'last-attempt': T,
        recipients: 30,
        error: { problem: error, remedy: 'Look at the server and the way to it' },
        next: null,
      },
    ],
  };
  const text = listText(listing, Date.parse(T) + 60_000);
  expect(text).toMatch(/ad +live +30 +failing +1 min ago/);
  expect(text.split(error)).toHaveLength(2);
  expect(text).toContain(`  ad: ${error}. Look at the server and the way to it\n`);
});
