/** Files of recipients and past logs, as each reader takes them and as the wrong one does: findings with a line, nothing else. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { DirectoryChecks, Finding } from '../../../src/directory/ports.ts';
import { openFileSource } from '../../../src/directory/readers/open-source.ts';
import { openPastLog } from '../../../src/directory/readers/past-logs.ts';
import { FORMATS } from '../../../src/directory/readers/recognise.ts';
import { readWaveList } from '../../../src/directory/readers/wave-list.ts';
import { type Domain, parseMailbox } from '../../../src/mail/address.ts';
import { corpusOf } from '../corpus.ts';
import { must, pick, type Target } from '../target.ts';

const CHECKS: DirectoryChecks = {
  domains: [{ name: 'contoso.com' as Domain, includeSubdomains: false }],
  routingDomains: ['contoso.mail.onmicrosoft.com' as Domain],
  connectors: [{ name: 'on-premises', side: 'on-premises', byMx: false }],
};
const WORDS = [
  '\ufeff',
  '\r',
  '\r\n',
  '"',
  '""',
  ',',
  ';',
  '\t',
  'address,route',
  'dn: ',
  'dn:: ',
  'proxyAddresses: SMTP:',
  'changetype: delete',
  '\n ',
  '=cmd|calc',
  'on-premises',
  'cloud',
  'both',
  'X500:/o=',
  '{"value":[',
  ']}',
  '@odata.nextLink',
  'gruppe@contoso.com',
  'ＡＢ@contoso.com',
  'p\u0430ypal@contoso.com',
  '#Fields: ',
  '=> ',
];

const HUGE = [
  `"${'x'.repeat(300_000)}`,
  '['.repeat(100_000),
  `address,route\n${Array.from({ length: 2_000 }, (_, i) => `u${i}@contoso.com,on-premises\n`).join('')}`,
];

export const directory: Target = {
  name: 'directory',
  inputs: 'file',
  long: 20_000,
  short: 800,
  async open() {
    const folder = mkdtempSync(join(tmpdir(), 'bridgehead-fuzz-'));
    let files = 0;
    return {
      corpus: [...corpusOf('directory'), ...HUGE.map((text) => Buffer.from(text))],
      words: WORDS,
      atOnce: 2,
      async run(input, chance) {
        const file = join(folder, `${(files = (files + 1) % 100)}.txt`);
        writeFileSync(file, chance() < 0.05 ? Buffer.from(`\ufeff${input.toString()}`, 'utf16le') : input);
        const way = chance();
        if (way < 0.1) {
          const { findings } = await readWaveList(file);
          return findings.forEach(checkFinding);
        }
        if (way < 0.2) {
          const opened = await openPastLog(file, new Date('2026-01-10T12:00:00Z'));
          if (!opened.ok) return opened.findings.forEach(checkFinding);
          for await (const { recipient } of opened.log.messages)
            must(parseMailbox(recipient.address) !== undefined, 'a recipient that is no mailbox');
          return opened.log.findings.forEach(checkFinding);
        }
        const format = chance() < 0.5 ? {} : { format: pick(chance, FORMATS) };
        const opened = await openFileSource({ name: 'imported', file, checks: CHECKS, ...format });
        if (!opened.ok) return opened.findings.forEach(checkFinding);
        await opened.source.read({
          record: ({ address, aliases, routingAddress, line }) => {
            for (const box of [address, ...aliases, ...(routingAddress === undefined ? [] : [routingAddress])])
              must(parseMailbox(box.address)?.address === box.address, 'a record that is no mailbox');
            must(Number.isSafeInteger(line) && line >= 1, 'a record of no line');
          },
          finding: checkFinding,
        });
      },
      [Symbol.asyncDispose]: async () => rmSync(folder, { recursive: true, force: true }),
    };
  },
};

function checkFinding({ line, address, problem, remedy }: Finding): void {
  must(Number.isSafeInteger(line) && line >= 0 && problem !== '' && remedy !== '', 'a finding without place or remedy');
  must(problem.length < 2_000, 'a finding that quotes the whole file');
  for (const text of [address, problem, remedy])
    must(!/[\u0000-\u001f\u007f\u200b\ufeff]/.test(text), `control characters in a finding: ${JSON.stringify(text)}`);
}
