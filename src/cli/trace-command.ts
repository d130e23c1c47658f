/** `trace`: every event of the matching messages, in order. */
import { traceQuery } from '../admin/contract.ts';
import { type Command, EXIT, text, UsageError } from './command.ts';
import { checked } from './questions.ts';
import { parseTime } from './times.ts';

export const trace: Command = {
  name: 'trace',
  summary: 'message trace: every event of the matching messages, in order; refusals in session too',
  options: {
    recipient: { type: 'string', value: 'ADDRESS', help: 'by any of its addresses' },
    sender: { type: 'string', value: 'ADDRESS', help: 'the sender; "" is the null sender' },
    'message-id': { type: 'string', value: 'M', help: 'the Message-ID, with or without <>' },
    id: { type: 'string', value: 'ID', help: 'the spool id' },
    client: { type: 'string', value: 'IP', help: 'the address of the client' },
    since: { type: 'string', value: 'TIME', help: 'ISO 8601, how long ago (1h), today, yesterday' },
    until: { type: 'string', value: 'TIME', help: 'the same' },
    limit: { type: 'string', value: 'N', help: 'records at most, the newest (1000)' },
    format: { type: 'string', value: 'F', help: 'table (default), json (a record a line), csv (message tracking)' },
  },
  run: ({ ports, json, values, withOperations }) => {
    const format = text(values, 'format') ?? (json ? 'json' : 'table');
    if (format !== 'table' && format !== 'json' && format !== 'csv')
      throw new UsageError(`--format ${format}: there is table, json and csv`);
    const time = (name: string): string | undefined => {
      const written = text(values, name);
      if (written === undefined) return undefined;
      const parsed = parseTime(written, ports.now());
      if (parsed === undefined) throw new UsageError(`--${name} ${written}: write it like 2026-11-22T10:00:00Z, 1h, today`);
      return parsed;
    };
    const facts = Object.fromEntries(
      ['recipient', 'sender', 'message-id', 'id', 'client', 'limit'].map((name) => [name, text(values, name)]),
    );
    const query = checked(traceQuery, { ...facts, since: time('since'), until: time('until') });
    return withOperations(async (operations) => {
      const { records, more } = await operations.trace(query);
      if (more) ports.stderr.write(`more matched; these are the newest ${records.length} (--limit, --since, --until)\n`);
      if (format === 'json') for (const record of records) ports.stdout.write(`${JSON.stringify(record)}\n`);
      else if (format === 'csv') ports.stdout.write(ports.render.csv(records));
      else if (records.length > 0) ports.stdout.write(ports.render.story(records));
      if (records.length === 0) ports.stderr.write('nothing found\n');
      return records.length === 0 ? EXIT.no : EXIT.done;
    });
  },
};
