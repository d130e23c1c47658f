/**
 * One route for one recipient at one moment (design.md P3, P6). Pure: settings, the active directory and the question in,
 * a decision out. It runs twice for each recipient of each message, so the steps are written only for who asks (`explain`).
 */
import { type Mailbox, mailboxKey } from '../mail/address.ts';
import type { SmtpReply } from '../mail/reply.ts';
import type { Leg } from '../mail/route.ts';
import { decideByDirectory, reasonOf } from './by-directory.ts';
import type { CompiledRouting, OriginSide } from './compile.ts';
import { cloudLeg, type Deciding, isBack, namedLeg, noCloudReply, onPremisesLeg, wayOut } from './legs.ts';
import { type Found, find } from './lookup.ts';
import type { AcceptedDomain, ActiveDirectory } from './ports.ts';
import type { RouteQuestion } from './question.ts';
import { REPLIES, refuses } from './replies.ts';
import { mayRelay } from './rights.ts';
import { type Decision, deliver, hold, refuse } from './verdicts.ts';

/** Decides where a recipient's mail goes. Never throws; what cannot be routed is a `reject` with its reply. */
export function decideRoute(routing: CompiledRouting, directory: ActiveDirectory, question: RouteQuestion): Decision {
  const deciding: Deciding = {
    routing,
    directory,
    question,
    recipient: question.recipient,
    origin: originOf(routing, question),
    steps: question.explain === true ? [] : undefined,
    copies: undefined,
    barred: undefined,
  };
  return explained(deciding, decide(deciding));
}

function decide(deciding: Deciding): Decision {
  const { routing, directory, question } = deciding;
  const forced = question.rerouteTo ?? question.copyTo;
  if (forced !== undefined) return decideForced(deciding, forced);

  const accepted = routing.accepted(question.recipient.domain);
  if (isPostmaster(routing, question.recipient, accepted)) return decidePostmaster(deciding);

  if (deciding.origin === 'spoofed' && routing.spoofedOwnDomain === 'reject')
    return refuse(
      deciding,
      undefined,
      spoofReply(question),
      'claims a domain of ours without proof (spoofed-own-domain: reject)',
    );

  const found = find(routing, directory, question.recipient);
  if (question.stage === 'rcpt') {
    const refusal = mayRelay(deciding, accepted, found);
    if (refusal !== undefined) return refuse(deciding, found?.entry, refusal, refusal.text);
  }
  return followRules(deciding, found, false) ?? decideByDomain(deciding, accepted, found);
}

/** G5: our own servers' mail and our own notices may use an identity that the cloud trusts; what outsiders send may not. */
function originOf({ spoofedOwnDomain }: CompiledRouting, { ours, origin, ownDomain }: RouteQuestion): OriginSide {
  if (ours === true || origin.peer === 'on-premises') return 'internal';
  const isSpoofed = ownDomain === 'spoofed' || ownDomain === 'unknown';
  return isSpoofed && spoofedOwnDomain !== 'any-identity' ? 'spoofed' : 'external';
}

const spoofReply = ({ ownDomain }: RouteQuestion): SmtpReply =>
  ownDomain === 'unknown' ? REPLIES.notAuthenticated : REPLIES.spoofed;

/** Says where the identity of a connector decided (G5, R8): the sender hears why, and so does who reads the record. */
function explained(deciding: Deciding, decision: Decision): Decision {
  const { origin, barred, question } = deciding;
  if (decision.kind === 'deliver' && origin === 'spoofed')
    return { ...decision, reason: `${decision.reason}; claims a domain of ours without proof: by no identity of ours (G5)` };
  if (decision.kind !== 'reject' || barred === undefined || decision.reply.enhanced !== '5.4.4') return decision;
  const why = origin === 'spoofed' ? 'claims a domain of ours without proof' : `${barred.name} is for mail of our own servers`;
  deciding.steps?.push({ step: 'identity', result: why, source: `connector ${barred.name}: origin ${barred.origin} (G5)` });
  return {
    ...decision,
    reply:
      origin === 'spoofed' ? spoofReply(question) : origin === 'external' ? REPLIES.internalOnly(barred.name) : decision.reply,
    reason: `${decision.reason}; ${why} (G5)`,
  };
}

