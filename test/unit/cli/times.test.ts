import { describe, expect, it } from 'vitest';
import { ageOf, octetsOf, table } from '../../../src/cli/table.ts';
import { parseTime } from '../../../src/cli/times.ts';

const NOW = Date.parse('2026-11-22T12:00:00Z');

describe('--since and --until', () => {
  it('take ISO 8601 and how long ago', () => {
    expect(parseTime('2026-11-22T10:00:00Z', NOW)).toBe('2026-11-22T10:00:00.000Z');
    expect(parseTime('2026-11-22T10:00:00+02:00', NOW)).toBe('2026-11-22T08:00:00.000Z');
    expect(parseTime('1h', NOW)).toBe('2026-11-22T11:00:00.000Z');
    expect(parseTime('2d', NOW)).toBe('2026-11-20T12:00:00.000Z');
    expect(parseTime('now', NOW)).toBe('2026-11-22T12:00:00.000Z');
  });

  it('take days as the local ones', () => {
    const midnight = new Date(NOW);
    midnight.setHours(0, 0, 0, 0);
    expect(parseTime('today', NOW)).toBe(midnight.toISOString());
    expect(parseTime('2026-11-22', NOW)).toBe(midnight.toISOString());
    midnight.setDate(midnight.getDate() - 1);
    expect(parseTime('yesterday', NOW)).toBe(midnight.toISOString());
  });

  it.each(['', 'soon', '1', '1w', '-1h', '2026-13-01', '22.11.2026', '2026-11-22 10:00'])('do not take "%s"', (text) => {
    expect(parseTime(text, NOW)).toBeUndefined();
  });
});

describe('a table', () => {
  it('is as wide as its content, and cuts the widest column where the terminal is narrower', () => {
    const columns = [{ title: 'NAME' }, { title: 'N', right: true }, { title: 'TEXT' }];
    const rows = [['cloud', '12', 'a long text that does not fit into the terminal']];
    expect(table(columns, rows)).toBe('NAME    N  TEXT\ncloud  12  a long text that does not fit into the terminal\n');
    expect(table(columns, rows, 30)).toBe('NAME    N  TEXT\ncloud  12  a long text that d…\n');
  });

  it('shows control characters instead of obeying them', () => {
    expect(table([{ title: 'T' }], [['\u001b[31m']])).toBe('T\n\\u001b[31m\n');
  });

  it('writes ages and sizes for people', () => {
    expect([0, 999, 59_000, 61_000, 7_500_000, 7_200_000, 90_000_000].map(ageOf)).toEqual([
      '0 s',
      '0 s',
      '59 s',
      '1 min',
      '2 h 5 min',
      '2 h',
      '1 d 1 h',
    ]);
    expect([0, 1023, 1024, 36_700_160].map(octetsOf)).toEqual(['0 octets', '1023 octets', '1.0 KiB', '35.0 MiB']);
  });
});
