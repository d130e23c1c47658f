import { beforeAll, describe, expect, it } from 'vitest';
import { formatReply, reply } from '../../../src/mail/reply.ts';
import { admitRecipient, explainRoute } from '../../../src/routing/admission.ts';
import { compileRouting } from '../../../src/routing/compile.ts';
import type { ActiveDirectory, Verification } from '../../../src/routing/ports.ts';
import { box, directoryOf, MiB, PEOPLE, SETTINGS } from './flow.ts';

let people: ActiveDirectory;
beforeAll(async () => {
  people = await directoryOf(PEOPLE);
});

const KNOWN: Verification = { answer: 'known', reply: reply(250, '2.1.5', 'ok') };
const UNKNOWN: Verification = { answer: 'unknown', reply: reply(550, '5.1.1', 'RESOLVER.ADR.RecipNotFound') };
const UNAVAILABLE: Verification = { answer: 'unavailable', reply: reply(451, '4.4.2', 'no answer') };

function desk(verification: Verification | Promise<Verification>, onFailure: 'accept' | 'defer' = 'accept') {
  const asked: string[] = [];
  const verifyRecipients = { connector: 'on-premises', deadline: 5000, onFailure };
  const routing = compileRouting({ ...SETTINGS, domains: SETTINGS.domains.map((domain) => ({ ...domain, verifyRecipients })) });
  const deps = {
    routing: () => routing,
    directory: { active: () => people },
    verify: (connector: { name: string }, recipient: { address: string }, deadlineMs: number) => {
      asked.push(`${connector.name} ${recipient.address} ${deadlineMs}`);
      return verification;
    },
  };
  const admit = (recipient: string) =>
    admitRecipient(deps, { recipient: box(recipient), sender: null, client: { peer: 'external', address: '198.51.100.7' } });
  return { deps, asked, admit };
}

describe('admission', () => {
  it('answers at once, without a promise, where nobody must be asked', () => {
    const { admit, asked } = desk(KNOWN);
    expect(admit('moved@example.com')).toEqual({
      reply: reply(250, '2.1.5', 'Recipient ok'),
      route: 'cloud',
      connector: 'cloud',
      reason: 'directory: migrated (version 12, plain recipients.csv:4)',
      directoryVersion: 12,
      messageSize: 35 * MiB,
    });
    expect(admit('nobody@closed.example')).toMatchObject({ reply: { code: 550, enhanced: '5.1.1' }, route: 'reject' });
    expect(asked).toEqual([]);
  });

  it('C3 an unknown recipient that the server knows is taken', async () => {
    const { admit, asked } = desk(Promise.resolve(KNOWN));
    expect(await admit('nobody@example.com')).toMatchObject({
      reply: { code: 250 },
      route: 'on-premises',
      connector: 'on-premises',
    });
    expect(asked).toEqual(['on-premises nobody@example.com 5000']);
  });

  it('an answer that is remembered needs no promise', () => {
    expect(desk(KNOWN).admit('nobody@example.com')).toMatchObject({ reply: { code: 250 } });
  });

  it('C3 one that the server does not know is refused in session, and the record says what it answered', async () => {
    const refused = await desk(Promise.resolve(UNKNOWN)).admit('nobody@example.com');
    expect(formatReply(refused.reply)).toBe('550 5.1.1 User unknown: nobody@example.com');
    expect(refused.reason).toContain('550 5.1.1 RESOLVER.ADR.RecipNotFound');
    expect(refused.route).toBe('reject');
  });

  it('C3 a server that cannot be asked does not stop mail, unless the setting says so', async () => {
    expect(await desk(Promise.resolve(UNAVAILABLE)).admit('nobody@example.com')).toMatchObject({ reply: { code: 250 } });
    expect(await desk(Promise.resolve(UNAVAILABLE), 'defer').admit('nobody@example.com')).toMatchObject({
      reply: { code: 450, enhanced: '4.4.0' },
    });
  });

  it('explain and shadow say what the session says of letters beyond ASCII (RFC 6531)', async () => {
    const { deps, asked } = desk(KNOWN);
    const decision = await explainRoute(deps, { recipient: box('zoë@example.com'), sender: null, peer: 'external' });
    expect([decision.route, formatReply(decision.reply)]).toEqual([
      'reject',
      '553 5.6.7 Internationalised addresses are not supported here',
    ]);
    expect(decision.steps.at(-1)?.source).toBe('RFC 6531 §3.5');
    expect(asked).toEqual([]);
  });

  it('explain asks too, and shows the answer as a step', async () => {
    const { deps } = desk(Promise.resolve(UNKNOWN));
    const decision = await explainRoute(deps, { recipient: box('nobody@example.com'), sender: null, peer: 'external' });
    expect(decision.route).toBe('reject');
    expect(decision.steps.at(-1)).toEqual({
      step: 'verify',
      result: 'does not know it',
      source: 'connector on-premises (C3)',
    });
    // said once: what the server answered stands in the reason
    expect(decision.steps.filter(({ step }) => step === 'verify')).toHaveLength(1);
    expect(decision.reason).toContain('on-premises does not know it: 550 5.1.1 RESOLVER.ADR.RecipNotFound (C3)');
  });
});
