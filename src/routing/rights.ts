/** Whether a client may send to a recipient at all (design.md P6, R15, G10, C1): asked at RCPT alone. */
import type { SmtpReply } from '../mail/reply.ts';
import type { Deciding } from './legs.ts';
import type { Found } from './lookup.ts';
import type { AcceptedDomain } from './ports.ts';
import { REPLIES } from './replies.ts';

const NOT_ASCII = /[^\u0000-\u007f]/;
/** Signs of a route hidden in a local part: `x%other`, `other!x`, `@a:x@b`, X.400 (R15). */
const HIDDEN_ROUTE = /[%!:/@]/;

/** The refusal, or `undefined` where the client may. */
export function mayRelay(
  deciding: Deciding,
  accepted: AcceptedDomain | undefined,
  found: Found | undefined,
): SmtpReply | undefined {
  const { routing, question, steps } = deciding;
  const { recipient, origin, sender } = question;
  const rights = routing.relayTo[origin.peer];
  // the session refuses them before it asks here; explain and shadow come without a session
  if (NOT_ASCII.test(recipient.localPart)) {
    steps?.push({
      step: 'rights',
      result: `letters beyond ASCII in ${JSON.stringify(recipient.localPart)} need SMTPUTF8, which is not offered`,
      source: 'RFC 6531 §3.5',
    });
    return REPLIES.notAscii;
  }
  // our own servers write such addresses for good reasons; nobody else gets to use us as their interpreter
  if (
    origin.peer !== 'on-premises' &&
    HIDDEN_ROUTE.test(recipient.localPart) &&
    (found === undefined || found.tag !== undefined)
  ) {
    steps?.push({
      step: 'rights',
      result: `the local part ${JSON.stringify(recipient.localPart)} may hide a route`,
      source: 'R15',
    });
    return REPLIES.notPlain;
  }
  if (routing.isRoutingDomain(recipient.domain)) {
    if (rights.includes('cloud')) return undefined;
    steps?.push({ step: 'rights', result: `${origin.peer} clients may not write to routing addresses`, source: 'G10' });
    return REPLIES.routingAddress;
  }
  if (accepted !== undefined || routing.rules.some((rule) => rule.opens && rule.matches(recipient, sender, origin.peer))) {
    if (rights.includes('own')) return undefined;
  } else if (rights.includes('internet')) {
    return undefined;
  }
  steps?.push({
    step: 'rights',
    result: `${origin.peer} clients may send to ${rights.join(', ') || 'nobody'}, and ${recipient.domain} is not among it`,
    source: 'R15',
  });
  return REPLIES.notOurs;
}
