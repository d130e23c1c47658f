/**
 * A pretend mail server, run as a process of its own: a real SMTP server with TLS. It tells its parent, over the IPC
 * channel, the port it listens on and each message it took.
 */

import { readFileSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { SMTPServer } from 'smtp-server';
import { type CertificateFiles, ensureSelfSigned } from '../platform/server-certificate.ts';

/** What the parent gives as the only argument, in JSON. */
export interface PretendServerOptions {
  readonly name: string;
  /** Where it keeps its certificate. */
  readonly directory: string;
  /** The only recipients it knows; absent: it knows everybody. */
  readonly users?: readonly string[];
  /** It answers STARTTLS with 220 and then with something that is not TLS. */
  readonly breaksStartTls: boolean;
}

export interface Taken {
  readonly recipients: readonly string[];
  readonly messageId: string;
  readonly encrypted: boolean;
}

export type FromPretendServer = { readonly port: number } | { readonly taken: Taken };

function tell(message: FromPretendServer): void {
  process.send?.(message);
}

function makeServer(options: PretendServerOptions, { certificate, key }: CertificateFiles): SMTPServer {
  return new SMTPServer({
    name: options.name,
    cert: readFileSync(certificate),
    key: readFileSync(key),
    banner: 'pretend server',
    authOptional: true,
    disabledCommands: ['AUTH'],
    disableReverseLookup: true,
    logger: false,
    onRcptTo(address, _session, done) {
      if (options.users === undefined || options.users.includes(address.address.toLowerCase())) return done();
      done(Object.assign(new Error('5.1.1 No such user here'), { responseCode: 550 }));
    },
    onData(stream, session, done) {
      // read now: smtp-server replaces the envelope as soon as the answer is given
      const recipients = session.envelope.rcptTo.map((recipient) => recipient.address);
      const encrypted = session.secure;
      const chunks: Buffer[] = [];
      stream.on('data', (chunk: Buffer) => chunks.push(chunk));
      stream.on('end', () => {
        const text = Buffer.concat(chunks).toString('latin1');
        const messageId = /^Message-ID:\s*(<[^>]*>)/im.exec(text)?.[1] ?? '';
        tell({ taken: { recipients, messageId, encrypted } });
        done();
      });
    },
  });
}

/** Passes everything on to the real server but STARTTLS, which it answers as a broken middlebox does. */
function breakStartTls(client: Socket, port: number): void {
  const server = connect(port, '127.0.0.1');
  client.on('data', (data) => {
    if (/^STARTTLS\r?\n/i.test(data.toString('latin1'))) {
      client.write('220 2.0.0 Ready to start TLS\r\n');
      client.once('data', () => client.end('500 5.5.1 What is this?\r\n'));
    } else server.write(data);
  });
  server.on('data', (data) => client.write(data));
  for (const [one, other] of [
    [client, server],
    [server, client],
  ] as const) {
    one.on('close', () => other.destroy());
    one.on('error', () => other.destroy());
  }
}

const options = JSON.parse(process.argv[2] ?? '{}') as PretendServerOptions;
process.on('disconnect', () => process.exit(0)); // never outlives the demo

const server = makeServer(options, await ensureSelfSigned(options.directory, options.name));
server.on('error', () => {}); // a client that resets its connection is no news
const listening = server.listen(0, '127.0.0.1', () => {
  const { port } = listening.address() as { port: number };
  if (!options.breaksStartTls) return tell({ port });
  const front = createServer((client) => breakStartTls(client, port)).listen(0, '127.0.0.1', () =>
    tell({ port: (front.address() as { port: number }).port }),
  );
});
