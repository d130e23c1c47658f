/**
 * Bodies through reception, by DATA and by BDAT, and what is made of them: what was taken is octet for octet what was sent
 * (P2), it ends nowhere but at its end, and a notification about it is a message of its own that ends where it should.
 */
import { composeDsn } from '../../../src/bounce/compose.ts';
import { readExcerpt } from '../../../src/bounce/excerpt.ts';
import { WireDecoder } from '../../../src/delivery/wire-decoder.ts';
import { parseReply } from '../../../src/mail/reply.ts';
import type { SpooledMessage } from '../../../src/mail/spooled.ts';
import { stuff } from '../../e2e/support/messages.ts';
import { box, inMemory, NOW, onDisk, RECEIVED_AT, recipient, SETTINGS, message as sample } from '../../unit/bounce/samples.ts';
import { corpusOf } from '../corpus.ts';
import { codesOf, Perimeter, type Taken } from '../perimeter.ts';
import { below, must, pick, type Target } from '../target.ts';

const ENVELOPE = 'EHLO client.example.net\r\nMAIL FROM:<a@example.net>\r\nRCPT TO:<user@example.com>\r\n';
const WORDS = [
  'Received: from a by mx1.example.com; x\r\n',
  'Received: ',
  'Message-ID: <a@b>',
  'Message-ID:',
  'X-OriginatorOrg: example.onmicrosoft.com',

  '\r\n\r\n',
  '\r\n',
  '\r\n.\r\n',
  '\n.\n',
  '\r\n.\n',
  '\n.\r\n',
  '\r.\r',
  '\r\n..\r\n',
  '\r\n.',
  '..',
  'Content-Type: multipart/mixed; boundary=x',
  '--x\r\n',

  ' by (',
  '((((((((',
  '))))',
  '\\',
  '=?utf-8?B?w6Q=?=',
  'From: <a@b>',
  '\t',
  ':',
  'BDAT 10 LAST\r\n',
  'MAIL FROM:<b@example.net>\r\n',
];

export const bodies: Target = {
  name: 'bodies',
  inputs: 'message',
  long: 100_000,
  short: 2_500,
  async open() {
    const taken = new Map<string, Taken>();
    const keep = (one: Taken): void => void taken.set(one.message.id, one);
    const strict = await Perimeter.open(keep);
    const mending = await Perimeter.open(keep, 'bare-line-ends: normalise');
    return {
      corpus: corpusOf('bodies'),
      words: WORDS,
      atOnce: 8,
      async run(input, chance) {
        const byBdat = chance() < 0.3;
        const perimeter = chance() < 0.3 ? mending : strict;
        // what the sender means: lines with CRLF, the last one ended
        const said =
          byBdat || input.subarray(-2).equals(Buffer.from('\r\n')) ? input : Buffer.concat([input, Buffer.from('\r\n')]);
        const wire = byBdat ? chunks(said, chance) : Buffer.concat([Buffer.from('DATA\r\n'), stuff(said), Buffer.from('.\r\n')]);
        const heard = await perimeter.say(cut(Buffer.concat([Buffer.from(ENVELOPE), wire, Buffer.from('QUIT\r\n')]), chance));
        const codes = codesOf(heard);
        must(codes.at(-1) === 221, `the session did not go on behind the message: ${JSON.stringify(heard.slice(-200))}`);
        const id = /^250 2\.0\.0 Queued as (\S+)\r$/m.exec(heard)?.[1];
        const one = id === undefined ? undefined : taken.get(id);
        must((id === undefined) === (one === undefined), 'what was answered is not what was stored');
        if (one === undefined || id === undefined) return;
        taken.delete(id);
        must((heard.match(/Queued as/g) ?? []).length === 1, 'one message became several');
        checkTaken(one, said, perimeter === strict, byBdat);
        await checkNotice(one, chance);
      },
      async settle() {
        must(taken.size === 0, `${taken.size} messages that nobody sent`);
        for (const one of [strict, mending]) {
          must(one.connections === 0, `${one.connections} connections are still counted`);
          must(one.drafts === one.ended, `${one.drafts - one.ended} messages were begun and never ended`);
        }
      },
      async [Symbol.asyncDispose]() {
        await Promise.all([strict[Symbol.asyncDispose](), mending[Symbol.asyncDispose]()]);
      },
    };
  },
};

function chunks(said: Buffer, chance: () => number): Buffer {
  const parts: Buffer[] = [];
  for (let at = 0; ; ) {
    const length = Math.min(said.length - at, below(chance, said.length + 1));
    const last = at + length === said.length;
    parts.push(Buffer.from(`BDAT ${length}${last ? ' LAST' : ''}\r\n`), said.subarray(at, at + length));
    at += length;
    if (last) return Buffer.concat(parts);
  }
}

