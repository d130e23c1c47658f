/** Reads one Received field of any mail system (RFC 5321 §4.4; what they write in fact: coexistence facts in the tests). Pure. */
import { addressIn, peerIn } from './addresses.ts';
import { type Clause, type ClauseName, type Clauses, clausesOf, valueWords } from './clauses.ts';
import { statementIn, statementInProtocol, type TlsStatement } from './tls-evidence.ts';
import type { Token } from './tokens.ts';
import { isNoSmtp, type WriterFacts, wouldSayTls } from './writers.ts';

/** `no` only where the writer would have said so; `n/a` where there was no SMTP session. */
export type TlsClaim = 'yes' | 'no' | 'unknown' | 'n/a';

/** What one field says; `null` where it does not. */
export interface ReceivedField {
  readonly fromHost: string | null;
  /** Only ever from the `from` clause: ids and versions look like addresses too. */
  readonly fromIp: string | null;
  /** What the client called itself, where that is told beside `fromHost`. */
  readonly helo: string | null;
  /** The name that the client's address leads to, as the writer found it. */
  readonly reverseName: string | null;
  readonly byHost: string | null;
  readonly byIp: string | null;
  readonly protocol: string | null;
  readonly via: string | null;
  readonly id: string | null;
  /** Exchange writes its build number there. */
  readonly idIsVersion: boolean;
  readonly recipient: string | null;
  /** ISO 8601. */
  readonly date: string | null;
  /** Milliseconds since the epoch. */
  readonly instant: number | null;
  readonly tls: TlsClaim;
  readonly tlsVersion: string | null;
  readonly tlsVersionText: string | null;
  readonly cipher: string | null;
  readonly cipherText: string | null;
  readonly verify: string | null;
}

/** `field` is the value, or the whole field with its name, folded or not. Never throws; linear in its length. */
export function parseReceived(field: string): ReceivedField {
  const clauses = clausesOf(field);
  const of = (name: ClauseName): Clause | undefined => clauses.clauses.find((clause) => clause.name === name);
  const from = of('from');
  const by = of('by');
  const fromHost = nameIn(from);
  const protocol = protocolIn(of('with'), clauses.text);
  const via = phrase(valueWords(of('via')));
  const id = unbracketed(trimmed(valueWords(of('id'))[0]?.text));
  const peer = peerOf(from, fromHost);
  const facts: WriterFacts = {
    fromHost,
    fromComments: commentsOf(from),
    byHost: nameIn(by),
    productComments: [...commentsOf(by), ...commentsOf(of('with')), ...commentsOf(of('id'))],
    leadingComments: commentsOf(clauses.clauses[0]),
    protocol,
    via,
    id,
    fromIp: peer.ip,
  };
  const { statements, doubtful } = statementsOf(clauses, protocol);
  const tls = claimOf(statements, doubtful, facts, clauses);
  const said = tls === 'yes' ? statements.filter(({ encrypted }) => encrypted) : [];
  const first = (key: Exclude<keyof TlsStatement, 'encrypted' | 'nullCipher'>): string | null =>
    said.find((statement) => statement[key] !== undefined)?.[key] ?? null;
  return {
    fromHost,
    fromIp: peer.ip,
    helo: peer.helo,
    reverseName: peer.reverseName,
    byHost: facts.byHost,
    byIp: addressBeside(by),
    protocol,
    via,
    id,
    idIsVersion: id !== null && /^\d+\.\d+\.\d+\.\d+$/.test(id) && /^(?:microsoft|mapi)\b/i.test(protocol ?? ''),
    recipient: recipientsIn(of('for')),
    date: clauses.date?.iso ?? null,
    instant: clauses.date?.instant ?? null,
    tls,
    tlsVersion: first('version'),
    tlsVersionText: first('versionText'),
    cipher: first('cipher'),
    cipherText: first('cipherText'),
    verify: first('verify'),
  };
}

/** `doubtful`: something is said of TLS that the client may have said of itself. */
function claimOf(statements: readonly TlsStatement[], doubtful: boolean, facts: WriterFacts, clauses: Clauses): TlsClaim {
  if (statements.some(({ nullCipher }) => nullCipher)) return 'no';
  if (statements.some(({ encrypted }) => encrypted)) return 'yes';
  if (statements.length > 0) return 'no';
  if (isNoSmtp(facts, clauses)) return 'n/a';
  return !doubtful && wouldSayTls(facts, clauses) ? 'no' : 'unknown';
}

