/** An administrator's and the waves' words over what the sources say: immutable sets of them, kept in files named by their content. */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { open, readFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { type Mailbox, mailboxKey, parseMailbox } from '../mail/address.ts';
import { makeDirectory, syncDirectoryNow } from '../platform/files.ts';
import type { DirectoryRoute, Overlay } from './ports.ts';

/** One word for one address. */
export interface KeptOverlay extends Overlay {
  readonly who: string;
  /** ISO 8601 */
  readonly time: string;
  readonly reason: string;
}

/** All of them in one version. Maps are never changed, only replaced. */
export interface Overlays {
  /** By the `mailboxKey` of the address. */
  readonly set: ReadonlyMap<string, KeptOverlay>;
  /** By the wave's name; the wave that spoke last goes first. */
  readonly waves: ReadonlyMap<string, ReadonlyMap<string, KeptOverlay>>;
}

export const NO_OVERLAYS: Overlays = { set: new Map(), waves: new Map() };

/** What counts for each address: the administrator's word, else the wave that spoke last. */
export function effective({ set, waves }: Overlays): ReadonlyMap<string, KeptOverlay> {
  if (waves.size === 0) return set;
  const all = new Map<string, KeptOverlay>();
  for (const overlays of [...waves.values()].reverse()) for (const [key, overlay] of overlays) all.set(key, overlay);
  for (const [key, overlay] of set) all.set(key, overlay);
  return all;
}

/** With a wave's new states; `undefined` lifts one. */
export function withWave(overlays: Overlays, wave: string, states: ReadonlyMap<string, KeptOverlay | undefined>): Overlays {
  const own = new Map(overlays.waves.get(wave));
  for (const [key, overlay] of states) {
    if (overlay === undefined) own.delete(key);
    else own.set(key, overlay);
  }
  const others = [...overlays.waves].filter(([name]) => name !== wave);
  return { ...overlays, waves: new Map(own.size === 0 ? others : [[wave, own], ...others]) };
}

/** With an administrator's word; `undefined` lifts it. */
export function withSet(overlays: Overlays, key: string, overlay: KeptOverlay | undefined): Overlays {
  const set = new Map(overlays.set);
  if (overlay === undefined) set.delete(key);
  else set.set(key, overlay);
  return { ...overlays, set };
}

export const overlaysFolder = (folder: string): string => join(folder, 'overlays');
const overlayFile = (folder: string, id: string): string => join(overlaysFolder(folder), `${id}.jsonl`);

/** Lines in one go; then mail has its turn. */
const IN_ONE_GO = 1_000;

/** The lines of a set, and their id; it is empty where there are none. */
async function linesOf({ set, waves }: Overlays): Promise<{ readonly id: string; readonly chunks: readonly string[] }> {
  const hash = createHash('sha256');
  const chunks: string[] = [];
  let chunk = '';
  let lines = 0;
  for (const [wave, overlays] of [[undefined, set] as const, ...waves]) {
    for (const overlay of overlays.values()) {
      chunk += `${JSON.stringify({ ...(wave !== undefined && { wave }), ...written(overlay) })}\n`;
      if (++lines % IN_ONE_GO !== 0) continue;
      chunks.push(chunk);
      hash.update(chunk);
      chunk = '';
      await setImmediate();
    }
  }
  chunks.push(chunk);
  return { id: lines === 0 ? '' : hash.update(chunk).digest('hex').slice(0, 32), chunks };
}

export const overlaysId = async (overlays: Overlays): Promise<string> => (await linesOf(overlays)).id;

/** Writes the set, where it is not there yet; its id. Durable when resolved; a crash before leaves a draft that the next start removes. */
export async function writeOverlays(folder: string, overlays: Overlays): Promise<string> {
  const { id, chunks } = await linesOf(overlays);
  const path = overlayFile(folder, id);
  if (id === '' || existsSync(path)) return id;
  makeDirectory(overlaysFolder(folder));
  const draft = `${path}.draft`;
  const file = await open(draft, 'w', 0o600);
  try {
    for (const chunk of chunks) await file.writeFile(chunk);
    await file.datasync();
  } finally {
    await file.close();
  }
  await rename(draft, path);
  syncDirectoryNow(overlaysFolder(folder));
  return id;
}

/** `undefined` where the file is missing or not what was written. */
export async function readOverlays(folder: string, id: string): Promise<Overlays | undefined> {
  if (id === '') return NO_OVERLAYS;
  const text = await readFile(overlayFile(folder, id), 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
  if (text === undefined || createHash('sha256').update(text).digest('hex').slice(0, 32) !== id) return undefined;
  const set = new Map<string, KeptOverlay>();
  const waves = new Map<string, Map<string, KeptOverlay>>();
  let lines = 0;
  for (const line of text.split('\n')) {
    if (++lines % IN_ONE_GO === 0) await setImmediate();
    if (line === '') continue;
    const { wave, ...rest } = JSON.parse(line) as Written & { readonly wave?: string };
    const overlay = readOverlay(rest);
    if (overlay === undefined) continue;
    let into = wave === undefined ? set : waves.get(wave);
    if (into === undefined) waves.set(wave ?? '', (into = new Map<string, KeptOverlay>()));
    into.set(mailboxKey(overlay.address), overlay);
  }
  return { set, waves };
}

interface Written {
  readonly address: string;
  readonly route: DirectoryRoute;
  readonly 'routing-address'?: string;
  readonly primary?: 'on-premises' | 'cloud';
  readonly source: string;
  readonly who: string;
  readonly time: string;
  readonly reason: string;
}

const written = ({ address, route, routingAddress, primary, source, who, time, reason }: KeptOverlay): Written => ({
  address: address.address,
  route,
  ...(routingAddress !== undefined && { 'routing-address': routingAddress.address }),
  ...(primary !== undefined && { primary }),
  source,
  who,
  time,
  reason,
});

function readOverlay({ 'routing-address': routing, address: text, ...rest }: Written): KeptOverlay | undefined {
  const address = parseMailbox(text);
  const routingAddress: Mailbox | undefined = routing === undefined ? undefined : parseMailbox(routing);
  return address === undefined ? undefined : { address, ...(routingAddress !== undefined && { routingAddress }), ...rest };
}
