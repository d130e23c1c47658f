/** Records as lines of text: how a source's accepted records are kept, and how they cross to the thread that builds. */
import type { Domain, Mailbox } from '../mail/address.ts';
import { mailbox } from '../mail/address.ts';
import type { DirectoryRecord, DirectoryRoute } from './ports.ts';

const LIST = '\u001f';
/** Begins the line that says what the records behind it were read from. */
const ORIGIN = '=\t';
const BREAKS = /[\t\n\r\u001f]/g;

/** All of a record but its line: two sets with the same contents are the same set. Ends with a tab. */
export function contentOf(record: DirectoryRecord): string {
  const { address, route, routingAddress, aliases, kind, connector, primary, x500, members, forwardsTo } = record;
  return `${address.address}\t${route}\t${routingAddress?.address ?? ''}\t${addresses(aliases)}\t${clean(kind)}\t${clean(connector)}\t${primary}\t${x500 === undefined ? '' : x500.map(clean).join(LIST)}\t${members === undefined ? '' : addresses(members)}\t${forwardsTo?.address ?? ''}\t`;
}

export const originLine = (origin: string): string => `${ORIGIN}${clean(origin)}\n`;

const addresses = (boxes: readonly Mailbox[]): string =>
  boxes.length === 0 ? '' : boxes.length === 1 ? (boxes[0]?.address ?? '') : boxes.map((box) => box.address).join(LIST);

const clean = (text: string | undefined): string => (text === undefined ? '' : text.replace(BREAKS, ' '));

/** Reads lines that `contentOf` wrote; what they hold was checked when they were written. */
export class RecordLines {
  #rest: Buffer = Buffer.alloc(0);
  readonly #record: (record: DirectoryRecord) => void;
  readonly #origin: (origin: string) => void;

  constructor(record: (record: DirectoryRecord) => void, origin: (origin: string) => void) {
    this.#record = record;
    this.#origin = origin;
  }

  /** Takes the next octets; the last line may be cut. */
  take(chunk: Uint8Array): void {
    const bytes =
      this.#rest.length === 0
        ? Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength)
        : Buffer.concat([this.#rest, chunk]);
    const end = bytes.lastIndexOf(10) + 1;
    this.#rest = Buffer.from(bytes.subarray(end)); // a copy: the chunk is used again
    if (end === 0) return;
    for (const line of bytes.toString('utf8', 0, end - 1).split('\n')) {
      if (line.startsWith(ORIGIN)) this.#origin(line.slice(ORIGIN.length));
      else if (line !== '') this.#record(recordOf(line));
    }
  }
}

function recordOf(line: string): DirectoryRecord {
  const [
    address = '',
    route = '',
    routing = '',
    aliases = '',
    kind = '',
    connector = '',
    primary = '',
    x500 = '',
    members = '',
    forwardsTo = '',
    at = '',
  ] = line.split('\t');
  return {
    address: written(address),
    route: route as DirectoryRoute,
    ...(routing === '' ? {} : { routingAddress: written(routing) }),
    aliases: list(aliases),
    ...(kind === '' ? {} : { kind }),
    ...(connector === '' ? {} : { connector }),
    primary: primary === 'cloud' ? 'cloud' : 'on-premises',
    ...(x500 === '' ? {} : { x500: x500.split(LIST) }),
    ...(members === '' ? {} : { members: list(members) }),
    ...(forwardsTo === '' ? {} : { forwardsTo: written(forwardsTo) }),
    line: Number(at),
  };
}

const list = (text: string): Mailbox[] => (text === '' ? [] : text.split(LIST).map(written));

/** An address of our own writing: quoted where it must be, the domain as it is compared. */
function written(address: string): Mailbox {
  const at = address.lastIndexOf('@');
  const domain = address.slice(at + 1) as Domain;
  if (address.charCodeAt(0) !== 0x22) return { localPart: address.slice(0, at), domain, address };
  const localPart = address.slice(1, at - 1).replace(/\\(.)/gu, '$1');
  return mailbox(localPart, domain) ?? { localPart, domain, address };
}
