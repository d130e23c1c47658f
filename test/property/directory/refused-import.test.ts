/** P7: whatever is imported and refused, nothing is changed: no digest, no decision, no file. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Company, crowd, HEADER } from '../../integration/directory/company.ts';

let company: Company;
beforeAll(async () => {
  company = new Company(await mkdtemp(join(tmpdir(), 'bridgehead-refused-')));
});
afterAll(() => rm(company.folder, { recursive: true }));

const FULL = `${HEADER}${crowd(30, (n) => (n % 2 === 0 ? 'cloud' : 'on-premises')).join('\n')}\n`;

/** The good file, cut, with a part of it doubled, or with something written into it. */
const mutated = fc.oneof(
  fc.nat(FULL.length).map((at) => FULL.slice(0, at)),
  fc.tuple(fc.nat(FULL.length), fc.nat(FULL.length)).map(([a, b]) => FULL + FULL.slice(Math.min(a, b), Math.max(a, b))),
  fc
    .tuple(fc.nat(FULL.length), fc.string({ unit: 'binary', minLength: 1, maxLength: 8 }))
    .map(([at, text]) => FULL.slice(0, at) + text + FULL.slice(at)),
  fc.string({ unit: 'binary', maxLength: 200 }),
);

describe('an import', () => {
  it('that is refused changes nothing', async () => {
    const directory = await company.open();
    await writeFile(company.file('full'), FULL);
    await directory.import([{ file: company.file('full'), origin: 'full.csv' }], { who: 'anna' });
    const entries = () => [...directory.active().entries()];
    let refused = 0;
    await fc.assert(
      fc.asyncProperty(mutated, async (text) => {
        const before = { version: directory.active(), entries: entries(), kept: await company.kept() };
        await writeFile(company.file('bad'), text);
        const { report } = await directory.import([{ file: company.file('bad'), origin: 'bad.csv' }], { who: 'anna' });
        if (report.applied) {
          await directory.import([{ file: company.file('full'), origin: 'full.csv' }], { who: 'anna', yesShrink: true });
          return;
        }
        refused++;
        expect(report.findings.some(({ severity }) => severity === 'error')).toBe(true);
        expect(directory.active()).toBe(before.version);
        expect(entries()).toEqual(before.entries);
        expect(await company.kept()).toEqual(before.kept);
      }),
      { numRuns: 150 },
    );
    expect(refused).toBeGreaterThan(50);
  });
});
