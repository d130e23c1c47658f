/** `trace verify`: whether the body that was accepted is the one that went out at each hop, and the one in a file. */
import { readFileSync, statSync } from 'node:fs';
import { traceQuery } from '../admin/contract.ts';
import { digestOfFile } from '../mail/body-digest.ts';
import type { EventRecord } from '../mail/event.ts';
import { printable } from '../platform/printable.ts';
import { type Command, EXIT, UsageError } from './command.ts';
import { checked } from './questions.ts';
import { table } from './table.ts';

/** Octets of a file that is read whole. */
const LARGEST_FILE = 2 ** 30;

interface Hop {
  readonly time: string;
  readonly event: string;
  readonly recipient: string;
  readonly connector: string | null;
  readonly 'remote-mta': string | null;
  readonly reply: string | null;
  readonly 'body-sha256': string;
  readonly same: boolean;
}

export interface Verified {
  readonly 'spool-id': string;
  /** What was accepted, or made by the relay itself (a DSN); null where no record of it has a hash. */
  readonly received: { readonly time: string; readonly event: string; readonly 'body-sha256': string } | null;
  /** Each time the whole body went out. */
  readonly hops: readonly Hop[];
  readonly file: { readonly name: string; readonly 'body-sha256': string; readonly same: boolean } | null;
  readonly verdict: 'same' | 'different' | 'unknown';
}

export const traceVerify: Command = {
  name: 'trace verify',
  summary: 'proof of a body: whether what was accepted is what went out at each hop, and what a file holds',
  positionals: ['ID', '[FILE]'],
  run: ({ ports, json, positionals: [id = '', file], withOperations }) => {
    const shown = file === undefined ? undefined : { name: file, sha256: fileDigest(file) };
    const query = checked(traceQuery, { id });
    return withOperations(async (operations) => {
      const { records: found } = await operations.trace(query);
      const records = found.filter((record) => record['spool-id'] === id);
      if (records.length === 0) {
        ports.stderr.write(`no record of ${printable(id)}; "bridgehead trace" finds messages and their ids\n`);
        return EXIT.no;
      }
      const verified = verify(id, records, shown);
      ports.stdout.write(json ? `${JSON.stringify(verified)}\n` : verifiedText(verified, ports.stdout.columns));
      return verified.verdict === 'same' ? EXIT.done : EXIT.no;
    });
  },
};

/** Compares the hashes of the records of one message. A proof needs something to compare with: a hop, or a file. */
export function verify(
  id: string,
  records: readonly EventRecord[],
  file?: { readonly name: string; readonly sha256: string },
): Verified {
  const receipt = records.find(({ event, ...record }) => isReceipt(event) && record['body-sha256'] !== undefined);
  const expected = receipt?.['body-sha256'];
  const hops = records.flatMap((record) => hopOf(record, expected));
  const shown = file === undefined ? null : { name: file.name, 'body-sha256': file.sha256, same: file.sha256 === expected };
  const all = [...hops, ...(shown === null ? [] : [shown])];
  return {
    'spool-id': id,
    received:
      receipt === undefined || expected === undefined
        ? null
        : { time: receipt.time, event: receipt.event, 'body-sha256': expected },
    hops,
    file: shown,
    verdict: expected === undefined || all.length === 0 ? 'unknown' : all.every(({ same }) => same) ? 'same' : 'different',
  };
}

const isReceipt = (event: EventRecord['event']): boolean => event === 'RECEIVE' || event === 'DSN';

function hopOf(record: EventRecord, expected: string | undefined): Hop[] {
  const sha256 = record['body-sha256'];
  if (sha256 === undefined || isReceipt(record.event)) return [];
  const { 'remote-mta': remote, reply } = record;
  return [
    {
      time: record.time,
      event: record.event,
      recipient: record.recipient ?? '',
      connector: record.connector ?? null,
      'remote-mta':
        remote === undefined ? null : remote.address === undefined ? remote.name : `${remote.name} [${remote.address}]`,
      reply:
        reply === undefined ? null : `${reply.code}${reply.enhanced === undefined ? '' : ` ${reply.enhanced}`} ${reply.text}`,
      'body-sha256': sha256,
      same: sha256 === expected,
    },
  ];
}

function verifiedText({ received, hops, file, verdict }: Verified, width?: number): string {
  if (received === null)
    return 'The record of this message has no hash of its body: it was accepted by an earlier version, or its RECEIVE record is gone.\n';
  const made = received.event === 'DSN' ? 'Made by this relay' : 'Accepted';
  const head = `${made} ${received.time}, body SHA-256 ${received['body-sha256']}\n`;
  const rows = hops.map((hop) => [
    hop.same ? 'same' : 'DIFFERENT',
    hop.time,
    hop.event,
    hop.recipient,
    hop['remote-mta'] ?? hop.connector ?? '',
    hop.reply ?? '',
  ]);
  const columns = ['BODY', 'TIME', 'EVENT', 'RECIPIENT', 'NEXT HOP', 'ANSWER'].map((title) => ({ title }));
  const sent = rows.length === 0 ? '\nIt has not gone out whole to any next hop yet.\n' : `\n${table(columns, rows, width)}`;
  const inFile =
    file === null
      ? ''
      : `\n${printable(file.name)}: ${file.same ? 'the same body' : `DIFFERENT, SHA-256 ${file['body-sha256']}`}\n`;
  const isHop = hops.some(({ same }) => !same);
  return `${head}${sent}${inFile}\n${isHop ? CHANGED_HERE : VERDICTS[verdict]}\n`;
}

const CHANGED_HERE =
  'NOT the same body went out as was accepted: the disk or the memory of this machine is at fault, or its records were changed (bridgehead report verify).';
const VERDICTS = {
  same: 'Proved: not an octet of the body changed.',
  different:
    'The file has another body than the relay accepted and sent. It must be as the server stored it: saving it from a mail program, a disclaimer or a filter behind the relay changes it.',
  unknown: 'Nothing to compare with yet: no hop has it, and no file was named.',
} as const;

function fileDigest(file: string): string {
  try {
    if (statSync(file).size > LARGEST_FILE) throw new UsageError(`${file} is larger than 1 GiB: not a message`);
    return digestOfFile(readFileSync(file));
  } catch (error) {
    if (error instanceof UsageError) throw error;
    throw new UsageError(`${file}: it cannot be read (${(error as NodeJS.ErrnoException).code ?? String(error)})`);
  }
}
