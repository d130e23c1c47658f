/** How long we wait for a next hop. */

/** Milliseconds, each for one wait (RFC 5321 §4.5.3.2), and bounds for the whole. */
export interface Deadlines {
  /** TCP connect, each address. */
  readonly connect: number;
  readonly greeting: number;
  /** EHLO, HELO, LHLO, RSET. */
  readonly command: number;
  /** The TLS handshake has its own (design.md P5), and so has the answer to STARTTLS: a silent peer costs no more there. */
  readonly handshake: number;
  readonly mail: number;
  readonly rcpt: number;
  readonly data: number;
  /** Each block of the body that leaves us. */
  readonly block: number;
  /** The answer to the final dot. Shorter than 10 minutes makes duplicates (RFC 1047). */
  readonly final: number;
  /** One transaction from MAIL to the answer to the dot, against peers that feed us a line now and then. */
  readonly transaction: number;
  /** QUIT of a kept connection. */
  readonly quit: number;
}

const SECOND = 1_000;
const MINUTE = 60 * SECOND;

// RFC 5321 §4.5.3.2 asks for 5 minutes for the greeting and for MAIL and RCPT; a peer that takes over a minute to greet
// is tried again later, which costs nothing, while waiting for it costs a connection.
export const DEADLINES: Deadlines = {
  connect: 30 * SECOND,
  greeting: 60 * SECOND,
  command: 60 * SECOND,
  handshake: 15 * SECOND,
  mail: 5 * MINUTE,
  rcpt: 5 * MINUTE,
  data: 2 * MINUTE,
  block: 3 * MINUTE,
  final: 10 * MINUTE,
  transaction: 60 * MINUTE,
  quit: 5 * SECOND,
};

/** Something that waits for a peer until a moment on the monotonic clock. */
export interface Waiting {
  /** Milliseconds of `Clock.monotonic`; 0 while nothing is awaited. */
  readonly deadline: number;
  /** Called once the deadline has passed. */
  expire(): void;
}
