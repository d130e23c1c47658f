/** Received fields that nobody wrote: real ones cut, spliced, doubled and stuffed, from a seed. */
import { readFileSync } from 'node:fs';
import { readHeaders } from '../../src/evidence/headers/header-report.ts';
import type { Hop } from '../../src/evidence/headers/hops.ts';

const samples = (
  JSON.parse(readFileSync(new URL('../data/received-samples.json', import.meta.url), 'utf8')) as readonly { header: string }[]
).map(({ header }) => header);
/** What grammars break on, and what could be taken for TLS. */
const PIECES =
  '( ) (( )) ; " \\ \\( <> < > [ ] , : = \r\n \r\n\t \n \r \0 \u00fc \u202e from by with id for via tls over envelope-from HELO helo= [192.0.2.1] [IPv6:::1] (192.0.2.1) ESMTP SMTP LMTP mapi HTTP (Postfix) (8.14.4/8.14.4) -0000 GMT 31 Feb 2020 99:99:99 ; Mon, 1 Jan 2024 00:00:00 +0000 encrypted no not (no TLS) secured channel using version= bits=256 X= TLS SSL TLSv1.3 TLS1_2 ESMTPS SMTPS cipher=OTHER (TLSv1.2:AES256-SHA:256)'.split(
    ' ',
  );
/** RFC 3848's words and all that a mail system says of TLS with: where none of them stands, nobody claimed it. */
const VOCABULARY = /tls|ssl|smtps|lmtps|encrypted|cipher/i;

/** xorshift32: the same numbers for the same seed. */
function numbers(seed: number): (below: number) => number {
  let state = seed | 0 || 1;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % Math.max(1, below);
  };
}

/** One mutated field. */
export function mutatedField(seed: number): string {
  const random = numbers(Math.imul(seed + 1, 0x9e3779b1));
  const pick = (): string => samples[random(samples.length)] ?? '';
  let text = pick();
  for (let step = random(8); step >= 0; step--) {
    const at = random(text.length + 1);
    const length = random(40);
    switch (random(8)) {
      case 0:
        text = text.slice(0, at) + text.slice(at + length);
        break;
      case 1:
        text = text.slice(0, at) + (PIECES[random(PIECES.length)] ?? '') + text.slice(at);
        break;
      case 2:
        text = `${text.slice(0, at)} ${PIECES[random(PIECES.length)] ?? ''} ${text.slice(at)}`;
        break;
      case 3: {
        const other = pick();
        text = text.slice(0, at) + other.slice(random(other.length));
        break;
      }
      case 4:
        text = text.slice(0, at) + text.slice(at, at + length).repeat(1 + random(4)) + text.slice(at);
        break;
      case 5:
        text = text.slice(0, at) + String.fromCharCode(random(random(4) === 0 ? 0x3000 : 128)) + text.slice(at + 1);
        break;
      case 6: {
        const piece = PIECES[random(PIECES.length)] ?? '';
        text = text.slice(0, at) + (random(40) === 0 ? piece.repeat(2000) : piece.repeat(3)) + text.slice(at);
        break;
      }
      default: {
        const words = text.split(' ');
        const [a, b] = [random(words.length), random(words.length)];
        [words[a], words[b]] = [words[b] ?? '', words[a] ?? ''];
        text = words.join(' ');
      }
    }
  }
  // One field: what a mutation broke off would be another
  return `Received: ${text.replace(/^Received:/i, '').replace(/\r\n?|\n/g, '\r\n\t')}`;
}

/** What is wrong with what was read of a field; `undefined` where nothing is. */
export function falseClaim(field: string, hops: readonly Hop[]): string | undefined {
  const [hop] = hops;
  if (hops.length > 1 || hop === undefined) return `${hops.length} hops of one field`;
  const flat = field.replace(/[\s\u0000-\u001f\u007f]+/g, ' ');
  if (hop.tls === 'yes' && !VOCABULARY.test(flat)) return 'TLS that no text states';
  if (hop.tls !== 'yes' && (hop['tls-version'] !== null || hop.cipher !== null)) return 'details of TLS that there was not';
  if (hop.cipher !== null && !flat.includes(hop.cipher)) return `a cipher that no text states: ${hop.cipher}`;
  const version = hop['tls-version'];
  if (version !== null && !flat.replace(/[_ -]/g, '.').toLowerCase().includes(version.slice(0, 3).toLowerCase()))
    return `a version that no text states: ${version}`;
  if (hop['from-ip'] !== null && !flat.includes(hop['from-ip'])) return `an address that no text states: ${hop['from-ip']}`;
  return undefined;
}

/** Reads a mutated field as `headers` would. Milliseconds, and what is wrong. */
export function tryField(seed: number): {
  readonly field: string;
  readonly milliseconds: number;
  readonly wrong: string | undefined;
} {
  const field = mutatedField(seed);
  const octets = Buffer.from(`${field}\r\n\r\n`);
  const began = processorTime();
  try {
    const { hops } = readHeaders(octets, ['*.example.com']);
    const milliseconds = processorTime() - began;
    return { field, milliseconds, wrong: falseClaim(field, hops) };
  } catch (error) {
    return { field, milliseconds: processorTime() - began, wrong: `threw ${String(error)}` };
  }
}

/** Milliseconds that this thread has worked: what the rest of the machine does meanwhile does not count. */
export function processorTime(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1000;
}
