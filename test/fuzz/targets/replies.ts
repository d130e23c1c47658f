/** A next hop that answers anything at any time: every recipient has one outcome, in time, and mail counts as relayed only behind a 250. */
import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { bodyOf, recipients, SHORT, to, transaction, transport } from '../../integration/delivery/transport/setup.ts';
import { corpusOf } from '../corpus.ts';
import { Mutator } from '../mutate.ts';
import { below, must, type Target } from '../target.ts';

const WORDS = [
  '220 ',
  '250 ',
  '250-',
  '354 ',
  '421 ',
  '451 4.7.1 ',
  '550 5.1.1 ',
  '\r\n',
  '\n',
  '\r',
  'PIPELINING',
  'STARTTLS',
  'SIZE 10',
  'DSN',
  '8BITMIME',
  'CHUNKING',
  'AUTH LOGIN',
  '000 ',
  '999 ',
  '2',
];
/** Milliseconds; all deadlines of a transaction together are well below. */
const PATIENCE = 6_000;

export const replies: Target = {
  name: 'replies',
  inputs: 'server',
  long: 20_000,
  short: 600,
  async open() {
    const corpus = corpusOf('replies');
    const mutator = new Mutator(corpus, WORDS, 40_000);
    const scripts = new Map<string, readonly Buffer[]>();
    const sockets = new Set<Socket>();
    // The script of a session is found by the address that the client comes from.
    const server = createServer((socket) => {
      sockets.add(socket);
      socket.on('close', () => sockets.delete(socket)).on('error', () => {});
      const script = scripts.get(socket.remoteAddress ?? '') ?? [];
      let next = 0;
      const answer = (): void => {
        const octets = script[next++];
        if (octets === undefined || octets.length === 0) socket.destroy();
        else if (!socket.destroyed) socket.write(octets);
      };
      socket.on('data', answer);
      answer();
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as { port: number };
    const relay = transport({ deadlines: { ...SHORT, transaction: 3_000 } });
    let addresses = 0;
    return {
      corpus,
      words: WORDS,
      atOnce: 32,
      async run(input, chance) {
        // each script has an address of its own, or a kept connection would answer with another's words
        const n = (addresses = (addresses + 1) % 60_000);
        const from = `127.9.${n >> 8}.${n & 0xff}`;
        const script = input
          .toString('latin1')
          .split('\u0001')
          .map((text) => Buffer.from(text, 'latin1'));
        const made = script.length > 1 ? script : Array.from({ length: 7 }, () => mutator.next(chance));
        scripts.set(from, made);
        const began = performance.now();
        const two = recipients('a@example.com', 'b@example.com');
        const attempts = await relay.deliver(
          to(port, chance() < 0.5 ? { mode: 'none' } : {}, { sourceAddress: from, connections: 1 }),
          'example.com' as Parameters<typeof relay.deliver>[1],
          transaction({ recipients: two, body: bodyOf(`Subject: x\r\n\r\n${'x\r\n'.repeat(below(chance, 50))}`) }),
        );
        scripts.delete(from);
        must(performance.now() - began < PATIENCE, `an answer after ${(performance.now() - began).toFixed(0)} ms`);
        must(attempts.length === two.length, `${attempts.length} outcomes for ${two.length} recipients`);
        const said = Buffer.concat(made).toString('latin1');
        for (const { outcome } of attempts) {
          if (outcome.kind === 'relayed')
            must(/(?:^|\n)2\d\d/.test(said) && /354/.test(said), 'relayed to a server that never said 354');
          if (outcome.reply !== undefined)
            must(outcome.reply.text.length <= 1_000, 'the words of a reply are kept without a bound');
        }
      },
      async [Symbol.asyncDispose]() {
        await relay[Symbol.asyncDispose]();
        for (const socket of sockets) socket.destroy();
        server.close();
      },
    };
  },
};
