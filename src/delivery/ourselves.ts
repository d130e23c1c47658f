/** Whether an address or a name is this relay (R20). */
import { networkInterfaces } from 'node:os';

export interface Listening {
  readonly address: string;
  readonly port: number;
}

const WILDCARDS = new Set(['0.0.0.0', '::', '']);

/**
 * A host is ourselves by one of our names, or by an address where we listen on the port that mail goes to. Where our
 * listeners are not told, each address of this machine but loopback counts.
 */
export function ourselves(
  relayNames: readonly string[],
  port: number,
  listeners?: readonly Listening[],
  machine: readonly string[] = machineAddresses(),
): (name: string, address: string | undefined) => boolean {
  const names = new Set(relayNames.map((name) => name.toLowerCase()));
  const listening = listeners?.filter((listener) => listener.port === port);
  const all = listening?.some(({ address }) => WILDCARDS.has(address)) ?? false;
  const own = new Set(listening === undefined ? machine.filter((a) => !isLoopback(a)) : listening.map(({ address }) => address));
  if (all) for (const address of machine) own.add(address);
  return (name, address) => {
    if (names.has(name) || address === undefined) return names.has(name);
    const plain = address.replace(/^::ffff:(?=\d+\.)/i, '');
    // a listener on all addresses is reached by each of 127.0.0.0/8
    return own.has(plain) || (all && isLoopback(plain));
  };
}

const isLoopback = (address: string): boolean => address.startsWith('127.') || address === '::1';

function machineAddresses(): string[] {
  return Object.values(networkInterfaces()).flatMap((addresses) => addresses?.map(({ address }) => address) ?? []);
}
