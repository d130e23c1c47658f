/**
 * Addresses as files have them. What looks like another address than it is (letters of a foreign script among Latin ones,
 * characters that cannot be seen) is refused by name: nobody could tell such a recipient from the one it imitates.
 */
import { domainToUnicode } from 'node:url';
import { type Mailbox, parseMailbox } from '../../mail/address.ts';
import { shown } from './report.ts';

/** Why a text is no address that we take. */
export interface AddressMistake {
  readonly problem: string;
  readonly remedy: string;
  /** It may well be an address, yet one that deceives the eye. */
  readonly isDeceptive: boolean;
}

const PLAIN = /^[\u0021-\u007e]*$/;

/** `what` names it in the mistake: `address`, `alias`. */
export function readAddress(text: string, what: string): Mailbox | AddressMistake {
  if (!PLAIN.test(text) || text.includes('xn--')) {
    if (text.includes('\ufffd'))
      return {
        problem: `the ${what} ${shown(text)} is not written in UTF-8`,
        remedy: 'Save the file as UTF-8',
        isDeceptive: true,
      };
    const oddity = oddityOf(text);
    if (oddity !== undefined)
      return {
        problem: `the ${what} ${shown(text)} ${oddity}`,
        remedy: 'Type the address anew, in the letters that people will type',
        isDeceptive: true,
      };
  }
  return (
    parseMailbox(text) ?? {
      problem: `the ${what} "${shown(text)}" is no e-mail address`,
      remedy: 'Write it like user@example.com',
      isDeceptive: false,
    }
  );
}

const PLAIN_VALUE = /^[\u0020-\u007e]*$/;
const TYPED = /^\s*([A-Za-z0-9-]{1,20}):(.*)$/s;

/** What deceives in a value of proxyAddresses or mail, with or without its type; other types than smtp are no mail. */
export function deceptionIn(value: string): (AddressMistake & { readonly address: string }) | undefined {
  if (PLAIN_VALUE.test(value) && !value.includes('xn--')) return undefined;
  const typed = TYPED.exec(value);
  if (typed !== null && typed[1]?.toLowerCase() !== 'smtp') return undefined;
  const address = (typed?.[2] ?? value).trim();
  const read = readAddress(address, 'address');
  return isMistake(read) && read.isDeceptive ? { ...read, address } : undefined;
}

export function isMistake(read: Mailbox | AddressMistake): read is AddressMistake {
  return 'problem' in read;
}

/** Format characters and other signs that are not drawn. */
const HIDDEN = /[\p{Cf}\p{Default_Ignorable_Code_Point}]/u;
const SPACE = /[^\S ]/u;
const NAMES: Readonly<Record<string, string>> = {
  '\u00a0': 'no-break space',
  '\u00ad': 'soft hyphen',
  '\u200b': 'zero width space',
  '\u200c': 'zero width non-joiner',
  '\u200d': 'zero width joiner',
  '\u200e': 'left-to-right mark',
  '\u200f': 'right-to-left mark',
  '\u202e': 'right-to-left override',
  '\u2060': 'word joiner',
  '\ufeff': 'zero width no-break space',
};
/** Scripts that have letters a reader takes for Latin ones (UTS #39). */
const SCRIPTS: readonly (readonly [string, RegExp])[] = [
  ['Cyrillic', /\p{Script=Cyrillic}/u],
  ['Greek', /\p{Script=Greek}/u],
  ['Armenian', /\p{Script=Armenian}/u],
  ['Cherokee', /\p{Script=Cherokee}/u],
  ['Coptic', /\p{Script=Coptic}/u],
  ['Lisu', /\p{Script=Lisu}/u],
];
const LATIN = /\p{Script=Latin}/u;
/** Foreign letters, and behind each the Latin one that it looks like (UTS #39, confusables). */
const LOOKALIKES: ReadonlyMap<string, string> = new Map(
  [
    'аa еe оo рp сc уy хx іi јj ѕs һh ԁd ԛq ԝw ѵv ӏl АA ВB ЕE ЅS ІI ЈJ КK МM НH ОO РP СC ТT УY ХX',
    'αa οo νv ρp ιi κk τt υu χx γy ωw ηn ΑA ΒB ΕE ΖZ ΗH ΙI ΚK ΜM ΝN ΟO ΡP ΤT ΥY ΧX',
    'օo սu ցg հh ոn վy ԱU ՍU',
  ]
    .join(' ')
    .split(' ')
    .map((pair) => [pair.slice(0, 1), pair.slice(1)]),
);

/** What deceives in a text with an `@`; `undefined` where it is what it looks like. */
function oddityOf(text: string): string | undefined {
  const hidden = (HIDDEN.exec(text) ?? SPACE.exec(text))?.[0];
  if (hidden !== undefined) return `holds the invisible character ${named(hidden)}`;
  const at = text.lastIndexOf('@');
  const domain = text.slice(at + 1);
  const parts = [text.slice(0, Math.max(at, 0)), domain.includes('xn--') ? domainToUnicode(domain) : domain];
  for (const part of parts) {
    const oddity = compatibility(part) ?? mixture(part);
    if (oddity !== undefined) return oddity;
  }
  return undefined;
}

/** Full-width letters, mathematical ones and the like: another character with the same meaning. */
function compatibility(part: string): string | undefined {
  for (const character of part) {
    const plain = character.normalize('NFKC');
    if (character > '\u007f' && /^[\u0021-\u007e]+$/.test(plain)) return `holds ${named(character)}, which looks like "${plain}"`;
  }
  return undefined;
}

/** Latin letters and those of a script that looks like them in one word. */
function mixture(part: string): string | undefined {
  for (const word of part.split(/[.\-_+]/)) {
    if (!LATIN.test(word)) continue;
    for (const [script, letters] of SCRIPTS) {
      const foreign = letters.exec(word)?.[0];
      if (foreign === undefined) continue;
      const like = LOOKALIKES.get(foreign);
      return `mixes Latin letters with the ${script} letter ${named(foreign)}${like === undefined ? '' : `, which looks like "${like}"`}`;
    }
  }
  return undefined;
}

function named(character: string): string {
  const code = `U+${(character.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0')}`;
  const name = NAMES[character];
  if (name !== undefined) return `${code} (${name})`;
  return HIDDEN.test(character) || SPACE.test(character) ? code : `"${character}" (${code})`;
}
