import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { tooOpen } from '../../../src/settings/secrets.ts';

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'bridgehead-secrets-'));
  await writeFile(join(folder, 'key'), 'x');
});
afterAll(() => rm(folder, { recursive: true }));

describe('a file with a secret', () => {
  it.each([
    [0o600, undefined],
    [0o640, undefined],
    [0o400, undefined],
    [0o644, 'note'],
    [0o604, 'note'],
    [0o660, 'mistake'],
    [0o666, 'mistake'],
    [0o602, 'mistake'],
  ])('of mode %o is %s', async (mode, severity) => {
    const file = join(folder, 'key');
    await chmod(file, mode);
    const found = await tooOpen(file, 'the private key');
    expect(found?.severity).toBe(severity);
    const said = found === undefined ? 'the private key in order: chmod 600' : `${found.problem} ${found.remedy}`;
    expect(said).toMatch(/the private key in .*chmod 600/);
  });

  it('that is not there is told elsewhere', async () => {
    expect(await tooOpen(join(folder, 'none'), 'the token')).toBeUndefined();
  });
});
