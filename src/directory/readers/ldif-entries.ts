/** LDIF (RFC 2849) entry by entry, in bounded memory: folded lines joined, base64 decoded, what nobody asked for left out. */
import { eachLine } from './lines.ts';
import type { Report } from './report.ts';
import { utf8Octets } from './text-file.ts';

export interface LdifEntry {
  readonly dn: string;
  /** Of its `dn:`. */
  readonly line: number;
  /** Names in lower case, without options; `member;range=0-1499` is `member`. */
  readonly values: ReadonlyMap<string, readonly string[]>;
  /** Active Directory cut an attribute (`;range=0-1499`), and the export has its first part alone. */
  readonly isCut: boolean;
}

/** Characters of one value. */
const MAX_VALUE = 1_048_576;
/** Behind an attribute's name: `::` base64, `:<` a URL, `:` text. */
const ATTRIBUTE = /^([A-Za-z][A-Za-z0-9-]*|[0-9]+(?:\.[0-9]+)*)((?:;[A-Za-z0-9=*-]+)*):([:<]?) *(.*)$/s;

/** Reads a file; `wanted` are attribute names in lower case. `onEntry` may end the reading with `false`. */
export async function eachEntry(
  file: string,
  wanted: ReadonlySet<string>,
  report: Report,
  onEntry: (entry: LdifEntry) => boolean | undefined,
): Promise<void> {
  const entries = new Entries(wanted, report, onEntry);
  await eachLine(utf8Octets(file), (line, number) => entries.line(line, number));
  entries.end();
}

class Entries {
  readonly #wanted: ReadonlySet<string>;
  readonly #report: Report;
  readonly #onEntry: (entry: LdifEntry) => boolean | undefined;
  #logical: string | undefined;
  #logicalLine = 0;
  #entry: { dn: string; line: number; values: Map<string, string[]>; isCut: boolean } | undefined;
  /** The entry that is being read is refused, or is none of a recipient (a search result's end). */
  #isSkipping = false;
  #isStopped = false;

  constructor(wanted: ReadonlySet<string>, report: Report, onEntry: (entry: LdifEntry) => boolean | undefined) {
    this.#wanted = wanted;
    this.#report = report;
    this.#onEntry = onEntry;
  }

  line(line: string, number: number): boolean {
    if (line.startsWith(' ')) {
      if (this.#logical === undefined)
        this.#report.error(number, '', 'a line begins with a space, and there is none before it to go on from', REMEDY);
      else if (this.#logical.length < MAX_VALUE) this.#logical += line.slice(1);
    } else {
      this.#finishLine();
      if (line === '') this.#finishEntry();
      this.#logical = line === '' ? undefined : line;
      this.#logicalLine = number;
    }
    return !this.#isStopped && !this.#report.isFull;
  }

  end(): void {
    this.#finishLine();
    this.#finishEntry();
  }

  #finishLine(): void {
    const line = this.#logical;
    this.#logical = undefined;
    if (line === undefined || this.#isSkipping || line.startsWith('#') || line === '-') return;
    const match = ATTRIBUTE.exec(line);
    if (match === null) {
      this.#isSkipping = true;
      this.#report.error(this.#logicalLine, '', 'the line is no "attribute: value"', REMEDY);
      return;
    }
    const [, written = '', options = '', form = '', text = ''] = match;
    const name = written.toLowerCase();
    if (this.#entry === undefined && name !== 'dn') {
      // what stands before the first entry, and what ldapsearch writes behind the last
      if (['version', 'search', 'result', 'ref', 'control', 'matcheddn', 'text'].includes(name)) return;
      this.#isSkipping = true;
      this.#report.error(this.#logicalLine, '', 'an entry does not begin with its "dn:"', REMEDY);
      return;
    }
    if (name !== 'dn' && name !== 'changetype' && !this.#wanted.has(name)) return;
    const value = this.#decoded(form, text, name);
    if (value === undefined) return;
    if (name === 'dn') this.#begin(value);
    else if (name === 'changetype') this.#changetype(value);
    else this.#add(name, options, value);
  }

  #decoded(form: string, text: string, name: string): string | undefined {
    if (form === '') return text.trimEnd();
    if (form === '<') {
      this.#isSkipping = true;
      return this.#wrong(`the value of ${name} is a URL (":<"), which is not fetched`, 'Export with the values themselves');
    }
    if (/^[A-Za-z0-9+/\s]*={0,2}\s*$/.test(text)) return Buffer.from(text, 'base64').toString('utf8');
    this.#isSkipping = true;
    return this.#wrong(`the value of ${name} is no base64`, REMEDY);
  }

  #begin(dn: string): void {
    if (this.#entry !== undefined) {
      this.#wrong('a second "dn:" stands in one entry', 'Put an empty line between two entries');
      this.#isSkipping = true;
      return;
    }
    this.#entry = { dn, line: this.#logicalLine, values: new Map(), isCut: false };
  }

  /** ldifde writes `changetype: add` into each entry that it exports; anything else is a change, and no directory. */
  #changetype(value: string): void {
    if (value.toLowerCase() === 'add') return;
    this.#wrong(
      `this is a change ("changetype: ${value.slice(0, 20)}"), and no entry of a directory`,
      'Export the entries themselves: ldifde -f export.ldf -r "(proxyAddresses=*)"',
    );
    this.#isSkipping = true;
  }

  #add(name: string, options: string, value: string): void {
    const entry = this.#entry;
    if (entry === undefined || value === '') return;
    const range = /;range=\d+-(\d+|\*)/i.exec(options);
    if (range !== null && range[1] !== '*') entry.isCut = true;
    const standing = entry.values.get(name);
    if (standing === undefined) entry.values.set(name, [value]);
    else standing.push(value);
  }

  #finishEntry(): void {
    const entry = this.#entry;
    const isGood = !this.#isSkipping;
    this.#entry = undefined;
    this.#isSkipping = false;
    if (entry !== undefined && isGood && !this.#isStopped && this.#onEntry(entry) === false) this.#isStopped = true;
  }

  #wrong(problem: string, remedy: string): undefined {
    return this.#report.error(this.#logicalLine, '', problem, `${remedy}${this.#where()}`);
  }

  #where(): string {
    return this.#entry === undefined ? '' : ` (${this.#entry.dn.slice(0, 200)})`;
  }
}

const REMEDY = 'Export it again with ldifde or ldapsearch -LLL, and do not edit it';
