/** Replies to mail from before the migration carry X.500 names as addresses. */
import { describe, expect, it } from 'vitest';
import { buildDirectory } from '../../../src/directory/build.ts';
import { x500KeyOf } from '../../../src/routing/imceaex.ts';
import type { ActiveDirectory } from '../../../src/routing/ports.ts';
import { ask, box, ROUTING, ROUTING_DOMAIN, SETTINGS } from './flow.ts';

const DN = '/o=Contoso/ou=First Administrative Group/cn=Recipients/cn=pilarp';
const REPLY = 'IMCEAEX-_o=Contoso_ou=First+20Administrative+20Group_cn=Recipients_cn=pilarp@example.com';

async function company(route: 'cloud' | 'on-premises', x500: string): Promise<ActiveDirectory> {
  const { index } = await buildDirectory(
    [
      {
        name: 'ad',
        origin: 'export.csv',
        read: async (sink) =>
          sink.record({
            address: box('pilarp@example.com'),
            route,
            routingAddress: box(`pilar9@${ROUTING_DOMAIN}`),
            aliases: [],
            primary: 'on-premises',
            x500: [x500],
            line: 2,
          }),
      },
    ],
    { domains: SETTINGS.domains, routingDomains: SETTINGS.routingDomains, connectors: [] },
  );
  return { version: 1, find: (key) => index.find(key) };
}

describe('R9 an IMCEAEX address', () => {
  it('is its name: _ is /, +20 a space, and case does not matter', () => {
    expect(x500KeyOf(box(REPLY).localPart)).toBe(`x500:${DN.toLowerCase()}`);
    expect(x500KeyOf('imceaex-_O=Contoso_CN=a+2Bb+5Fc')).toBe('x500:/o=contoso/cn=a+b_c');
    expect(x500KeyOf('IMCEAEX-_cn=J+C3+BCrgen')).toBe('x500:/cn=jürgen');
    expect(x500KeyOf('IMCEAEX-_cn=J+FCrgen')).toBe('x500:/cn=jürgen');
    expect(x500KeyOf('IMCEAEX-_cn=a+2')).toBe('x500:/cn=a+2');
  });

  it('is nothing else', () => {
    const others = ['pilarp', 'imceaex', 'IMCEAEX-', 'IMCEAINVALID-_o=x', 'xIMCEAEX-_o=x', `IMCEAEX-_${'x'.repeat(2_000)}`];
    expect(others.filter((text) => x500KeyOf(text) !== undefined)).toEqual([]);
  });

  it('goes where its owner is now, by legacyExchangeDN or X500 alias', async () => {
    for (const name of [DN, `X500:${DN.toUpperCase()}`]) {
      expect(ask(await company('cloud', name), ROUTING, REPLY, 'external')).toBe(`cloud pilar9@${ROUTING_DOMAIN}`);
      expect(ask(await company('on-premises', name), ROUTING, REPLY, 'external')).toBe(`on-premises ${REPLY}`);
    }
  });

  it('of nobody follows the setting for unknown recipients', async () => {
    expect(ask(await company('cloud', '/o=other/cn=pilarp'), ROUTING, REPLY, 'external')).toBe(`on-premises ${REPLY}`);
  });
});
