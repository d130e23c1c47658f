/** How many connections there may be, in total and from one client (design.md P8). Pure. */
import { reply, type SmtpReply } from '../mail/reply.ts';
import { NetworkSet, plainAddress } from './peers.ts';

export interface LimitSettings {
  readonly connections: number;
  readonly connectionsPerClient: number;
  /** CIDR networks that neither limit binds. */
  readonly exempt: readonly string[];
}

export const TOO_MANY_IN_TOTAL = reply(421, '4.3.2', 'Too many connections, try again later');
export const TOO_MANY_FROM_CLIENT = reply(421, '4.7.0', 'Too many connections from your address, try again later');

export class ConnectionLimits {
  private settings: LimitSettings;
  private exempt: NetworkSet;
  private readonly perClient = new Map<string, number>();
  private all = 0;

  constructor(settings: LimitSettings) {
    this.settings = settings;
    this.exempt = new NetworkSet(settings.exempt);
  }

  /** New limits; connections that are open stay. */
  change(settings: LimitSettings): void {
    this.settings = settings;
    this.exempt = new NetworkSet(settings.exempt);
  }

  isExempt(address: string): boolean {
    return this.settings.exempt.length > 0 && this.exempt.has(address);
  }

  get open(): number {
    return this.all;
  }

  /** Counts a new connection in, or says how it is refused. Each one that was counted must `leave`. */
  enter(address: string): SmtpReply | undefined {
    const client = clientKey(address);
    const count = this.perClient.get(client) ?? 0;
    if (this.all >= this.settings.connections || count >= this.settings.connectionsPerClient) {
      if (!this.isExempt(address)) return this.all >= this.settings.connections ? TOO_MANY_IN_TOTAL : TOO_MANY_FROM_CLIENT;
    }
    this.all += 1;
    this.perClient.set(client, count + 1);
    return undefined;
  }

  leave(address: string): void {
    const client = clientKey(address);
    const count = this.perClient.get(client) ?? 0;
    if (count === 0) return;
    this.all -= 1;
    if (count === 1) this.perClient.delete(client);
    else this.perClient.set(client, count - 1);
  }
}

/** One client is one IPv4 address, or one IPv6 /64: who has one address there has them all. */
function clientKey(address: string): string {
  const plain = plainAddress(address);
  if (!plain.includes(':')) return plain;
  // the first four groups; a `::` among them leaves fewer, which still names the network
  const head = plain.split('::', 1)[0] ?? '';
  return head.split(':').slice(0, 4).join(':');
}
