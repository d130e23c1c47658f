import { describe, expect, it } from 'vitest';
import { eachRow } from '../../../../src/directory/readers/csv-rows.ts';
import { file, useFolder } from './samples.ts';

useFolder();

describe('CSV rows', () => {
  it('have the line they begin on, over quoted line ends of either kind, comments, empty lines and chunks', async () => {
    const filler = 'x'.repeat(1000);
    const content = `a,b\r\n"1\r\n2\r\n3",c\r\n\r\n# no\r\nd,"e\nf"\r\n${`${filler},y\r\n`.repeat(400)}end,z`;
    const seen: [string, number][] = [];
    await eachRow(await file(content), { delimiter: ',', hasComments: true }, (cells, line) => {
      seen.push([(cells[0] ?? '').slice(0, 3), line]);
      return true;
    });
    expect(seen.slice(0, 4)).toEqual([
      ['a', 1],
      ['1\r\n', 2],
      ['d', 7],
      ['xxx', 9],
    ]);
    expect(seen.at(-1)).toEqual(['end', 409]);
  });

  it('lose the cells that may not be kept before anybody sees them, and keep their number', async () => {
    const rows: (readonly string[])[] = [];
    await eachRow(await file('a,Hidd3n,c\nd,"Hidd3n,2",f\n'), { delimiter: ',', keeps: (column) => column === 2 }, (cells) => {
      rows.push(cells);
      return true;
    });
    expect(rows).toEqual([
      ['', '', 'c'],
      ['', '', 'f'],
    ]);
  });

  it('end where the reader says so', async () => {
    let rows = 0;
    expect(await eachRow(await file('a\nb\nc\n'), { delimiter: ',' }, () => ++rows < 2)).toBeUndefined();
    expect(rows).toBe(2);
  });

  it('rows of unequal length are as fast as others (the parser would make an error for each)', async () => {
    const content = `h1,h2,h3\n${'a,b\n'.repeat(100_000)}`;
    const path = await file(content);
    const before = process.cpuUsage();
    await eachRow(path, { delimiter: ',' }, () => true);
    const { user } = process.cpuUsage(before);
    expect(user / 1000).toBeLessThan(1500); // 3,000 ms and more with the errors
  });
});
