/** Files that a command names, looked at before they are sent anywhere. */
import { statSync } from 'node:fs';
import { basename, resolve } from 'node:path';
import type { FileFinding, NamedFile } from '../admin/directory-contract.ts';
import { UsageError } from './command.ts';
import type { CliPorts } from './ports.ts';

export type FilesToRead =
  | { readonly ok: true; readonly files: readonly NamedFile[] }
  | { readonly ok: false; readonly findings: readonly FileFinding[] };

/** Files that become a directory; a list with passwords, or what is none at all, goes no further. */
export async function filesToRead(ports: CliPorts, names: readonly string[], format: string | undefined): Promise<FilesToRead> {
  const files = namedFiles(names);
  const findings: FileFinding[] = [];
  for (const { path } of files) findings.push(...(await ports.inspectFile(path, format)));
  return findings.some(({ severity }) => severity === 'error') ? { ok: false, findings } : { ok: true, files };
}

/** Wrong usage where one of them is not there. */
export function namedFiles(names: readonly string[]): NamedFile[] {
  return names.map((name) => {
    const path = resolve(name);
    try {
      if (!statSync(path).isDirectory()) return { name: basename(path), path };
    } catch (error) {
      throw new UsageError(`${name}: it cannot be read (${(error as NodeJS.ErrnoException).code ?? String(error)})`);
    }
    throw new UsageError(`${name} is a directory`);
  });
}