function decideByDomain(deciding: Deciding, accepted: AcceptedDomain | undefined, found: Found | undefined): Decision {
  const { routing, recipient } = deciding;
  if (routing.isRoutingDomain(recipient.domain)) {
    deciding.steps?.push({
      step: 'domain',
      result: `${recipient.domain} is a routing domain of the cloud (G10)`,
      source: 'cloud.routing-domains',
    });
    return decideRoutingAddress(deciding, found);
  }
  if (accepted === undefined) return decideForeign(deciding);
  deciding.steps?.push({ step: 'domain', result: `${accepted.name} is ours (${accepted.type})`, source: accepted.source });
  return found === undefined ? decideUnknown(deciding, accepted) : decideByDirectory(deciding, found);
}

/** An operator's connector, or the connector of a copy: no rule and no directory changes it. */
function decideForced(deciding: Deciding, name: string): Decision {
  const { routing, directory, question, recipient } = deciding;
  const found = find(routing, directory, recipient);
  const leg = namedLeg(deciding, name, found);
  const why = question.rerouteTo === undefined ? 'copy' : 'operator: reroute';
  if (leg === undefined) return refuse(deciding, found?.entry, REPLIES.noConnectorNamed(name), `${why}: no way by ${name}`);
  // C10: a copy never goes back; an operator may know why it should
  if (question.rerouteTo === undefined && isBack(deciding, leg, leg.side))
    return refuse(deciding, found?.entry, REPLIES.loop, `${why}: would go back`);
  return deliver(deciding, found?.entry, leg, undefined, why);
}

/** RFC 5321 §4.5.1: mail to postmaster is taken whatever rules and directory say. */
function isPostmaster(routing: CompiledRouting, recipient: Mailbox, accepted: AcceptedDomain | undefined): boolean {
  if (recipient.localPart.length === 10 && recipient.localPart.toLowerCase() === 'postmaster') {
    return accepted !== undefined || routing.isRelayName(recipient.domain);
  }
  return routing.postmasterKey !== undefined && accepted !== undefined && mailboxKey(recipient) === routing.postmasterKey;
}

function decidePostmaster(deciding: Deciding): Decision {
  const { routing, directory } = deciding;
  let found = find(routing, directory, deciding.recipient);
  if (found === undefined) {
    const fallback =
      routing.firstDomain === undefined
        ? undefined
        : { ...deciding.recipient, domain: routing.firstDomain, address: `postmaster@${routing.firstDomain}` };
    const target =
      routing.postmaster ??
      (routing.isRelayName(deciding.recipient.domain) && routing.accepted(deciding.recipient.domain) === undefined
        ? fallback
        : undefined);
    if (target !== undefined) deciding.recipient = target;
    found = find(routing, directory, deciding.recipient);
  }
  deciding.steps?.push({
    step: 'postmaster',
    result: `never refused; read by ${deciding.recipient.address}`,
    source: 'RFC 5321 §4.5.1',
  });
  const ruled = followRules(deciding, found, true);
  if (ruled !== undefined) return ruled;
  if (found !== undefined) {
    const decision = decideByDirectory(deciding, found);
    if (decision.kind !== 'reject' || refuses(decision.reply, REPLIES.tooLarge)) return decision;
  } else if (routing.accepted(deciding.recipient.domain) === undefined) {
    return decideForeign(deciding);
  }
  const home = onPremisesLeg(deciding, found);
  const leg = home === undefined || isBack(deciding, home, 'on-premises') ? cloudLeg(deciding, found) : home;
  if (leg === undefined || isBack(deciding, leg, leg.side))
    return refuse(deciding, found?.entry, noCloudReply(deciding, REPLIES.loop), 'postmaster: no way but back');
  return deliver(deciding, found?.entry, leg, undefined, 'postmaster: unasked');
}

