import { describe, expect, it } from 'vitest';
import { nearest } from '../../../src/settings/mistakes.ts';
import {
  parseAddressSpace,
  parseDuration,
  parseHostPort,
  parseName,
  parseNetwork,
  parseRefusal,
  parseSize,
} from '../../../src/settings/values.ts';

describe('values', () => {
  it('durations have a unit', () => {
    expect(['1s', '5m', '2h', '4d'].map(parseDuration)).toEqual([1000, 300_000, 7_200_000, 345_600_000]);
    expect(['5', '5 m', '-1s', '1.5h', '1w', '', '1m30s', '0s'].map(parseDuration)).toEqual(Array(8).fill(undefined));
  });

  it('sizes have a unit', () => {
    expect(['0B', '512KiB', '35MiB', '1GiB'].map(parseSize)).toEqual([0, 524_288, 36_700_160, 1_073_741_824]);
    expect(['35', '35MB', '35 MiB', '-1B', '35mib'].map(parseSize)).toEqual(Array(5).fill(undefined));
  });

  it('networks are CIDR, a bare address is itself', () => {
    expect(['10.1.0.5', '10.1.0.0/16', '2001:db8::/48', '::1'].map(parseNetwork)).toEqual([
      '10.1.0.5/32',
      '10.1.0.0/16',
      '2001:db8::/48',
      '::1/128',
    ]);
    expect(['10.1', '10.1.0.0/33', '10.1.0.0/', 'fe80::1%eth0/64', 'example.com', '10.0.0.0/8/8'].map(parseNetwork)).toEqual(
      Array(6).fill(undefined),
    );
  });

  it('hosts have a port, IPv6 stands in brackets', () => {
    expect(parseHostPort('Mail.Example.com:2525', 25)).toEqual({ host: 'mail.example.com', port: 2525 });
    expect(parseHostPort('10.1.0.5', 25)).toEqual({ host: '10.1.0.5', port: 25 });
    expect(parseHostPort('[::1]:24', 25)).toEqual({ host: '::1', port: 24 });
    for (const wrong of ['', ':25', 'a b:25', '::1', '[::1', 'x:0', 'x:70000', '10.1.0.300:25', 'http://x:25', '[mail]:25'])
      expect([wrong, parseHostPort(wrong, 25)]).toEqual([wrong, undefined]);
  });

  it('address spaces are a domain, its subdomains, or all, with a cost', () => {
    expect(parseAddressSpace('Example.COM;10')).toEqual({ pattern: 'example.com', cost: 10 });
    expect(parseAddressSpace('*.example.com')).toEqual({ pattern: '*.example.com' });
    expect(parseAddressSpace('*')).toEqual({ pattern: '*' });
    for (const wrong of ['', '**', '*example.com', 'a@b.example', 'example.com;x', '10.1.0.5', 'a;1;2'])
      expect([wrong, parseAddressSpace(wrong)]).toEqual([wrong, undefined]);
  });

  it('a name is no address, however it is written', () => {
    expect(parseName('mx1.example.com')).toBe('mx1.example.com');
    for (const wrong of ['10.1.2.3', '::1', '[10.1.2.3]', '10.1', ''])
      expect([wrong, parseName(wrong)]).toEqual([wrong, undefined]);
  });

  it('a refusal has a code and an enhanced status that agree', () => {
    expect(parseRefusal('550 5.7.1 No mail here')).toEqual({ code: 550, enhanced: '5.7.1', text: 'No mail here' });
    for (const wrong of ['250 2.1.5 ok', '550 No', '550 4.7.1 No', '550 5.7.1', '550 5.7.1 a\r\n250 ok'])
      expect([wrong, parseRefusal(wrong)]).toEqual([wrong, undefined]);
  });

  it('a slip of the pen finds the word that was meant', () => {
    const known = ['relay-names', 'hostname', 'listeners', 'unknown-recipients'];
    expect(nearest('relay_name', known)).toBe('relay-names');
    expect(nearest('Hostnam', known)).toBe('hostname');
    expect(nearest('colour', known)).toBeUndefined();
  });
});
