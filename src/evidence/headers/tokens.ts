/** Cuts the text of a Received field into words, comments and semicolons (RFC 5322 §3.2, §3.6.7), whatever it holds. Pure. */

export interface Token {
  readonly kind: 'word' | 'comment' | 'semicolon';
  /** A word as it stands; of a comment what is inside its outer parentheses. */
  readonly text: string;
  readonly start: number;
  /** Behind its last character. */
  readonly end: number;
  /** No space before it: `SMTPSVC(6.0.3790.3959)`. */
  readonly glued: boolean;
}

/** Characters of a quoted string, an address literal or a path that are looked for at most. */
const LONGEST_QUOTED = 512;

/** One space for each run of white space, line ends and control characters: a folded field becomes one line. */
export function unfolded(text: string): string {
  return text.replace(/[\s\u0000-\u001f\u007f]+/g, ' ').trim();
}

/** Never fails: a parenthesis without its other half is white space. Linear in the length of the text. */
export function tokensOf(text: string): Token[] {
  const closing = closingParentheses(text);
  const tokens: Token[] = [];
  let at = 0;
  while (at < text.length) {
    const c = text[at];
    const start = at;
    const glued = start > 0 && text[start - 1] !== ' ';
    if (c === '(') {
      const close = closing.get(at);
      at = close === undefined ? at + 1 : close + 1;
      if (close !== undefined) tokens.push({ kind: 'comment', text: text.slice(start + 1, close).trim(), start, end: at, glued });
    } else if (c === ';') {
      at += 1;
      tokens.push({ kind: 'semicolon', text: ';', start, end: at, glued });
    } else if (c === ' ' || c === ')') {
      at += 1;
    } else {
      at = wordEnd(text, at);
      tokens.push({ kind: 'word', text: text.slice(start, at), start, end: at, glued });
    }
  }
  return tokens;
}

/** The text with each of these tokens' places blank, so that what stands elsewhere keeps its place. */
export function without(text: string, tokens: readonly Token[]): string {
  let out = '';
  let from = 0;
  for (const { start, end } of tokens) {
    out += text.slice(from, start) + ' '.repeat(end - start);
    from = end;
  }
  return out + text.slice(from);
}

function wordEnd(text: string, start: number): number {
  // `<a b@c>`, `[XMail 1.20 ESMTP Server]` and `"a b"@c` are one word each
  const close = text[start] === '<' ? '>' : text[start] === '[' ? ']' : undefined;
  let at = start;
  if (close !== undefined) {
    const end = text.indexOf(close, start);
    const inside = end < 0 || end - start > LONGEST_QUOTED ? undefined : text.slice(start, end);
    if (inside !== undefined && !/[();]/.test(inside)) at = end + 1;
  }
  while (at < text.length) {
    const c = text[at];
    if (c === ' ' || c === ';' || c === '(' || c === ')') break;
    at = c === '"' ? quotedEnd(text, at) : at + 1;
  }
  return at;
}

/** Behind the closing quote; behind the quote itself where there is none near. */
function quotedEnd(text: string, start: number): number {
  const limit = Math.min(text.length, start + LONGEST_QUOTED);
  for (let at = start + 1; at < limit; at++) {
    if (text[at] === '\\') at += 1;
    else if (text[at] === '"') return at + 1;
  }
  return start + 1;
}

/** For each opening parenthesis the one that closes it; comments nest (RFC 5322 §3.2.2). */
function closingParentheses(text: string): Map<number, number> {
  const closing = new Map<number, number>();
  const open: number[] = [];
  for (let at = 0; at < text.length; at++) {
    const c = text[at];
    if (c === '(') open.push(at);
    else if (c === ')') {
      const start = open.pop();
      if (start !== undefined) closing.set(start, at);
    } else if (c === '\\' && open.length > 0) at += 1;
    else if (c === '"' && open.length === 0) at = quotedEnd(text, at) - 1;
  }
  return closing;
}
