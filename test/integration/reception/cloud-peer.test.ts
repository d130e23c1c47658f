/** R7, C1: a client with the cloud's own, trusted certificate is the cloud; that it is our tenant it has yet to prove. */
import { getCACertificates, setDefaultCACertificates } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { otherName, signed, testCa } from '../../support/certificates.ts';
import { perimeter } from './perimeter.ts';

const SETTINGS = {
  peers: [{ peer: 'cloud', networks: [], certificateNames: ['mx.test'], match: 'any' }],
  headerFirewall: true,
  watchedDomains: [{ name: 'example.com', includeSubdomains: false }],
} as const;
const FORGED = 'From: ceo@example.com\r\nX-MS-Exchange-Organization-SCL: -1\r\n';
const before = getCACertificates('default');

beforeAll(() => setDefaultCACertificates([...before, testCa]));
afterAll(() => setDefaultCACertificates(before));

async function sent(certificate: typeof signed, header: string) {
  await using relay = await perimeter(SETTINGS);
  const client = await relay.client();
  await client.startTls(certificate);
  await client.mail(`${header}\r\nx\r\n`);
  const [spooled] = relay.spool.messages;
  return { asked: relay.queries[0]?.client.peer, message: spooled?.message, event: spooled?.events[0] };
}

describe('a client with a trusted certificate of the cloud', () => {
  it('R7: is treated as external with another tenant in X-OriginatorOrg: its claims are looked at, its forged fields go', async () => {
    const { asked, message, event } = await sent(signed, `${FORGED}X-OriginatorOrg: other.onmicrosoft.com\r\n`);
    expect(asked).toBe('cloud');
    expect(message?.origin).toMatchObject({ peer: 'cloud', tenantProof: false, claims: ['example.com'] });
    expect(message?.removedFields).toEqual(['x-ms-exchange-organization-scl']);
    expect(event?.tls).toMatchObject({ verified: true });
  });

  it('R7: is treated as external where it names two tenants, ours among them', async () => {
    const both = 'X-OriginatorOrg: example.onmicrosoft.com\r\nX-OriginatorOrg: other.onmicrosoft.com\r\n';
    expect((await sent(signed, FORGED + both)).message?.origin).toMatchObject({ tenantProof: false, claims: ['example.com'] });
  });

  it('C1: is believed with the proof of our tenant', async () => {
    const { message } = await sent(signed, `${FORGED}X-OriginatorOrg: example.onmicrosoft.com\r\n`);
    expect(message?.origin).toMatchObject({ peer: 'cloud', tenantProof: true });
    expect(message?.origin.claims).toBeUndefined();
    expect(message?.removedFields).toBeUndefined();
  });

  it('G6: is nobody with another name in the certificate, whatever its header says', async () => {
    const { message } = await sent(otherName, `${FORGED}X-OriginatorOrg: example.onmicrosoft.com\r\n`);
    expect(message?.origin).toMatchObject({ peer: 'external', claims: ['example.com'] });
    expect(message?.removedFields).toEqual(['x-ms-exchange-organization-scl']);
  });
});
