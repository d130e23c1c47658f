import { describe, expect, it } from 'vitest';
import type { Connector, TlsDestination, TlsPolicy } from '../../../src/mail/route.ts';
import { describeTls, tlsFor } from '../../../src/mail/tls-policy.ts';

const destination = (pattern: string, tls: Partial<TlsPolicy>): TlsDestination => ({
  pattern,
  tls: { mode: 'opportunistic', profile: 'intermediate', ...tls },
  source: `settings, ${pattern}`,
});

const connector = (more: Partial<Connector> = {}): Connector => ({
  name: 'internet',
  side: 'internet',
  addressSpaces: [],
  nextHop: { kind: 'mx' },
  tls: { mode: 'opportunistic', profile: 'intermediate' },
  tlsSource: 'bridgehead.yaml:12',
  origin: 'any',
  ip: 4,
  connections: 20,
  ...more,
});

describe('which TLS a next hop gets', () => {
  it("is the connector's, and says where that stands", () => {
    expect(tlsFor({ connector: connector(), domain: 'example.net' })).toEqual({
      mode: 'opportunistic',
      profile: 'intermediate',
      source: 'bridgehead.yaml:12',
    });
  });

  it('asks for the name of the host we connect to, where no name is written', () => {
    const host = 'mx.example.net';
    expect(tlsFor({ connector: connector(), domain: 'example.net', host }).names).toEqual([host]);
    const named = connector({ tls: { mode: 'verified', profile: 'modern', names: ['mail.protection.outlook.com'] } });
    expect(tlsFor({ connector: named, domain: 'example.net', host }).names).toEqual(['mail.protection.outlook.com']);
  });

  it('is that of the most specific destination', () => {
    const by = connector({
      tlsDestinations: [
        destination('*.example', { mode: 'none' }),
        destination('*.partner.example', { mode: 'required' }),
        destination('partner.example', { mode: 'verified' }),
        destination('partner.example', { mode: 'none' }),
      ],
    });
    const of = (domain: string) => tlsFor({ connector: by, domain });
    expect(of('partner.example')).toMatchObject({ mode: 'verified', source: 'settings, partner.example' });
    expect(of('a.b.partner.example')).toMatchObject({ mode: 'required', source: 'settings, *.partner.example' });
    expect(of('example')).toMatchObject({ mode: 'none' });
    expect(of('notpartner.example')).toMatchObject({ mode: 'none' });
    expect(of('example.net')).toMatchObject({ mode: 'opportunistic', source: 'bridgehead.yaml:12' });
    expect(of('')).toMatchObject({ source: 'bridgehead.yaml:12' });
  });

  for (const mode of ['none', 'opportunistic'] as const)
    it(`C12: is at least required with a client certificate, though ${mode} is written`, () => {
      const by = connector({ tls: { mode, profile: 'intermediate', certificate: 'relay.pem' } });
      const tls = tlsFor({ connector: by, domain: 'example.net' });
      expect(tls.mode).toBe('required');
      expect(tls.source).toContain('C12');
    });

  it('is none where nothing passes a network', () => {
    const by = connector({ tls: { mode: 'verified', profile: 'modern' } });
    expect(tlsFor({ connector: by, domain: 'example.net', isLocal: true }).mode).toBe('none');
  });

  it('is said in words', () => {
    expect(describeTls({ mode: 'verified', profile: 'intermediate', names: ['a.example', 'b.example'] })).toBe(
      'verified by a.example, b.example',
    );
    expect(describeTls({ mode: 'required', profile: 'modern', certificate: 'x', onDowngrade: 'defer' })).toBe(
      'required, profile modern, with a client certificate; deferred when it gets worse',
    );
  });
});
