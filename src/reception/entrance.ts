/** Where a connection comes from: its client, and who told of it where the socket cannot. Pure. */
import type { Client } from '../mail/peer.ts';
import type { ClientCertificate, Peers } from './peers.ts';
import type { XclientFacts } from './xclient.ts';

export interface Entrance {
  /** The client: the address of its socket, or what a PROXY header says. */
  readonly address: string;
  /** The load balancer that sent the header. The same as `address` where it speaks for itself, or does not know its client. */
  readonly balancer?: string;
}

/** The connection is the balancer's own: a health check, or a client that it does not know. */
export function isUnnamed({ address, balancer }: Entrance): boolean {
  return balancer === address;
}

/** The client as the connection alone tells it; ask again once it has shown a certificate. */
export function clientOf(from: Entrance, peers: Peers, certificate?: ClientCertificate): Client {
  const { address, balancer } = from;
  if (balancer === undefined) return { peer: peers.classify(address, certificate), address };
  // whose connection this is nobody knows, so that what the balancer's own network may do counts for nothing
  if (isUnnamed(from)) return { peer: 'external', address };
  return { peer: peers.classify(address, certificate), address, via: balancer };
}

/** The client that a filter names by XCLIENT: an outsider, whatever its address, for it is the filter's word alone. */
export function clientBehind(gateway: Entrance, before: Client, facts: XclientFacts): Client {
  const address = facts.address === undefined ? before.address : (facts.address ?? gateway.address);
  const reverseName = facts.reverseName === undefined ? before.reverseName : facts.reverseName;
  const { helo } = facts;
  return {
    peer: 'external',
    address,
    via: gateway.address,
    ...(typeof reverseName === 'string' ? { reverseName } : undefined),
    ...(typeof helo === 'string' ? { helo } : undefined),
  };
}

/** The client with the name that it gives itself now. */
export function withName(client: Client, helo: string): Client {
  const { peer, address, via } = client;
  return via === undefined ? { peer, address, helo } : { ...client, helo };
}
