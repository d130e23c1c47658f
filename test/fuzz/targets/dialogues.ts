/** Whole dialogues on real sockets: ten lines and more in a session, in pieces of any size, the client gone in the middle. */
import { readDialogues } from '../../support/dialogues.ts';
import { corpusOf } from '../corpus.ts';
import { Mutator } from '../mutate.ts';
import { codesOf, Perimeter } from '../perimeter.ts';
import { below, must, pick, type Target } from '../target.ts';
import { COMMAND_WORDS } from './words.ts';

/** Command lines of a made dialogue, on average: 100,000 dialogues are 1,000,000 lines. */
const LINES = 10;
const NEXT = [
  'EHLO client.example.net',
  'MAIL FROM:<a@example.net>',
  'RCPT TO:<user@example.com>',
  'DATA',
  'Subject: x',
  '',
  '.',
  'QUIT',
];

export const dialogues: Target = {
  name: 'dialogues',
  inputs: 'session of ten lines',
  long: 100_000,
  short: 2_500,
  async open() {
    const perimeter = await Perimeter.open(() => {});
    const lines = corpusOf('commands');
    const written = readDialogues().map(({ steps }) =>
      Buffer.concat(steps.flatMap((step) => (step.kind === 'send' ? [step.octets] : []))),
    );
    const mutator = new Mutator(lines, COMMAND_WORDS, 3_000);
    return {
      corpus: [...written, ...corpusOf('dialogues')],
      words: COMMAND_WORDS,
      most: 100_000,
      atOnce: 8,
      make(chance) {
        if (chance() < 0.2) return undefined; // a written dialogue, mutated
        const parts: Buffer[] = [];
        // half of them go the way of a message, so that mutations meet every state
        const way = chance() < 0.5 ? NEXT : [];
        const count = way.length > 0 ? way.length : 1 + below(chance, 2 * LINES - 1);
        for (let i = 0; i < count; i++) {
          const good = way[i];
          parts.push(good !== undefined && chance() < 0.7 ? Buffer.from(good) : mutator.next(chance));
          parts.push(Buffer.from(pick(chance, ['\r\n', '\r\n', '\r\n', '\r\n', '\n', '\r'])));
        }
        return Buffer.concat(parts);
      },
      async run(input, chance) {
        const pieces: Buffer[] = [];
        const most = chance() < 0.3 ? 1 + below(chance, 20) : input.length;
        for (let at = 0; at < input.length && pieces.length < 200; ) {
          const length = pieces.length === 199 ? input.length : 1 + below(chance, most);
          pieces.push(input.subarray(at, at + length));
          at += length;
        }
        const heard = await perimeter.say(pieces);
        // behind STARTTLS that was taken what comes is a handshake that fails, or nothing
        const codes = codesOf(heard);
        must(codes.length > 0 && codes[0] === 220, 'no greeting');
        const lfs = input.filter((octet) => octet === 10).length;
        must(codes.length <= lfs + 2, `${codes.length} replies to ${lfs} lines`);
      },
      async settle() {
        must(perimeter.connections === 0, `${perimeter.connections} connections are still counted`);
        must(perimeter.drafts === perimeter.ended, `${perimeter.drafts - perimeter.ended} messages were begun and never ended`);
      },
      [Symbol.asyncDispose]: () => perimeter[Symbol.asyncDispose](),
    };
  },
};
