/** Sockets of ours: which listeners collide, and which next hop is the relay itself. */
import { isIP } from 'node:net';
import { isLoopback } from './compile.ts';
import type { SettingsFile } from './schema.ts';

interface Socket {
  readonly address: string;
  readonly port: number;
}

const WILDCARDS = new Set(['0.0.0.0', '::']);

/** Whether two listening sockets cannot both be opened. Port 0 takes a free one. */
export const sameSocket = (a: Socket, b: Socket): boolean =>
  a.port !== 0 && a.port === b.port && (a.address === b.address || WILDCARDS.has(a.address) || WILDCARDS.has(b.address));

/** Whether a host is the socket of one of our listeners. */
export function isOurListener(raw: SettingsFile, host: string, port: number): boolean {
  if (host === raw.hostname || raw['relay-names']?.some((name) => name === host) === true) return port === 25;
  return (
    isIP(host) !== 0 &&
    raw.listeners.some(
      (listener) =>
        listener.port === port && (listener.address === host || (isLoopback(host) && WILDCARDS.has(listener.address))),
    )
  );
}
