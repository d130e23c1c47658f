import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { referencePage, schemaFile } from '../../../src/settings/reference.ts';

const config = (name: string) => readFile(new URL(`../../../config/${name}`, import.meta.url), 'utf8');
const REFRESH = 'stale: run `node src/settings/generate.ts`';

describe('what is made of the settings schema', () => {
  it('config/bridgehead.schema.json is fresh', async () => {
    expect((await config('bridgehead.schema.json')) === schemaFile() ? 'fresh' : REFRESH).toBe('fresh');
  });

  it('config/README.md is fresh', async () => {
    expect((await config('README.md')) === referencePage() ? 'fresh' : REFRESH).toBe('fresh');
  });

  it('every setting has a meaning', () => {
    const bare = referencePage()
      .split('\n')
      .filter((line) => /^\| `[^`]+` \|[^|]*\|\s*\|/.test(line));
    expect(bare).toEqual([]);
  });
});
