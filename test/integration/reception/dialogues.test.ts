import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { reply } from '../../../src/mail/reply.ts';
import { hold, readDialogues } from '../../support/dialogues.ts';
import { limits, most } from '../../support/limits.ts';
import { ADMITTED, type Perimeter, perimeter } from './perimeter.ts';

const dialogues = readDialogues();

describe('the dialogues of SMTP, each by its section', () => {
  let relay: Perimeter;

  beforeAll(async () => {
    // so many errors from one address would have its greetings delayed
    relay = await perimeter({ limits: limits({ greetingDelay: most(0, 'off') }) });
    relay.admit = ({ recipient }) =>
      recipient.domain === 'example.com' || recipient.domain === 'mx1.example.com'
        ? ADMITTED
        : { ...ADMITTED, reply: reply(550, '5.7.1', 'Relaying denied') };
  });
  afterAll(() => relay[Symbol.asyncDispose]());

  it('are two hundred and more, and no two have one name', () => {
    expect(dialogues.length).toBeGreaterThan(200);
    expect(new Set(dialogues.map(({ name }) => name)).size).toBe(dialogues.length);
  });

  it.each(dialogues.map((dialogue) => [dialogue.name, dialogue] as const))('%s', async (_name, dialogue) => {
    const before = relay.spool.messages.length;
    expect(await hold(dialogue, relay.port, 'bridgehead')).toBeUndefined();
    const taken = relay.spool.messages.length - before;
    expect(taken).toBe(dialogue.messages ?? taken);
  });
});

describe('the dialogues with a filter that is listed for XCLIENT', () => {
  let relay: Perimeter;

  beforeAll(async () => {
    relay = await perimeter({
      peers: [{ peer: 'gateway', networks: ['127.0.0.1/32'], certificateNames: [], match: 'any' }],
      originalClient: 'xclient',
    });
  });
  afterAll(() => relay[Symbol.asyncDispose]());

  it.each(readDialogues('filter').map((dialogue) => [dialogue.name, dialogue] as const))('%s', async (_name, dialogue) => {
    const before = relay.spool.messages.length;
    expect(await hold(dialogue, relay.port, 'bridgehead')).toBeUndefined();
    expect(relay.spool.messages.length - before).toBe(dialogue.messages ?? 0);
  });
});
