import { describe, expect, it } from 'vitest';
import { checkSettings } from '../../../src/settings/load.ts';

const base = (connector: string, more = ''): string => `hostname: relay.example.com
domains: [{ name: example.com, unknown-recipients: reject }, { name: "*.contoso.com", unknown-recipients: reject }]
cloud: { routing-domains: [t.onmicrosoft.com] }
connectors:
  - { name: cloud, address-spaces: [t.onmicrosoft.com], next-hop: { mx: true }, ${connector} }
  - { name: rest, address-spaces: ["*"], next-hop: { mx: true } }
${more}
`;

async function settings(connector: string, more?: string) {
  const loaded = await checkSettings('/etc/bridgehead.yaml', base(connector, more));
  if (!loaded.ok) throw new Error(JSON.stringify(loaded.mistakes));
  return { ...loaded.settings, notes: loaded.notes.map(({ path, problem }) => `${path}: ${problem}`) };
}

describe('the settings of authentication', () => {
  it('ask nothing of anybody where there is one identity for all mail and no field to write', async () => {
    const { authentication, reception, delivery } = await settings('origin: any');
    expect(authentication).toMatchObject({ claims: false, addResults: [], deadline: 10_000 });
    expect(reception.watchedDomains).toBeUndefined();
    expect(reception).toMatchObject({ headerFirewall: true, authservIds: [] });
    expect(delivery.addAuthenticationResults).toEqual([]);
  });

  it('look at claims as soon as a connector is bound to an origin, or all such mail is refused', async () => {
    const bound = await settings('origin: external', 'header-firewall: off');
    expect(bound.authentication).toMatchObject({ claims: true, ownDomains: ['example.com', 'contoso.com'] });
    expect(bound.reception.watchedDomains).toEqual([
      { name: 'example.com', includeSubdomains: false },
      { name: 'contoso.com', includeSubdomains: true },
    ]);
    expect(bound.reception.headerFirewall).toBe(false);
    const refusing = await settings('origin: any', 'authentication: { spoofed-own-domain: reject }');
    expect(refusing.authentication.claims).toBe(true);
    const trusting = await settings('origin: external', 'authentication: { spoofed-own-domain: any-identity }');
    expect(trusting.authentication.claims).toBe(false);
  });

  it('guard our own name in Authentication-Results where we write it', async () => {
    const { reception } = await settings(
      'origin: any',
      'relay-names: [mx2.example.com]\nauthentication: { add-results: [external] }',
    );
    expect(reception.authservIds).toEqual(['relay.example.com', 'mx2.example.com']);
  });

  it('say at a peer that nobody is that there is none', async () => {
    const { notes } = await settings('origin: any', 'authentication: { add-results: [gateway] }');
    expect(notes).toContain('authentication.add-results: there is no peer "gateway"');
  });
});
