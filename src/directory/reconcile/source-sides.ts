/** Which side a source speaks for: an export of Exchange Online for the cloud, LDAP for on-premises; our own lists for none. */
import { readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { makeDirectory, replaceFile } from '../../platform/files.ts';
import type { Format } from '../readers/recognise.ts';
import type { SideName } from './side-index.ts';

/** `told`: what was said of an Exchange export, which alone may come from either side. */
export function sideOf(format: Format, told: SideName | undefined): SideName | undefined {
  switch (format) {
    case 'cloud-csv':
    case 'graph-json':
      return 'cloud';
    case 'exchange-csv':
      return told ?? 'on-premises';
    case 'ldif':
    case 'zimbra':
      return 'on-premises';
    // what we are to do is no word about who is there
    case 'recipients-csv':
    case 'postfix-transport':
    case 'postfix-virtual':
    case 'migration-batch':
    case 'address-list':
      return undefined;
  }
}

/** The sides of imported sources, whose files are gone when they are compared. */
export class SourceSides {
  readonly #file: string;
  readonly #sides: Map<string, SideName>;
  readonly #readOnly: boolean;

  /** `file`: absolute path. What cannot be read is not known: the next import says it anew. */
  constructor(file: string, readOnly = false) {
    this.#file = file;
    this.#readOnly = readOnly;
    this.#sides = read(file);
  }

  of(source: string): SideName | undefined {
    return this.#sides.get(source);
  }

  /** Durable when it returns. */
  note(source: string, side: SideName | undefined): void {
    if (this.#sides.get(source) === side) return;
    if (side === undefined) this.#sides.delete(source);
    else this.#sides.set(source, side);
    if (this.#readOnly) return;
    makeDirectory(dirname(this.#file));
    replaceFile(this.#file, `${JSON.stringify(Object.fromEntries(this.#sides))}\n`);
  }
}

function read(file: string): Map<string, SideName> {
  try {
    return new Map(Object.entries(JSON.parse(readFileSync(file, 'utf8')) as Record<string, SideName>));
  } catch {
    return new Map();
  }
}
