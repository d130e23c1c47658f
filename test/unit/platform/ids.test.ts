import { describe, expect, it } from 'vitest';
import { ulid } from '../../../src/platform/ids.ts';

describe('ulid', () => {
  it('gives 26 characters of Crockford base 32, all different', () => {
    const ids = Array.from({ length: 20_000 }, () => ulid(1_800_000_000_000));
    expect(new Set(ids).size).toBe(ids.length);
    for (const id of ids.slice(0, 100)) expect(id).toMatch(/^[0-9A-HJKMNP-TV-Z]{26}$/);
  });

  it('sorts in the order given, also when the clock steps back', () => {
    const base = 1_900_000_000_000;
    const ids = [ulid(base), ulid(base + 5), ulid(base - 60_000), ulid(base + 5), ulid(base + 6)];
    expect([...ids].sort()).toEqual(ids);
  });
});
