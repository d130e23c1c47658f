import { describe, expect, it } from 'vitest';
import { testConnector } from '../../../src/delivery/connector-test.ts';
import type { NextHostFinder } from '../../../src/delivery/next-hosts.ts';
import type { SessionOpener } from '../../../src/delivery/session.ts';
import { ON_PREMISES } from '../../integration/admin/fake-relay.ts';

describe('connector test', () => {
  it('tells of a next hop that stays silent, long before mail would give it up', async () => {
    const target = { name: 'mail.example.com', endpoint: { address: '10.1.0.5', port: 25 } };
    const finder = { find: () => Promise.resolve({ targets: [target] }) } as unknown as NextHostFinder;
    const opener = { open: () => new Promise(() => {}) } as unknown as SessionOpener;
    expect(await testConnector(ON_PREMISES, finder, opener, 20)).toEqual({
      connector: 'on-premises',
      ok: false,
      host: 'mail.example.com [10.1.0.5]:25',
      reply: null,
      tls: null,
      problem: 'no answer within 0.02 s',
    });
  });
});