function cut(octets: Buffer, chance: () => number): Buffer[] {
  const pieces: Buffer[] = [];
  const count = 1 + below(chance, 5);
  for (let at = 0, i = 0; at < octets.length; i++) {
    const end = i === count ? octets.length : at + 1 + below(chance, octets.length - at);
    pieces.push(octets.subarray(at, end));
    at = end;
  }
  return pieces;
}

function checkTaken({ message, body }: Taken, said: Buffer, strict: boolean, byBdat: boolean): void {
  must(!ends(body), 'a final dot inside the stored message');
  const at = body.indexOf('\r\n', body.indexOf('; ')) + 2;
  must(body.toString('latin1', 0, 9) === 'Received:' && at > 2, 'no Received field in front');
  const behind = body.subarray(at);
  must(message.size === body.length - stuffedDots(body), `size ${message.size} of ${body.length - stuffedDots(body)} octets`);
  if (!strict) {
    must(!/(?:^|[^\r])\n|\r(?!\n)/.test(behind.toString('latin1')), 'a bare line end was left');
    return;
  }
  const open = byBdat && said.length > 0 && !said.subarray(-2).equals(Buffer.from('\r\n'));
  const expected = stuff(open ? Buffer.concat([said, Buffer.from('\r\n')]) : said);
  must(behind.equals(expected), 'other octets were stored than were sent');
  // what a file gets is what the sender meant, with LF
  const decoder = new WireDecoder();
  const decoded = Buffer.concat([decoder.decode(behind), decoder.end()]).toString('latin1');
  must(
    decoded === (open ? `${said.toString('latin1')}\r\n` : said.toString('latin1')).replaceAll('\r\n', '\n'),
    'other octets for a file than were sent',
  );
}

/** A notification about it, with words of a next hop that are of no better kind. */
async function checkNotice({ message, body }: Taken, chance: () => number): Promise<void> {
  const at = below(chance, body.length);
  const words = body.toString('latin1', at, at + below(chance, 2_000));
  const reply = parseReply(`550 5.1.1 ${words}`) ?? { code: 550, text: words };
  const spooled: SpooledMessage = sample({
    ...(message.messageId === undefined ? {} : { messageId: message.messageId }),
    size: message.size,
    wireSize: body.length,
    ret: pick(chance, ['FULL', 'HDRS']),
    envid: words.replace(/[^ -~]/g, '').slice(0, 100),
    recipients: [recipient()],
  });
  const kept = chance() < 0.5 ? inMemory(body) : onDisk(body.subarray(0, at), body.subarray(at));
  const excerpt = await readExcerpt(spooled, kept, 'failed', pick(chance, [64 * 1024, 1_000, 100]));
  const happening = {
    recipient: recipient('User@Example.com', { orcpt: `rfc822;${words.replace(/[^ -~]/g, '').slice(0, 400)}x` }),
    action: 'failed',
    attempt: {
      outcome: { kind: 'failed', reply, cause: 'answer' },
      remoteMta: { name: words.slice(0, 100) || 'x', address: '203.0.113.9', port: 25 },
    },
  } as const;
  const { body: notice, size } = composeDsn(
    {
      id: spooled.id,
      now: NOW,
      message: spooled,
      to: box('sender@example.net'),
      action: 'failed',
      happenings: [happening],
      excerpt,
    },
    SETTINGS,
  );
  must(
    RECEIVED_AT < NOW && !ends(notice) && notice.subarray(-2).equals(Buffer.from('\r\n')),
    'a notification that ends where it should not',
  );
  must(size === notice.length - stuffedDots(notice), 'a notification of another size than it says');
  const boundaries = notice.toString('latin1').split(/\r\n--=_\S+?(?:--)?(?=\r\n)/).length - 1;
  must(boundaries >= 4, `${boundaries} boundaries in a notification`);
  const written = notice.subarray(0, notice.length - excerpt.bytes.length).toString('latin1');
  must(!/(?:^|[^\r])\n|\r(?!\n)/.test(written), 'a bare line end in a notification');
  must(
    written.split('\r\n').every((line) => line.length <= 998),
    'a line over 998 octets in a notification',
  );
}

/** RFC 5321 §4.1.1.4 */
const ends = (wire: Buffer): boolean => wire.includes('\r\n.\r\n') || wire.toString('latin1', 0, 3) === '.\r\n';
const stuffedDots = (wire: Buffer): number => (wire.toString('latin1').match(/(?:^|\r\n)\./g) ?? []).length;