/** Comments first, the protocol's own word last: EHS wrote "with ESMTP" for hops that its comment proves encrypted. */
function statementsOf(clauses: Clauses, protocol: string | null): { statements: TlsStatement[]; doubtful: boolean } {
  const found: TlsStatement[] = [];
  let doubtful = false;
  const add = (statement: TlsStatement | undefined): void => {
    if (statement !== undefined) found.push(statement);
  };
  for (const { name, tokens } of clauses.clauses) {
    // A HELO may hold comments; all systems write what they saw themselves, the address first, behind it
    const address = name === 'from' ? tokens.findLastIndex(isAddress) : -1;
    for (const [i, token] of tokens.entries()) {
      // One that is glued to a name or an address, or stands before a forged clause, may be of the client's making
      if (token.kind !== 'comment' || token.start < clauses.forgedUpTo || (token.glued && name !== 'with')) continue;
      const statement = statementIn(token.text);
      if (i < address) doubtful ||= statement !== undefined;
      else add(statement);
    }
    if (name === 'tls') add(statementIn(`tls ${phrase(tokens.filter(isWord).slice(0, 2)) ?? ''}`));
    if (name === 'over') add(statementIn(phrase(tokens.filter(isWord)) ?? ''));
  }
  if (protocol !== null) add(statementInProtocol(protocol.split(' ')));
  // Mimecast: `with ESMTP with STARTTLS`
  for (const clause of clauses.clauses.filter(({ name }) => name === 'with').slice(1))
    add(statementInProtocol(valueWords(clause).map(({ text }) => text)));
  return { statements: found, doubtful };
}

const isWord = ({ kind }: Token): boolean => kind === 'word';
const isAddress = ({ kind, text }: Token): boolean =>
  kind === 'comment' && !NOT_THE_PEER.test(text) && !/^[he][eh]lo[ =]/i.test(text) && peerIn(text) !== undefined;

function commentsOf(clause: Clause | undefined): string[] {
  return (clause?.tokens ?? []).filter(({ kind }) => kind === 'comment').map(({ text }) => text);
}

/** The host of a `from` or `by` clause: its first word, or a product's name of several: `by Forcepoint Email`. */
function nameIn(clause: Clause | undefined): string | null {
  const words = valueWords(clause).map(({ text }) => trimmed(text) ?? '');
  const [first = ''] = words;
  if (/[.:@[]/.test(first)) return first;
  return words.filter((word) => !word.startsWith('[')).join(' ') || null;
}

/** The words of `with`, and a version glued to them: `Microsoft SMTPSVC(6.0.3790.3959)`. */
function protocolIn(clause: Clause | undefined, text: string): string | null {
  const words = valueWords(clause);
  const last = words.at(-1);
  if (last === undefined) return null;
  const next = clause?.tokens[clause.tokens.indexOf(last) + 1];
  const version = next?.kind === 'comment' && next.glued && /^\d/.test(next.text) ? text.slice(next.start, next.end) : '';
  return `${phrase(words) ?? ''}${version}`;
}

function phrase(words: readonly Token[]): string | null {
  return trimmed(words.map(({ text }) => text).join(' ')) ?? null;
}

/** Without a comma behind it. */
function trimmed(text: string | undefined): string | undefined {
  const bare = text?.replace(/,+$/, '');
  return bare === '' ? undefined : bare;
}

function unbracketed(text: string | undefined): string | null {
  if (text === undefined) return null;
  return /^<([^<>]*)>$/.exec(text)?.[1] ?? text;
}

function recipientsIn(clause: Clause | undefined): string | null {
  const words = valueWords(clause).map(({ text }) => unbracketed(trimmed(text)) ?? '');
  return words.filter((word) => word !== '').join(', ') || null;
}

interface Peer {
  readonly ip: string | null;
  readonly helo: string | null;
  readonly reverseName: string | null;
}

/** Comments about the client's login or envelope hold text of the client's own. */
const NOT_THE_PEER = /^(?:auth|smtp-auth|envelope|using |no client|client )/i;

/** The client: what its comments say, else the name itself where that is an address. */
function peerOf(from: Clause | undefined, host: string | null): Peer {
  let ip: string | undefined;
  let helo: string | undefined;
  let reverseName: string | undefined;
  for (const comment of commentsOf(from)) {
    helo ??= heloIn(comment);
    if (NOT_THE_PEER.test(comment) || /^[he][eh]lo\s/i.test(comment)) continue;
    if (ip !== undefined) continue;
    // CommuniGate: `account user@example.org [192.0.2.1] verified`
    ip = peerIn(comment.replace(/^account \S+/i, ''));
    const name = /^(?:(?:IDENT:)?[^\s@]*@)?([A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)+)\.? ?\[/.exec(comment)?.[1];
    if (ip !== undefined) reverseName = name;
  }
  ip ??= addressBeside({ name: 'from', tokens: (from?.tokens ?? []).filter(isWord) }) ?? undefined;
  ip ??= host === null ? undefined : addressIn(host);
  return { ip: ip ?? null, helo: helo ?? null, reverseName: reverseName ?? null };
}

/** `helo=name`, `HELO name`, `"EHLO name"` */
function heloIn(comment: string): string | undefined {
  return /(?:^|[\s"])[he][eh]lo(?:=| )"?([^\s")]+)/i.exec(comment)?.[1];
}

/** The first word or comment behind the name that is an address: `pop.example.net [192.0.2.1]`. */
function addressBeside(clause: Clause | undefined): string | null {
  for (const [i, token] of (clause?.tokens ?? []).entries()) {
    if (token.kind === 'word' && (i === 0 || !token.text.startsWith('['))) continue;
    const address = token.kind === 'comment' ? peerIn(token.text) : addressIn(token.text);
    if (address !== undefined) return address;
  }
  return null;
}
