/** Who a client is (coexistence.md 2, C1, G6). */

/** `external` is everybody that no peer setting matches. `gateway` is a filter in front of us. */
export type PeerClass = 'external' | 'on-premises' | 'cloud' | 'gateway';

/** What a session knows about its client before any message. */
export interface Client {
  readonly peer: PeerClass;
  /** IP address as text; IPv4-mapped IPv6 is written as IPv4. */
  readonly address: string;
  /** The name it gave in HELO or EHLO; absent before. */
  readonly helo?: string;
  /** Who told us of this client: a load balancer by a PROXY header, or a filter by XCLIENT; an IP address. */
  readonly via?: string;
  /** The name its address leads to, as a filter looked it up (XCLIENT). */
  readonly reverseName?: string;
}
