import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { reply } from '../../../src/mail/reply.ts';
import { hold, readDialogues } from '../../support/dialogues.ts';
import { ADMITTED, type Perimeter, perimeter } from './perimeter.ts';

const dialogues = readDialogues();

describe('the dialogues of SMTP, each by its section', () => {
  let relay: Perimeter;

  beforeAll(async () => {
    relay = await perimeter();
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
