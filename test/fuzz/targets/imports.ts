/**
 * Imports into a directory that people use: one that is refused changes nothing and names a line, one that is taken is whole.
 * The long form has files of a million rows among them.
 */
import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Company, crowd, HEADER, routes } from '../../integration/directory/company.ts';
import { Mutator } from '../mutate.ts';
import { must, type Target } from '../target.ts';

const ROWS = 1_000_000;
const LONG = 1_000;
const KNOWN = crowd(40);
const text = (lines: readonly string[]): string => `${HEADER}${lines.map((line) => `${line}\n`).join('')}`;
const GOOD = text(KNOWN);
const utf16be = (from: string): Buffer => Buffer.from(from, 'utf16le').swap16();
const ENTRY = (n: number, more = ''): string =>
  `dn: CN=User ${n},DC=example,DC=com\nobjectClass: user\nmail: user${n}@example.com\nproxyAddresses: SMTP:user${n}@example.com\nhomeMDB: CN=DB1\n${more}\n`;

const FILES: readonly (string | Buffer)[] = [
  GOOD,
  `\ufeff${GOOD}`,
  GOOD.replaceAll('\n', '\r'),
  GOOD.replaceAll('\n', '\r\n'),
  Buffer.from(`\ufeff${GOOD}`, 'utf16le'),
  Buffer.from(GOOD, 'utf16le'),
  utf16be(`\ufeff${GOOD}`),
  Buffer.from(`\u{10348}${GOOD}`).subarray(1), // in the middle of a character
  GOOD.slice(0, -20), // cut off
  `${GOOD}"user`,
  GOOD.replaceAll(',', ';'),
  GOOD.slice(GOOD.indexOf('\n') + 1), // no header
  '',
  HEADER,
  text([...KNOWN, 'user1@example.com,on-premises']), // twice, two ways
  text([...KNOWN, 'USER1@Example.com,on-premises']),
  text([...KNOWN, 'new@example.com,cloud,,ALIAS1@example.com']), // somebody else's alias
  text([...KNOWN, 'us\u0435r1@example.com,on-premises', 'user1@ex\u0430mple.com,on-premises']), // Cyrillic
  text([...KNOWN, '\uff55\uff53\uff45\uff52\uff11@example.com,cloud', 'user1\u200b@example.com,cloud']),
  text([...KNOWN, "=cmd|'/c calc'!A0,cloud", '+1+1@example.com,cloud', '@SUM(A1),cloud', '-2@example.com,cloud']),
  text([...KNOWN, 'a@example.com,cloud,b@example.com', 'b@example.com,cloud,a@example.com']), // to each other
  text([...KNOWN, 'a@example.com,cloud,a@example.com', 'c@example.com,cloud,user1@t.example']),
  text([...KNOWN, `${'x'.repeat(100_000)}@example.com,cloud`]),
  text([...KNOWN, `a@example.com,cloud${',x'.repeat(50_000)}`]),
  text([...KNOWN, `a@example.com,cloud,,${Array.from({ length: 5_000 }, (_, n) => `a${n}@example.com`).join(' ')}`]),
  text([...KNOWN, 'a\0b@example.com,cloud', '"a\nb"@example.com,cloud', '"un""quoted@example.com,cloud']),
  text([...KNOWN, 'a@example.com,nowhere', 'b@elsewhere.example,cloud', 'no address,cloud', ',,,']),
  `${ENTRY(1)}${ENTRY(2)}`,
  `version: 1\n${ENTRY(1, 'proxyAddresses: smtp:user2@example.com\n')}${ENTRY(2)}`,
  `${ENTRY(1, `member:: ${'A'.repeat(90_000)}\n`)}dn: CN=cut`,
  ENTRY(1, 'targetAddress: SMTP:user1@example.com\n'),
  JSON.stringify({
    value: [{ mail: 'user1@example.com', userPrincipalName: 'user1@example.com', proxyAddresses: ['SMTP:user1@example.com'] }],
  }),
  JSON.stringify({
    value: Array.from({ length: 2_000 }, () => ({
      mail: 'user1@example.com',
      proxyAddresses: ['SMTP:user1@example.com', 'SMTP:user1@example.com'],
    })),
  }),
  `{"value":[{"mail":"user1@example.com","proxyAddresses":["SMTP:user1@exam`,
  `{"value":${'['.repeat(50_000)}`,
  `{"value":[],"@odata.nextLink":"http://evil.example/"}`,
];
const WORDS = [
  'address,route',
  'on-premises',
  'cloud',
  'both',
  ',',
  ';',
  '\t',
  '"',
  '""',
  '\r',
  '\r\n',
  '\ufeff',
  'user1@example.com',
  'USER2@EXAMPLE.COM',
  '@t.example',
  'user\u0430@example.com',
  '=1+1',
  'dn: ',
  'proxyAddresses: SMTP:',
  '{"value":[',
];

