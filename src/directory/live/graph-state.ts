/** What Graph said so far, and the links to ask for changes by: JSON lines, the first one names whose they are. */
import { createReadStream } from 'node:fs';
import { mkdir, open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { createInterface } from 'node:readline';
import type { GraphObject } from '../readers/graph-object.ts';

export type GraphKind = 'user' | 'group' | 'contact';

export interface KeptObject {
  readonly kind: GraphKind;
  /** The properties that count, by Graph's names. */
  readonly fields: GraphObject;
  /** Of a group: the ids. */
  readonly members?: readonly string[];
}

export interface GraphCollection {
  /** Asks for what changed since; absent: the server knows no changes. */
  readonly link?: string;
  /** By id. */
  readonly objects: ReadonlyMap<string, KeptObject>;
}

export interface GraphState {
  /** Service and tenant; a state of another one is none. */
  readonly key: string;
  readonly collections: Readonly<Partial<Record<GraphKind, GraphCollection>>>;
}

interface Head {
  readonly version: 1;
  readonly key: string;
  readonly links: Readonly<Partial<Record<GraphKind, string>>>;
  readonly objects: number;
}

const IN_ONE_WRITE = 4096;

/** The state that was kept; `undefined` where there is none for this key, or a part of one: then everything is asked anew. */
export async function recallState(file: string, key: string): Promise<GraphState | undefined> {
  const stream = createReadStream(file);
  try {
    let head: Head | undefined;
    let count = 0;
    const objects = { user: new Map(), group: new Map(), contact: new Map() } as Record<GraphKind, Map<string, KeptObject>>;
    for await (const line of createInterface({ input: stream, crlfDelay: Number.POSITIVE_INFINITY })) {
      if (head === undefined) {
        head = JSON.parse(line) as Head;
        if (head.version !== 1 || head.key !== key) return undefined;
        continue;
      }
      const [id, object] = JSON.parse(line) as [string, KeptObject];
      objects[object.kind].set(id, object);
      count++;
    }
    if (head === undefined || head.objects !== count) return undefined;
    const { links } = head;
    const collection = (kind: GraphKind): GraphCollection => {
      const link = links[kind];
      return link === undefined ? { objects: objects[kind] } : { link, objects: objects[kind] };
    };
    return { key, collections: { user: collection('user'), group: collection('group'), contact: collection('contact') } };
  } catch {
    return undefined; // not there, or broken: it can be had again
  } finally {
    stream.destroy();
  }
}

/** Replaces the file as a whole: a crash leaves the old state or the new one, and both can be gone on from. */
export async function keepState(file: string, { key, collections }: GraphState): Promise<void> {
  await mkdir(dirname(file), { recursive: true, mode: 0o700 });
  const draft = `${file}.new`;
  const all = Object.values(collections);
  const links = Object.fromEntries(
    Object.entries(collections).flatMap(([kind, { link }]) => (link === undefined ? [] : [[kind, link]])),
  );
  const head: Head = { version: 1, key, links, objects: all.reduce((sum, { objects }) => sum + objects.size, 0) };
  try {
    await using handle = await open(draft, 'w', 0o600);
    let lines = `${JSON.stringify(head)}\n`;
    let waiting = 0;
    for (const { objects } of all) {
      for (const entry of objects) {
        lines += `${JSON.stringify(entry)}\n`;
        if (++waiting < IN_ONE_WRITE) continue;
        await handle.write(lines);
        lines = '';
        waiting = 0;
      }
    }
    await handle.write(lines);
    await handle.datasync();
  } catch (error) {
    await rm(draft, { force: true });
    throw error;
  }
  await rename(draft, file);
}
