/** `report clients`: who still sends through the relay, after the MX moved or at any time. From the records, in bounds. */
import type { EventRecord } from '../mail/event.ts';

/** One client, as `report clients --json` prints it. */
export interface ReportedClient {
  readonly address: string;
  /** The name it gave last; null where it gave none. */
  readonly name: string | null;
  readonly peer: string | null;
  /** Recipients taken and refused: a message for two counts twice. */
  readonly taken: number;
  readonly refused: number;
  /** ISO 8601 */
  readonly first: string;
  readonly last: string;
  /** Different recipients; at most `MOST_RECIPIENTS` are told apart. */
  readonly recipients: number;
  /** Some of them, and of its senders. */
  readonly examples: { readonly recipients: readonly string[]; readonly senders: readonly string[] };
}

export interface ClientsReport {
  /** The most active first. */
  readonly clients: readonly ReportedClient[];
  /** Records of clients for which there was no room. */
  readonly omitted: number;
}

export interface ClientsFilter {
  /** Milliseconds since the epoch: from `since` to just before `until`. */
  readonly since?: number;
  readonly until?: number;
  /** Recipients of this domain and its subdomains alone. */
  readonly domain?: string;
  /** Clients of these classes alone. */
  readonly peers?: readonly string[];
}

const MOST_CLIENTS = 10_000;
const MOST_RECIPIENTS = 1000;
const EXAMPLES = 5;

interface Sum {
  name: string | null;
  peer: string | null;
  taken: number;
  refused: number;
  first: string;
  last: string;
  readonly recipients: Set<string>;
  readonly senders: Set<string>;
}

/** Who came, by the records of what was taken and refused. */
export async function clientsOf(
  records: Iterable<EventRecord> | AsyncIterable<EventRecord>,
  filter: ClientsFilter = {},
): Promise<ClientsReport> {
  const sums = new Map<string, Sum>();
  let omitted = 0;
  for await (const record of records) {
    if (!isWanted(record, filter)) continue;
    const address = record.client?.address;
    if (address === undefined) continue; // our own notices come from nobody
    let sum = sums.get(address);
    if (sum === undefined) {
      if (sums.size >= MOST_CLIENTS) {
        omitted++;
        continue;
      }
      const { time } = record;
      sum = { name: null, peer: null, taken: 0, refused: 0, first: time, last: time, recipients: new Set(), senders: new Set() };
      sums.set(address, sum);
    }
    note(sum, record);
  }
  const clients = [...sums].map(([address, sum]) => reported(address, sum));
  clients.sort((a, b) => b.taken + b.refused - (a.taken + a.refused) || a.address.localeCompare(b.address));
  return { clients, omitted };
}

function isWanted({ event, time, recipient, peer }: EventRecord, { since, until, domain, peers }: ClientsFilter): boolean {
  if (event !== 'RECEIVE' && event !== 'REJECT') return false;
  if (peers !== undefined && (peer === undefined || !peers.includes(peer))) return false;
  if (since !== undefined && Date.parse(time) < since) return false;
  if (until !== undefined && Date.parse(time) >= until) return false;
  if (domain === undefined) return true;
  const own = recipient?.slice(recipient.lastIndexOf('@') + 1).toLowerCase() ?? '';
  return own === domain || own.endsWith(`.${domain}`);
}

function note(sum: Sum, { event, time, client, peer, recipient, sender }: EventRecord): void {
  if (event === 'RECEIVE') sum.taken++;
  else sum.refused++;
  if (time < sum.first) sum.first = time;
  if (time >= sum.last) {
    sum.last = time;
    sum.name = client?.name ?? sum.name;
    sum.peer = peer ?? sum.peer;
  }
  if (recipient !== undefined && sum.recipients.size < MOST_RECIPIENTS) sum.recipients.add(recipient.toLowerCase());
  if (sender !== undefined && sum.senders.size < EXAMPLES) sum.senders.add(sender);
}

function reported(address: string, { recipients, senders, ...sum }: Sum): ReportedClient {
  return {
    address,
    ...sum,
    recipients: recipients.size,
    examples: { recipients: [...recipients].slice(0, EXAMPLES), senders: [...senders] },
  };
}
