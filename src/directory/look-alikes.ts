/** Addresses that a person cannot tell from others: characters without width, letters of another script. */
import { domainToUnicode } from 'node:url';
import type { Mailbox } from '../mail/address.ts';

const ASCII = /^[\u0000-\u007f]*$/;
/** Format characters and other signs that are not drawn (Unicode Default_Ignorable_Code_Point). */
const INVISIBLE = /[\p{Cf}\p{Default_Ignorable_Code_Point}]/u;
const LATIN = /\p{Script=Latin}/u;
const ALIKE = /[\p{Script=Cyrillic}\p{Script=Greek}\p{Script=Armenian}\p{Script=Cherokee}]/u;

/** Cyrillic and Greek letters, each before the Latin one it is drawn as (the part of Unicode UTS 39 confusables that matters in names). */
const PAIRS = 'аaеeоoрpсcуyхxіiјjѕsԁdһhԛqԝwвbнhкkмmтtгrпnьbαaεeοoρpνvιiκkτtυuχxγyηnωwβbμu';
const DRAWN_AS: ReadonlyMap<string, string> = new Map(
  Array.from({ length: PAIRS.length / 2 }, (_, i) => [PAIRS.charAt(i * 2), PAIRS.charAt(i * 2 + 1)]),
);

/** What is wrong with how an address looks; `undefined`: nothing. */
export function strangeLook(box: Mailbox): string | undefined {
  const domain = box.domain.includes('xn--') ? domainToUnicode(box.domain) : box.domain;
  if (ASCII.test(box.localPart) && ASCII.test(domain)) return undefined;
  for (const part of [box.localPart, ...domain.split('.')]) {
    if (INVISIBLE.test(part)) return 'it holds a character that is not drawn';
    if (LATIN.test(part) && ALIKE.test(part)) return 'it mixes Latin letters with letters of another script that look like them';
  }
  return undefined;
}

/** The key of the plain address that this one looks like; `undefined` where it is plain itself. */
export function plainLookAlike(box: Mailbox): string | undefined {
  if (ASCII.test(box.localPart)) return undefined;
  const drawn = Array.from(box.localPart.normalize('NFKC').toLowerCase(), (letter) => DRAWN_AS.get(letter) ?? letter).join('');
  return drawn === box.localPart.toLowerCase() ? undefined : `${drawn}@${box.domain}`;
}
