/** The route of a spooled recipient, decided anew at every attempt (design.md P3). */
import type { RouteDecision } from '../mail/route.ts';
import type { SpooledMessage, SpooledRecipient } from '../mail/spooled.ts';
import type { CompiledRouting } from './compile.ts';
import { decideRoute } from './decide.ts';
import type { ActiveDirectory } from './ports.ts';

/** What delivery asks before each attempt. A message without a client's address is our own: it came from no peer. */
export function routeSpooled(
  routing: CompiledRouting,
  directory: ActiveDirectory,
  message: SpooledMessage,
  recipient: SpooledRecipient,
): RouteDecision {
  const { copyTo, rerouteTo } = recipient;
  // not found out yet, or not to be: no identity of ours for it (R8)
  const ownDomain = message.authentication?.['own-domain'] ?? (message.origin.claims === undefined ? undefined : 'unknown');
  return decideRoute(routing, directory, {
    recipient: recipient.address,
    sender: message.sender,
    origin: message.origin,
    size: message.size,
    stage: 'delivery',
    ours: message.origin.address === undefined,
    ...(ownDomain === undefined ? {} : { ownDomain }),
    ...(copyTo === undefined ? {} : { copyTo }),
    ...(rerouteTo === undefined ? {} : { rerouteTo }),
  });
}
