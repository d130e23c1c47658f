import { describe, expect, it } from 'vitest';
import type { Settings } from '../../src/settings/settings.ts';
import { needRestart } from '../../src/settings-parts.ts';

const settings = (listener: object): Settings =>
  ({
    file: 'bridgehead.yaml',
    delivery: {},
    reception: { listeners: [{ address: '127.0.0.1', port: 25, tls: 'starttls', ...listener }] },
  }) as unknown as Settings;
const told = (before: object, after: object): string[] => needRestart(settings(before), settings(after)).map(({ path }) => path);

describe('a reload', () => {
  it.each([
    ['its port', { port: 587 }],
    ['its TLS', { tls: 'implicit' }],
    ['the balancers in front of it', { proxies: ['192.0.2.1/32'] }],
    ['its role', { submission: { withoutTls: [] } }],
    ['the authority of its clients', { clientCaFile: '/etc/ca.pem' }],
  ])('says that a listener has to be opened anew for %s', (_what, change) => {
    expect(told({}, change)).toEqual(['listeners']);
  });

  it('turns the protocol log of a listener on and off by itself', () => {
    expect(told({}, { protocolLog: true })).toEqual([]);
  });
});
