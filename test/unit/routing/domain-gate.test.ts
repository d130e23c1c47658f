/** Domains that DNS does not prove to be ours yet (coexistence.md 1.2 row 2, C8). */
import { beforeAll, describe, expect, it } from 'vitest';
import { compileRouting } from '../../../src/routing/compile.ts';
import { decideRoute } from '../../../src/routing/decide.ts';
import type { ActiveDirectory } from '../../../src/routing/ports.ts';
import { ask, brief, directoryOf, domain, type From, PEOPLE, question, ROUTING_DOMAIN, SETTINGS } from './flow.ts';

let people: ActiveDirectory;
beforeAll(async () => {
  people = await directoryOf(PEOPLE);
});

describe('a domain that is not verified yet', () => {
  const routing = compileRouting(SETTINGS, (name) => name === 'example.com' || name === 'wide.example');
  const routeOf = (from: From, recipient: string): string => brief(decideRoute(routing, people, question(recipient, from)));

  it('has no way to the cloud for a while: senders try again, and nothing loops', () => {
    expect(routeOf('external', 'moved@example.com')).toBe('451 4.7.1');
    expect(routeOf('external', 'PP@example.com')).toBe('451 4.7.1');
    expect(routeOf('on-premises', 'moved@example.com')).toBe('451 4.7.1');
  });

  it('has none for unknown recipients and in subdomains either', () => {
    expect(routeOf('external', 'nobody@wide.example')).toBe('451 4.7.1');
    expect(routeOf('external', 'nobody@deep.wide.example')).toBe('451 4.7.1');
  });

  it('delivers on-premises as ever, and of `both` the side there', () => {
    expect(routeOf('external', 'here@example.com')).toBe('on-premises here@example.com');
    expect(routeOf('external', 'dual@example.com')).toBe('on-premises dual@example.com');
    expect(routeOf('external', 'dual.cloud@example.com')).toBe('on-premises dual.cloud@example.com');
  });

  it('never refuses postmaster (RFC 5321 §4.5.1)', async () => {
    const cloudPostmaster = await directoryOf([['postmaster@example.com', 'cloud']]);
    expect(brief(decideRoute(routing, cloudPostmaster, question('postmaster@example.com', 'external')))).toBe(
      'on-premises postmaster@example.com',
    );
  });

  it('lets our own servers write to routing addresses: that domain is the tenant’s', () => {
    expect(routeOf('on-premises', `moved@${ROUTING_DOMAIN}`)).toBe(`cloud moved@${ROUTING_DOMAIN}`);
  });

  it('is named by explain', () => {
    const decision = decideRoute(routing, people, { ...question('moved@example.com', 'external'), explain: true });
    expect(decision.reason).toContain('its domain is not verified yet');
    expect(decision.steps.map(({ step }) => step)).toContain('verification');
  });

  it('is asked for anew at each decision: the moment that DNS answers, mail goes', () => {
    let gated = true;
    const live = compileRouting(SETTINGS, () => gated);
    const route = (): string => brief(decideRoute(live, people, question('moved@example.com', 'external')));
    expect(route()).toBe('451 4.7.1');
    gated = false;
    expect(route()).toBe(`cloud moved@${ROUTING_DOMAIN}`);
  });
});

it('without a gate every domain may use its cloud routes (C8)', () => {
  expect(compileRouting(SETTINGS).isGated(domain('example.com'))).toBe(false);
  expect(ask(people, compileRouting(SETTINGS), 'moved@example.com', 'external')).toBe(`cloud moved@${ROUTING_DOMAIN}`);
});
