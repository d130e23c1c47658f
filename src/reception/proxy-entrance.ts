/** Reads the PROXY header off a socket from a listed load balancer, and tells of those that do not send one. */
import type { Socket } from 'node:net';
import type { Log } from '../platform/logger.ts';
import { parseProxyHeader } from './proxy-header.ts';

/** A look whether the port is open is over by then, milliseconds; who waits longer waits for our greeting. */
const LOOK = 1_000;

const NOTHING_CAME = 'it waits for us and sends no PROXY header (HAProxy: send-proxy-v2)';

/** What came of it. `silent`: it was closed at once and not one octet came, as when a balancer looks whether the port is open. */
export type ProxyAnswer = { readonly client?: string } | { readonly broken: string; readonly silent: boolean };

/**
 * Waits for the header, up to `deadline` milliseconds. Answers once; then the socket is paused with what stood behind the
 * header, for TLS or the session to read, or it was closed without a word.
 */
export function readProxyHeader(socket: Socket, deadline: number, answer: (found: ProxyAnswer) => void): void {
  let octets: Buffer = Buffer.alloc(0);
  let isLook = true;
  const settle = (found: ProxyAnswer): void => {
    clearTimeout(timer);
    clearTimeout(look);
    socket.off('readable', take).off('end', gone).off('close', gone).off('error', gone);
    if ('broken' in found) {
      socket.on('error', () => {}); // it may still come
      socket.destroy();
    }
    answer(found);
  };
  const fail = (broken: string): void => settle({ broken, silent: isLook && octets.length === 0 });
  const gone = (): void => fail(octets.length === 0 ? NOTHING_CAME : 'closed before its PROXY header was whole');
  const take = (): void => {
    const chunk = socket.read() as Buffer | null;
    if (chunk === null) return;
    octets = octets.length === 0 ? chunk : Buffer.concat([octets, chunk]);
    const header = parseProxyHeader(octets);
    if (header === 'more') return;
    if ('broken' in header) {
      fail(header.broken);
      return;
    }
    if (octets.length > header.length) socket.unshift(octets.subarray(header.length));
    settle(header.client === undefined ? {} : { client: header.client });
  };
  const look = setTimeout(() => (isLook = false), LOOK);
  const timer = setTimeout(() => {
    isLook = false;
    fail(octets.length === 0 ? NOTHING_CAME : 'PROXY header did not come in time');
  }, deadline);
  socket.on('readable', take).on('end', gone).on('close', gone).on('error', gone);
}

const MINUTE = 60_000;

/** Says what is wrong between a balancer and us, at most once a minute, with how often it was so. */
export class ProxyComplaints {
  private readonly log: Log;
  private readonly monotonic: () => number;
  private quietUntil = Number.NEGATIVE_INFINITY;
  private untold = 0;

  /** `monotonic`: milliseconds. */
  constructor(log: Log, monotonic: () => number) {
    this.log = log;
    this.monotonic = monotonic;
  }

  note(address: string, reason: string): void {
    const now = this.monotonic();
    if (now < this.quietUntil) {
      this.untold += 1;
      return;
    }
    this.log.warn({ address, reason, ...(this.untold > 0 && { more: this.untold }) }, 'PROXY header refused');
    this.quietUntil = now + MINUTE;
    this.untold = 0;
  }
}