/**
 * Of the long form, by their numbers: files with rows that nobody writes by hand, each with a small one behind it, for every
 * later one would be compared with it. The first comes before memory is looked at: what the allocator keeps from then on is no leak.
 */
const MILLIONS = new Map<number, (rows: readonly string[]) => string>([
  [10, (rows) => text(rows)],
  [11, () => GOOD],
  [900, (rows) => text(rows)],
  [901, (rows) => text([...rows, 'user7@example.com,on-premises'])],
  [902, (rows) => text(rows).slice(0, -15)],
  [903, (rows) => text([...rows, 'nobody,cloud'])],
  [904, () => GOOD],
]);

/** Every file that is kept; written once each, so that size and times tell. Hashing those of a million rows takes longer than reading them. */
function keptIn({ folder }: Company): string[] {
  return readdirSync(join(folder, 'directory'), { recursive: true, withFileTypes: true })
    .filter((one) => one.isFile() && one.name !== 'source-states.json')
    .map(({ parentPath, name }) => {
      const { ino, size, mtimeMs } = statSync(join(parentPath, name));
      return `${parentPath}/${name} ${ino} ${size} ${mtimeMs}`;
    })
    .sort();
}

export const imports: Target = {
  name: 'imports',
  inputs: 'file',
  long: LONG,
  short: 40,
  async open(isLong) {
    const folder = mkdtempSync(join(tmpdir(), 'bridgehead-fuzz-'));
    const company = new Company(folder);
    await company.write('plain', ['first@example.com,on-premises', 'second@example.com,cloud']);
    const directory = await company.open('plain');
    const file = join(folder, 'import.txt');
    const corpus = FILES.map((one) => Buffer.from(one));
    const mutator = new Mutator(corpus, WORDS, 200_000);
    let refused = 0;
    let taken = 0;
    return {
      corpus,
      words: WORDS,
      patience: 600_000,
      make(chance, number) {
        const million = isLong ? MILLIONS.get(number) : undefined;
        return million === undefined ? mutator.next(chance) : Buffer.from(million(crowd(ROWS)));
      },
      async run(input) {
        writeFileSync(file, input);
        const before = {
          version: directory.active().version,
          kept: keptIn(company),
          known: routes(directory, 'first@example.com', 'user1@example.com'),
        };
        const { report } = await directory.import([{ file, origin: 'import.txt' }], { who: 'anna', yesShrink: true });
        must(routes(directory, 'first@example.com')[0] === 'on-premises', 'somebody of another source is gone');
        if (report.applied) {
          taken += 1;
          return must(
            report.findings.every(({ severity }) => severity !== 'error'),
            'taken with errors',
          );
        }
        const errors = report.findings.filter(({ severity }) => severity === 'error');
        if (errors.length === 0)
          return must(report.added + report.removed + report.changed === 0, 'not taken, and nobody says why');
        refused += 1;
        for (const { line, problem, remedy } of errors) {
          must(line >= 1 && problem !== '' && remedy !== '', `refused without a line: ${line} ${problem.slice(0, 200)}`);
          must(
            !/[\u0000-\u001f\u007f\u200b\ufeff]/.test(problem + remedy) && problem.length < 2_000,
            'a finding that nobody can read',
          );
        }
        const after = {
          version: directory.active().version,
          kept: keptIn(company),
          known: routes(directory, 'first@example.com', 'user1@example.com'),
        };
        must(JSON.stringify(after) === JSON.stringify(before), 'an import that was refused changed something');
      },
      async settle() {
        must(refused > 0 && taken > 0, `${refused} refused, ${taken} taken: the inputs reach one way alone`);
      },
      [Symbol.asyncDispose]: async () => rmSync(folder, { recursive: true, force: true }),
    };
  },
};
