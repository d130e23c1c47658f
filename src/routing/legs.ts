/** The legs of a route: by which connector to which address, and whether one would lead back to the sender (R6). */
import type { Domain, Mailbox } from '../mail/address.ts';
import type { SmtpReply } from '../mail/reply.ts';
import type { Connector, Leg, RouteStep, Side } from '../mail/route.ts';
import { type CompiledRouting, mayUse, type OriginSide } from './compile.ts';
import { cloudAddress, type Found } from './lookup.ts';
import type { ActiveDirectory } from './ports.ts';
import type { RouteQuestion } from './question.ts';
import { REPLIES } from './replies.ts';

/** One decision on its way. */
export interface Deciding {
  readonly routing: CompiledRouting;
  readonly directory: ActiveDirectory;
  readonly question: RouteQuestion;
  /** Whom the mail is for: the recipient asked for, or the reader of postmaster's mail. */
  recipient: Mailbox;
  readonly origin: OriginSide;
  readonly steps: RouteStep[] | undefined;
  copies: Leg[] | undefined;
  /** A connector that leads there, and whose identity this mail may not use (G5, R8). */
  barred: Connector | undefined;
}

/** The connector for a domain that this mail may use. */
export function wayOut(deciding: Deciding, domain: Domain): Connector | undefined {
  const { routing, origin } = deciding;
  const connector = routing.connectorFor(domain, origin);
  if (connector === undefined) deciding.barred ??= routing.connectorFor(domain, origin === 'spoofed' ? 'external' : 'internal');
  return connector;
}

/** A connector that somebody named, where its identity is not for other mail than this. */
function permitted(deciding: Deciding, connector: Connector): Connector | undefined {
  if (mayUse(connector, deciding.origin)) return connector;
  deciding.barred ??= connector;
  return undefined;
}

/** To the cloud: the routing address, by the connector for its domain. None for a domain that is not proven to be ours yet. */
export function cloudLeg(deciding: Deciding, found: Found | undefined): Leg | undefined {
  if (deciding.routing.isGated(deciding.recipient.domain)) {
    deciding.steps?.push({
      step: 'verification',
      result: `${deciding.recipient.domain} is not verified yet: no way to the cloud (bridgehead domain verify)`,
      source: 'domains[].verification',
    });
    return undefined;
  }
  const address = cloudAddress(deciding.routing, deciding.recipient, found);
  if (address === undefined) return undefined;
  const connector = chosen(deciding, found, 'cloud') ?? wayOut(deciding, address.domain);
  return connector === undefined ? undefined : { side: connector.side, connector, address };
}

/** What to answer where `cloudLeg` has none. */
export const noCloudReply = (deciding: Deciding, otherwise: SmtpReply): SmtpReply =>
  deciding.routing.isGated(deciding.recipient.domain) ? REPLIES.unverified : otherwise;

/** To the on-premises side: the address as it was written (the server there knows its aliases). */
export function onPremisesLeg(deciding: Deciding, found: Found | undefined): Leg | undefined {
  const { recipient } = deciding;
  const connector = chosen(deciding, found, 'on-premises') ?? wayOut(deciding, recipient.domain);
  // R20: by MX the domain leads to ourselves; and the cloud is not the on-premises side
  if (connector === undefined || connector.nextHop.kind === 'mx' || connector.side === 'cloud') return undefined;
  return { side: connector.side, connector, address: recipient };
}

/** By a connector that a rule, a copy or an operator names. */
export function namedLeg(deciding: Deciding, name: string, found: Found | undefined): Leg | undefined {
  const { routing, recipient } = deciding;
  const named = routing.connectorNamed(name);
  const connector = named === undefined ? undefined : permitted(deciding, named);
  if (connector === undefined) return undefined;
  const isOurs = found !== undefined || routing.accepted(recipient.domain) !== undefined;
  const address = connector.side === 'cloud' && isOurs ? cloudAddress(routing, recipient, found) : recipient;
  return address === undefined ? undefined : { side: connector.side, connector, address };
}

/** The connector that the directory names for this recipient, where it stands for the side in question. */
function chosen(deciding: Deciding, found: Found | undefined, side: 'cloud' | 'on-premises'): Connector | undefined {
  const name = found?.entry.connector;
  const connector = name === undefined ? undefined : deciding.routing.connectorNamed(name);
  if (connector !== undefined && permitted(deciding, connector) === undefined) return undefined;
  if (connector !== undefined && (connector.side === side || (found?.entry.route === side && connector.side === 'internet')))
    return connector;
  // a source names the connector of the side that it knows (the import sees to that); a wave or a word may have moved it since
  if (name !== undefined)
    deciding.steps?.push({
      step: 'connector',
      result: `${name}, which the directory names, ${connector === undefined ? 'is no connector any more' : `leads elsewhere than to ${side}`}: the address space decides`,
      source: found?.entry.source ?? '',
    });
  return undefined;
}

/**
 * R6: whether a leg leads to the peer that the message came from. `side` is what the leg is meant for, which counts as
 * much as what its connector stands for. Mail of the cloud counts as such only with proof of our tenant or our own
 * Received field (C1); one on-premises server may send to another (several sites).
 */
export function isBack(deciding: Deciding, leg: Leg, side: Side): boolean {
  const { question, routing } = deciding;
  if (question.ours === true) return false;
  const { peer, tenantProof, ownHops, address } = question.origin;
  if (peer === 'on-premises') {
    if (side !== 'on-premises' && leg.side !== 'on-premises') return false;
    return address === undefined || !routing.isAnotherSite(leg.connector, address);
  }
  return peer === 'cloud' && (tenantProof || ownHops > 0) && (side === 'cloud' || leg.side === 'cloud');
}

/** Room for our own trace fields: what was taken at RCPT by its SIZE must not fail later by them. */
const TRACE_FIELDS = 4096;

/** C14: whether the connector takes a message of this size. */
export function fits(deciding: Deciding, leg: Leg): boolean {
  const { size, stage } = deciding.question;
  if (size === undefined) return true;
  const limit = leg.connector.messageSize ?? deciding.routing.messageSize;
  return size <= (stage === 'rcpt' ? limit : limit + TRACE_FIELDS);
}
