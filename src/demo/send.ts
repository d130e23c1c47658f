/** Sends one sample as the mail server of its side would. */
import SMTPConnection from 'nodemailer/lib/smtp-connection';
import { compose, type Sample, SOURCES } from './samples.ts';

/** What the sending server was told: one reply a refused recipient, and the reply to the message where one was taken. */
export interface SendResult {
  readonly reply?: string;
  readonly refused: ReadonlyMap<string, string>;
  readonly error?: string;
}

export function send(sample: Sample, port: number): Promise<SendResult> {
  const source = SOURCES[sample.from];
  const connection = new SMTPConnection({
    host: '127.0.0.1',
    port,
    localAddress: source.address,
    name: source.name,
    ignoreTLS: !sample.startTls,
    requireTLS: sample.startTls,
    tls: { rejectUnauthorized: false }, // the relay's certificate is its own
    connectionTimeout: 10_000,
    socketTimeout: 15_000,
  });
  return new Promise((resolve) => {
    connection.on('error', (error) => resolve({ refused: new Map(), error: error.message }));
    connection.connect(() => {
      const envelope = { from: sample.sender, to: sample.expect.map((expectation) => expectation.recipient) };
      connection.send(envelope, compose(sample, new Date()), (error, info) => {
        connection.quit();
        const errors =
          error === null ? info.rejectedErrors : (error as { rejectedErrors?: SMTPConnection.SMTPError[] }).rejectedErrors;
        const refused = new Map<string, string>();
        for (const rejected of errors ?? []) {
          const { recipient = '' } = rejected as { recipient?: string };
          refused.set(recipient, rejected.response ?? rejected.message);
        }
        if (error === null) resolve({ reply: info.response, refused });
        else resolve({ refused, ...(refused.size > 0 ? {} : { error: error.message }) });
      });
    });
  });
}
