/** `headers [FILE]`: each hop that a message's Received fields tell of, its TLS, and what of it can be believed. */
import { createReadStream } from 'node:fs';
import { type Command, EXIT, text, UsageError } from './command.ts';
import { mistakeLine } from './mistakes.ts';

/** Octets that are read: 1 MiB of header, in UTF-16 twice that. */
const INPUT_LIMIT = 2 * 1024 * 1024;

export const headers: Command = {
  name: 'headers',
  summary: 'read a message or its header (FILE or standard input): each hop, its TLS, and how much of it we can vouch for',
  positionals: ['[FILE]'],
  local: true,
  options: {
    trust: {
      type: 'string',
      multiple: true,
      value: 'NAME',
      help: 'a host of ours besides relay-names, or "*.example.com"; several allowed',
    },
    require: {
      type: 'string',
      value: 'tls',
      help: 'exit status 1 unless every hop we can vouch for was encrypted, and there is one',
    },
  },
  async run({ ports, json, values, positionals: [file = '-'], config }) {
    const required = text(values, 'require');
    if (required !== undefined && required !== 'tls') throw new UsageError(`--require ${required}: there is only tls`);
    const trust = [values['trust'] ?? []].flat().map(String);
    for (const name of trust)
      if (!/^(?:\*\.)?[^\s*]+(?: [^\s*]+)*$/.test(name))
        throw new UsageError(`--trust ${name}: write it like mx1.example.com or *.example.com`);
    // Any header can be read without settings, unless they are asked for
    const message = await inputOf(file, () => ports.stderr.write('Paste the header, then press Ctrl-D\n'));
    const read = await ports.readHeaders(config, { message, trust }, values['config'] !== undefined);
    if (!read.ok) {
      for (const mistake of read.mistakes) ports.stderr.write(mistakeLine(mistake));
      return EXIT.settings;
    }
    const { report, note } = read;
    if (note !== undefined) ports.stderr.write(`note: ${note}\n`);
    ports.stdout.write(json ? `${JSON.stringify(report)}\n` : read.text);
    if (report.hops.length === 0) return EXIT.no;
    return required === undefined || report['vouched-encrypted'] ? EXIT.done : EXIT.no;
  },
};

/** The first 2 MiB of a file, or of standard input (`-`). */
async function inputOf(file: string, onTerminal: () => void): Promise<Uint8Array> {
  if (file === '-' && process.stdin.isTTY) onTerminal();
  const chunks: Buffer[] = [];
  let size = 0;
  try {
    for await (const chunk of file === '-' ? process.stdin : createReadStream(file, { end: INPUT_LIMIT - 1 })) {
      chunks.push(chunk as Buffer);
      size += (chunk as Buffer).length;
      if (size >= INPUT_LIMIT) break;
    }
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? String(error);
    throw new UsageError(code === 'EISDIR' ? `${file} is a directory` : `${file}: it cannot be read (${code})`);
  }
  return Buffer.concat(chunks);
}