/** Rules stand before the directory; the first that fits decides, `copy-to` alone goes on (C13). */
function followRules(deciding: Deciding, found: Found | undefined, isForPostmaster: boolean): Decision | undefined {
  const { routing, question, steps } = deciding;
  for (const rule of routing.rules) {
    if (!rule.matches(question.recipient, question.sender, question.origin.peer)) continue;
    const then = rule.then;
    const reason = `rule: ${then.kind} (${rule.source})`;
    switch (then.kind) {
      case 'copy-to': {
        const copy = namedLeg(deciding, then.connector, found);
        const goes = copy !== undefined && !isBack(deciding, copy, copy.side);
        steps?.push({
          step: 'rule',
          result: goes ? `a copy goes to ${then.connector}` : `no copy to ${then.connector}: it came from there (C10)`,
          source: rule.source,
        });
        if (goes) deciding.copies = [...(deciding.copies ?? []), copy];
        break;
      }
      case 'hold':
        steps?.push({ step: 'rule', result: 'hold', source: rule.source });
        return hold(deciding, found?.entry, `rule: ${rule.source}`, reason);
      case 'reject':
        if (isForPostmaster) break;
        steps?.push({ step: 'rule', result: 'reject', source: rule.source });
        return refuse(deciding, found?.entry, then.reply, reason);
      case 'connector': {
        steps?.push({ step: 'rule', result: `goes by connector ${then.connector}`, source: rule.source });
        const leg = namedLeg(deciding, then.connector, found);
        if (leg === undefined) return refuse(deciding, found?.entry, REPLIES.noConnectorNamed(then.connector), reason);
        if (isBack(deciding, leg, leg.side))
          return refuse(deciding, found?.entry, REPLIES.loop, `${reason}; would go back to where it came from (R6, C13)`);
        return deliver(deciding, found?.entry, leg, undefined, reason);
      }
    }
  }
  return undefined;
}

/** G10: from our own servers, `user@` the routing domain: the cloud's, unless its owner is held (C9). */
function decideRoutingAddress(deciding: Deciding, found: Found | undefined): Decision {
  const entry = found?.entry;
  if (entry?.route === 'hold') return hold(deciding, entry, `directory: ${entry.source}`, reasonOf(deciding, entry, 'hold'));
  const leg = cloudLeg(deciding, found);
  if (leg === undefined)
    return refuse(deciding, entry, REPLIES.noConnector(deciding.recipient.domain), 'no connector for the routing domain');
  if (isBack(deciding, leg, 'cloud')) return refuse(deciding, entry, REPLIES.loop, 'came from the cloud and would go back (R6)');
  const disagree = entry?.route === 'on-premises' ? '; disagreement: the directory has it on-premises (C9)' : '';
  return deliver(deciding, entry, leg, undefined, `routing address${disagree}`);
}

/** A domain that is not ours: for our own servers and our own notices, by the connector that leads there (C11). */
function decideForeign(deciding: Deciding): Decision {
  const { recipient } = deciding;
  const connector = wayOut(deciding, recipient.domain);
  deciding.steps?.push({ step: 'domain', result: `${recipient.domain} is not ours`, source: 'domains' });
  if (connector === undefined)
    return refuse(deciding, undefined, REPLIES.noConnector(recipient.domain), `no connector for ${recipient.domain}`);
  const leg: Leg = { side: connector.side, connector, address: recipient };
  if (isBack(deciding, leg, leg.side))
    return refuse(deciding, undefined, REPLIES.loop, 'would go back to where it came from (R6)');
  return deliver(deciding, undefined, leg, undefined, `not our domain: ${connector.side}`);
}

/** C2: the setting of the domain decides, whoever asks; refused only where the route would point back. */
function decideUnknown(deciding: Deciding, accepted: AcceptedDomain): Decision {
  const { question, recipient, steps } = deciding;
  const side = accepted.unknownRecipients;
  steps?.push({ step: 'unknown recipient', result: side, source: accepted.source });
  const reason = `unknown recipient: ${side} (${accepted.source})`;
  if (side === 'reject') return refuse(deciding, undefined, REPLIES.unknown(recipient), reason);
  const leg = side === 'cloud' ? cloudLeg(deciding, undefined) : onPremisesLeg(deciding, undefined);
  if (leg === undefined) {
    const none = REPLIES.noConnector(recipient.domain);
    return refuse(deciding, undefined, side === 'cloud' ? noCloudReply(deciding, none) : none, `${reason}; no way there`);
  }
  if (isBack(deciding, leg, side)) {
    steps?.push({ step: 'loop', result: `came from ${side}: nobody knows this recipient`, source: 'C2' });
    return refuse(deciding, undefined, REPLIES.unknown(recipient), `${reason}; came from there (C2)`);
  }
  const decision = deliver(deciding, undefined, leg, undefined, reason);
  const verify = accepted.verifyRecipients;
  if (verify === undefined || side !== 'on-premises' || question.stage !== 'rcpt' || decision.kind !== 'deliver') return decision;
  steps?.push({ step: 'verify', result: `is asked at connector ${verify.connector} before it is taken`, source: 'C3' });
  return { ...decision, verify };
}
