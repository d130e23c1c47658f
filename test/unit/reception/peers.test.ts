import { describe, expect, it } from 'vitest';
import { NetworkSet, Peers, plainAddress } from '../../../src/reception/peers.ts';

describe('a set of networks', () => {
  const networks = new NetworkSet([
    '10.1.0.5/32',
    '198.51.100.0/28',
    '192.0.2.7',
    '203.0.113.0/24',
    '2001:db8:1::/48',
    '2001:db8:2::9',
  ]);

  it.each([
    '10.1.0.5',
    '198.51.100.0',
    '198.51.100.15',
    '192.0.2.7',
    '203.0.113.255',
    '::ffff:203.0.113.1',
    '2001:db8:1:ffff::1',
    '2001:db8:2::9',
  ])('holds %s', (address) => expect(networks.has(address)).toBe(true));

  it.each(['10.1.0.6', '198.51.100.16', '192.0.2.8', '203.0.114.0', '2001:db8:2::a', '::1', '', 'nonsense'])(
    'does not hold %j',
    (address) => {
      expect(networks.has(address)).toBe(false);
    },
  );

  it('may be all there is', () => {
    expect(new NetworkSet(['0.0.0.0/0']).has('255.255.255.255')).toBe(true);
    expect(new NetworkSet(['::/0']).has('2001:db8::1')).toBe(true);
    expect(new NetworkSet([]).has('192.0.2.1')).toBe(false);
  });

  it('knows an address without its zone or its IPv6 coat', () => {
    expect(plainAddress('fe80::1%eth0')).toBe('fe80::1');
    expect(plainAddress('::ffff:192.0.2.1')).toBe('192.0.2.1');
  });
});

describe('the class of a client', () => {
  const cloud = { peer: 'cloud', networks: ['40.92.0.0/15'], certificateNames: ['mail.protection.outlook.com'] } as const;
  const certificate = { verified: true, names: ['mail.protection.outlook.com'] };
  const both = new Peers([{ ...cloud, match: 'all' }]);
  const either = new Peers([{ ...cloud, match: 'any' }]);

  it('is external where nothing matches', () => {
    expect(new Peers([]).classify('192.0.2.1')).toBe('external');
    expect(either.classify('192.0.2.1')).toBe('external');
  });

  it('needs one proof with `any`', () => {
    expect(either.classify('40.92.1.1')).toBe('cloud');
    expect(either.classify('192.0.2.1', certificate)).toBe('cloud');
  });

  it('needs both proofs with `all`, so it is known only after STARTTLS', () => {
    expect(both.classify('40.92.1.1')).toBe('external');
    expect(both.classify('192.0.2.1', certificate)).toBe('external');
    expect(both.classify('40.92.1.1', certificate)).toBe('cloud');
  });

  it('takes no name from a certificate that nobody vouches for', () => {
    expect(either.classify('192.0.2.1', { ...certificate, verified: false })).toBe('external');
  });

  it('lets a wildcard cover one label, on either side', () => {
    const peers = new Peers([
      { peer: 'on-premises', networks: [], certificateNames: ['*.example.com', 'mail.example.net'], match: 'all' },
    ]);
    expect(peers.classify('192.0.2.1', { verified: true, names: ['ex1.example.com'] })).toBe('on-premises');
    expect(peers.classify('192.0.2.1', { verified: true, names: ['*.example.net'] })).toBe('on-premises');
    expect(peers.classify('192.0.2.1', { verified: true, names: ['a.b.example.com'] })).toBe('external');
  });

  it('is the first that matches', () => {
    const peers = new Peers([
      { peer: 'on-premises', networks: ['10.1.0.5/32'], certificateNames: [], match: 'any' },
      { peer: 'gateway', networks: ['10.0.0.0/8'], certificateNames: [], match: 'any' },
    ]);
    expect(peers.classify('10.1.0.5')).toBe('on-premises');
    expect(peers.classify('10.1.0.6')).toBe('gateway');
  });
});
