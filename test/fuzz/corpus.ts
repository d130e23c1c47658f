/** The inputs in the tree: a folder for each target, a file for each input; `.lines` files hold one input a line, with escapes as in JSON. */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { nameOf } from './fuzz.ts';

const FOLDER = new URL('./corpus/', import.meta.url);

export function corpusOf(target: string): Buffer[] {
  const folder = new URL(`${target}/`, FOLDER);
  return readdirSync(folder)
    .sort()
    .flatMap((name) => {
      const octets = readFileSync(new URL(name, folder));
      if (!name.endsWith('.lines')) return [octets];
      const lines = octets.toString().split('\n');
      return lines
        .filter((line) => line !== '' && !line.startsWith('#'))
        .map((line) => Buffer.from(JSON.parse(`"${line}"`) as string, 'latin1'));
    });
}

/** Keeps an input that broke something, so that it is tried first from now on. Returns where. */
export function keep(target: string, input: Buffer): string {
  const folder = new URL(`${target}/`, FOLDER);
  mkdirSync(folder, { recursive: true });
  const file = new URL(`broke-${nameOf(input)}`, folder);
  writeFileSync(file, input);
  return file.pathname;
}
