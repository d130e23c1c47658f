/** A directory in a folder of its own, and short ways to change and to ask it. */
import { createHash } from 'node:crypto';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Directory, openDirectory } from '../../../src/directory/directory.ts';
import type { DirectoryRecord, DirectorySettings, DirectorySource, Finding } from '../../../src/directory/ports.ts';
import { type Domain, type Mailbox, parseMailbox } from '../../../src/mail/address.ts';

/** Files of a test are new; the clock is ahead of them, so that what they look like can be trusted. */
export const clock = { now: () => Date.now() + 10_000, monotonic: () => 0 };
export const HEADER = 'address,route,routing-address,aliases,kind,connector,primary\n';
export const ANNA = { who: 'anna', reason: 'ticket 7' };

export const box = (text: string): Mailbox => {
  const parsed = parseMailbox(text);
  if (parsed === undefined) throw new Error(text);
  return parsed;
};

export class Company {
  readonly folder: string;

  constructor(folder: string) {
    this.folder = folder;
  }

  settings(...names: readonly string[]): DirectorySettings {
    return {
      sources: names.map((name) => ({ name, file: this.file(name) })),
      folder: join(this.folder, 'directory'),
      domains: [{ name: 'example.com' as Domain, includeSubdomains: true }],
      routingDomains: ['t.example' as Domain, 'old.example' as Domain],
      connectors: [
        { name: 'on-premises', side: 'on-premises', byMx: false },
        { name: 'site-b', side: 'on-premises', byMx: false },
      ],
    };
  }

  file(name: string): string {
    return join(this.folder, `${name}.csv`);
  }

  write(name: string, lines: readonly string[]): Promise<void> {
    return writeFile(this.file(name), `${HEADER}${lines.map((line) => `${line}\n`).join('')}`);
  }

  async open(...names: readonly string[]): Promise<Directory> {
    const opened = await openDirectory(this.settings(...names), { clock });
    if (!opened.ok) throw new Error(JSON.stringify(opened.findings));
    return opened.directory;
  }

  /** Writes the lines to a file and imports it. */
  async import(directory: Directory, lines: readonly string[], more: Partial<Parameters<Directory['import']>[1]> = {}) {
    await this.write('import', lines);
    return directory.import([{ file: this.file('import'), origin: 'import.csv' }], { who: 'anna', ...more });
  }

  /** Every file that is kept and what is in it. */
  async kept(): Promise<string[]> {
    const root = join(this.folder, 'directory');
    const names = await readdir(root, { recursive: true, withFileTypes: true });
    const files = names.filter((one) => one.isFile() && one.name !== 'source-states.json');
    const all = await Promise.all(
      files.map(async ({ parentPath, name }) => {
        const content = await readFile(join(parentPath, name));
        return `${parentPath.slice(root.length)}/${name} ${createHash('sha256').update(content).digest('hex')}`;
      }),
    );
    return all.sort();
  }
}

export const routes = (directory: Directory, ...addresses: readonly string[]): (string | undefined)[] =>
  addresses.map((address) => directory.active().find(address)?.route);

export const problems = (findings: readonly Finding[]): string[] =>
  findings.map(({ severity, problem }) => `${severity}: ${problem}`);

/** What a server answers. */
export function server(records: readonly Partial<DirectoryRecord>[], name = 'ad'): DirectorySource {
  return {
    name,
    origin: 'ldaps://dc1.example.com',
    async read(sink) {
      for (const record of records)
        sink.record({
          address: box('nobody@example.com'),
          route: 'on-premises',
          aliases: [],
          primary: 'on-premises',
          line: 0,
          ...record,
        });
    },
  };
}

/** People with numbers, so many of them. */
export const crowd = (count: number, route: string | ((n: number) => string) = 'cloud'): string[] =>
  Array.from(
    { length: count },
    (_, n) => `user${n}@example.com,${typeof route === 'string' ? route : route(n)},,alias${n}@example.com`,
  );
