import { beforeAll, describe, expect, it } from 'vitest';
import { reply } from '../../../src/mail/reply.ts';
import { compileRouting } from '../../../src/routing/compile.ts';
import { decideRoute } from '../../../src/routing/decide.ts';
import type { ActiveDirectory, RoutingRule } from '../../../src/routing/ports.ts';
import { ask, box, directoryOf, PEOPLE, question, ROUTING, SETTINGS, ROUTING_DOMAIN as T, withRules } from './flow.ts';

let people: ActiveDirectory;
beforeAll(async () => {
  people = await directoryOf(PEOPLE);
});

const rule = (when: Pick<RoutingRule, 'recipient' | 'sender' | 'peer'>, then: RoutingRule['then']): RoutingRule => ({
  ...when,
  // oxlint-disable-next-line unicorn/no-thenable -- a rule is data
  then,
  source: 'bridgehead.yaml:50',
});
const toHere = { kind: 'connector', connector: 'on-premises' } as const;
const toCloud = { kind: 'connector', connector: 'cloud' } as const;

describe('rules', () => {
  it('stand before the directory, and the first that fits decides', () => {
    const routing = withRules(rule({ recipient: 'moved@*' }, toHere), rule({ recipient: 'moved@example.com' }, { kind: 'hold' }));
    expect(ask(people, routing, 'moved@example.com', 'external')).toBe('on-premises moved@example.com');
    expect(ask(people, routing, 'pilarp@example.com', 'external')).toBe(`cloud pilar@${T}`);
  });

  it('fit by recipient, sender and peer together', () => {
    const routing = withRules(
      rule(
        { recipient: '*@example.com', sender: '*@*.news.example', peer: 'external' },
        { kind: 'reject', reply: reply(550, '5.7.1', 'No news') },
      ),
    );
    const from = (sender: string | null) => ({ sender: sender === null ? null : box(sender) });
    expect(ask(people, routing, 'here@example.com', 'external', from('x@daily.news.example'))).toBe('550 5.7.1');
    expect(ask(people, routing, 'here@example.com', 'external', from('x@other.example'))).toBe('on-premises here@example.com');
    expect(ask(people, routing, 'here@example.com', 'external', from(null))).toBe('on-premises here@example.com');
    expect(ask(people, routing, 'here@example.com', 'cloud', from('x@daily.news.example'))).toBe('on-premises here@example.com');
  });

  it('the null sender is written <>', () => {
    const routing = withRules(rule({ sender: '<>' }, { kind: 'hold' }));
    expect(ask(people, routing, 'here@example.com', 'external', { sender: null })).toBe('hold');
    expect(ask(people, routing, 'here@example.com', 'external')).toBe('on-premises here@example.com');
  });

  it('C13 copy-to does not end the search', () => {
    const routing = withRules(rule({ recipient: '*@example.com' }, { kind: 'copy-to', connector: 'on-premises' }));
    expect(ask(people, routing, 'moved@example.com', 'external')).toBe(`cloud moved@${T} + on-premises moved@example.com`);
    expect(ask(people, routing, 'here@example.com', 'external')).toBe('on-premises here@example.com');
  });

  it('C10 a copy never goes to the peer the message came from', () => {
    const routing = withRules(rule({}, { kind: 'copy-to', connector: 'on-premises' }));
    expect(ask(people, routing, 'moved@example.com', 'on-premises')).toBe(`cloud moved@${T}`);
  });

  it('C13 R6 applies after rules too', () => {
    expect(ask(people, withRules(rule({}, toCloud)), 'here@example.com', 'cloud, ours')).toBe('550 5.4.6');
    expect(ask(people, withRules(rule({}, toHere)), 'moved@example.com', 'on-premises')).toBe('550 5.4.6');
  });

  it('choose the way and do not open the relay', () => {
    expect(ask(people, withRules(rule({ recipient: '*' }, toHere)), 'x@gmail.example', 'external')).toBe('550 5.7.1');
    expect(ask(people, withRules(rule({ recipient: '*@partner.example' }, toHere)), 'x@partner.example', 'external')).toBe(
      '550 5.7.1',
    );
  });

  it('a rule that names a subdomain of ours and gives it a way makes it ours', () => {
    const routing = withRules(rule({ recipient: '*@lab.example.com', sender: '*', peer: 'external' }, toHere));
    expect(ask(people, routing, 'x@lab.example.com', 'external')).toBe('on-premises x@lab.example.com');
    expect(ask(people, routing, 'x%gmail.example@lab.example.com', 'external')).toBe('550 5.7.1');
    expect(ask(people, ROUTING, 'x@lab.example.com', 'external')).toBe('550 5.7.1');
  });
});

describe('postmaster (RFC 5321 §4.5.1)', () => {
  it('is taken unasked where nothing is set, also of a domain that refuses the unknown', () => {
    expect(ask(people, ROUTING, 'PostMaster@closed.example', 'external')).toBe('on-premises PostMaster@closed.example');
    expect(ask(people, ROUTING, 'postmaster@mx1.example.net', 'external')).toBe('on-premises postmaster@example.com');
  });

  it('is read by whom the settings name', () => {
    const routing = compileRouting({ ...SETTINGS, postmaster: box('moved@example.com') });
    expect(ask(people, routing, 'postmaster@example.com', 'external')).toBe(`cloud moved@${T}`);
    const unlisted = compileRouting({ ...SETTINGS, postmaster: box('mailops@closed.example') });
    expect(ask(people, unlisted, 'postmaster@example.com', 'external')).toBe('on-premises mailops@closed.example');
    expect(ask(people, unlisted, 'mailops@closed.example', 'external')).toBe('on-premises mailops@closed.example');
  });

  it('is where the directory has it', async () => {
    const directory = await directoryOf([['moved@example.com', 'cloud', { aliases: ['postmaster@example.com'] }]]);
    expect(ask(directory, ROUTING, 'postmaster@example.com', 'external')).toBe(`cloud moved@${T}`);
  });

  it('is not refused by a rule, and not sent back to where it came from', () => {
    const routing = withRules(rule({}, { kind: 'reject', reply: reply(550, '5.7.1', 'No') }));
    expect(ask(people, routing, 'postmaster@example.com', 'external')).toBe('on-premises postmaster@example.com');
    expect(ask(people, ROUTING, 'postmaster@example.com', 'on-premises')).toBe(`cloud postmaster@${T}`);
  });

  it('is not asked for at the server behind', () => {
    const [first, ...rest] = SETTINGS.domains;
    const verifyRecipients = { connector: 'on-premises', deadline: 5000, onFailure: 'accept' } as const;
    const routing = compileRouting({
      ...SETTINGS,
      domains: first === undefined ? rest : [{ ...first, verifyRecipients }, ...rest],
    });
    expect(decideRoute(routing, people, question('nobody@example.com', 'external')).verify).toEqual(verifyRecipients);
    expect(decideRoute(routing, people, question('postmaster@example.com', 'external')).verify).toBeUndefined();
    expect(
      decideRoute(routing, people, question('nobody@example.com', 'external', { stage: 'delivery' })).verify,
    ).toBeUndefined();
  });
});
