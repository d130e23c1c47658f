/** The clauses of a Received field (RFC 5321 §4.4): from, by, via, with, id, for; in any order, any of them missing. Pure. */
import { dateIn, type FieldDate } from './dates.ts';
import { type Token, tokensOf, unfolded, without } from './tokens.ts';

export type ClauseName = 'from' | 'by' | 'via' | 'with' | 'id' | 'for' | 'tls' | 'over' | 'envelope' | 'none';

export interface Clause {
  readonly name: ClauseName;
  /** Its words and comments, without the keyword. */
  readonly tokens: readonly Token[];
}

export interface Clauses {
  /** The whole field on one line. */
  readonly text: string;
  readonly clauses: readonly Clause[];
  readonly date: FieldDate | undefined;
  /** An `id` stands behind the date, as Courier has it. */
  readonly idBehindDate: boolean;
  /** Where the last `by` begins, if there are several: somebody wrote a clause into the name he gave himself. */
  readonly forgedUpTo: number;
}

const KEYWORDS: Readonly<Record<string, ClauseName>> = {
  from: 'from',
  by: 'by',
  via: 'via',
  with: 'with',
  id: 'id',
  for: 'for',
  'envelope-from': 'envelope',
  'envelope-sender': 'envelope',
};
/** Octets of one field that are read. */
const LONGEST = 16 * 1024;

/** `field` may still be folded, and may have its name in front. */
export function clausesOf(field: string): Clauses {
  const text = unfolded(field.slice(0, LONGEST)).replace(/^received *: */i, '');
  const all = tokensOf(text);
  const comments = all.filter(({ kind }) => kind === 'comment');
  const date = dateIn(without(text, comments));
  const tokens = date === undefined ? all : all.filter(({ start, end }) => end <= date.start || start >= date.end);
  const clauses: { name: ClauseName; tokens: Token[]; start: number }[] = [{ name: 'none', tokens: [], start: 0 }];
  let seen = new Set<ClauseName>();
  let forgedUpTo = 0;
  for (const [i, token] of tokens.entries()) {
    const current = clauses.at(-1);
    if (current === undefined) break;
    const name = token.kind === 'semicolon' ? 'none' : clauseBegun(token, tokens[i + 1], current, seen);
    if (name === undefined) {
      current.tokens.push(token);
      continue;
    }
    if (name === 'by' && seen.has('by')) {
      // Only what stands behind the last `by` was surely written by the host that took the message
      forgedUpTo = token.start;
      seen = new Set(['from']);
    }
    seen.add(name);
    clauses.push({ name, tokens: [], start: token.start });
  }
  for (const clause of clauses) if (clause.start < forgedUpTo && clause.name !== 'from') clause.name = 'none';
  const idBehindDate = date !== undefined && clauses.some(({ name, start }) => name === 'id' && start >= date.end);
  return { text, clauses, date, idBehindDate, forgedUpTo };
}

/** The clause that this token begins, if it is a keyword here. */
function clauseBegun(
  token: Token,
  next: Token | undefined,
  current: { name: ClauseName; tokens: readonly Token[] },
  seen: ReadonlySet<ClauseName>,
): ClauseName | undefined {
  if (token.kind !== 'word') return undefined;
  const word = token.text.toLowerCase();
  const empty = current.tokens.length === 0;
  const name = KEYWORDS[word];
  if (name !== undefined) {
    // A host may call itself "with": `from with (unknown [192.0.2.1]) by ...`
    if (current.name === 'from' && empty && next?.kind === 'comment') return undefined;
    // qmail-scanner: `by HOST by uid 89 with qmail-scanner-1.14`
    if (name === 'by' && seen.has('by') && next?.text.toLowerCase() === 'uid') return 'none';
    // The second `from` of Exim and XMail is the envelope sender
    if (name === 'from' && (seen.has('from') || (seen.has('by') && next?.text.startsWith('<')))) return 'envelope';
    return name;
  }
  // Exim since 4.94 and Haraka 3: `tls TLS_AES_256_GCM_SHA384`
  if (word === 'tls' && seen.has('by') && !empty && next?.kind === 'word' && KEYWORDS[next.text.toLowerCase()] === undefined)
    return 'tls';
  // Microsoft SMTPSVC: `by HOST over TLS secured channel with ...`
  if (word === 'over' && current.name === 'by' && !empty && next?.kind === 'word') return 'over';
  return undefined;
}

/** The words of a clause up to its first comment behind them; a comment before them does not count. */
export function valueWords(clause: Clause | undefined): readonly Token[] {
  const words: Token[] = [];
  for (const token of clause?.tokens ?? []) {
    if (token.kind === 'word') words.push(token);
    else if (words.length > 0) break;
  }
  return words;
}
