/** RCPT TO: the route decided, and where the directory does not know the recipient, the server behind asked first (C3). */
import type { Mailbox } from '../mail/address.ts';
import type { ReversePath } from '../mail/envelope.ts';
import type { Client, PeerClass } from '../mail/peer.ts';
import { formatReply, type SmtpReply } from '../mail/reply.ts';
import type { RouteDecision } from '../mail/route.ts';
import type { CompiledRouting } from './compile.ts';
import { decideRoute } from './decide.ts';
import type { DirectoryPort, Verification, VerifyRecipient } from './ports.ts';
import type { RouteQuestion } from './question.ts';
import { REPLIES } from './replies.ts';
import type { Decision } from './verdicts.ts';

export interface AdmissionQuery {
  readonly recipient: Mailbox;
  readonly sender: ReversePath;
  readonly client: Pick<Client, 'peer' | 'address'>;
  /** SIZE of MAIL FROM, octets. */
  readonly size?: number;
}

export interface Admission {
  readonly reply: SmtpReply;
  readonly route?: string;
  readonly connector?: string;
  readonly reason?: string;
  readonly directoryVersion?: number;
  /** Who will hold it, where it is held. */
  readonly heldBy?: string;
  /** The largest message that the recipient's way takes, octets (C14); absent where there is no way yet. */
  readonly messageSize?: number;
}

export interface AdmissionDeps {
  /** Asked anew for each recipient, so that new settings count at once. */
  readonly routing: () => CompiledRouting;
  readonly directory: DirectoryPort;
  readonly verify: VerifyRecipient;
}

/** What reception asks at each RCPT TO. It answers at once but where a recipient must be asked for, and never throws. */
export function admitRecipient(deps: AdmissionDeps, query: AdmissionQuery): Admission | Promise<Admission> {
  const decision = decideAtRcpt(deps, {
    recipient: query.recipient,
    sender: query.sender,
    // C1: what a header may prove is not known yet
    origin: { peer: query.client.peer, address: query.client.address, ownHops: 0, tenantProof: false },
    ...(query.size === undefined ? {} : { size: query.size }),
    stage: 'rcpt',
  });
  const { messageSize } = deps.routing();
  return decision instanceof Promise
    ? decision.then((decided) => admission(decided, messageSize))
    : admission(decision, messageSize);
}

/** `explain`: the same decision with every step; the peer is a class, not a client. */
export function explainRoute(
  deps: AdmissionDeps,
  query: { readonly recipient: Mailbox; readonly sender: ReversePath; readonly peer: PeerClass; readonly size?: number },
): RouteDecision | Promise<RouteDecision> {
  return decideAtRcpt(deps, {
    recipient: query.recipient,
    sender: query.sender,
    origin: { peer: query.peer, ownHops: 0, tenantProof: false },
    ...(query.size === undefined ? {} : { size: query.size }),
    stage: 'rcpt',
    explain: true,
  });
}

function decideAtRcpt(deps: AdmissionDeps, question: RouteQuestion): RouteDecision | Promise<RouteDecision> {
  const routing = deps.routing();
  const decision = decideRoute(routing, deps.directory.active(), question);
  const { verify } = decision;
  const connector = verify === undefined ? undefined : routing.connectorNamed(verify.connector);
  if (verify === undefined || connector === undefined) return decision;
  const verification = deps.verify(connector, question.recipient, verify.deadline);
  return verification instanceof Promise
    ? verification.then((answer) => withAnswer(decision, verify, answer, question.recipient))
    : withAnswer(decision, verify, verification, question.recipient);
}

function withAnswer(
  decision: Decision,
  verify: NonNullable<Decision['verify']>,
  { answer, reply }: Verification,
  recipient: Mailbox,
): RouteDecision {
  const said = `; ${verify.connector} ${SAYS[answer]}${answer === 'known' ? '' : `: ${formatReply(reply)}`} (C3)`;
  const refusal =
    answer === 'unknown'
      ? REPLIES.unknown(recipient)
      : answer === 'unavailable' && verify.onFailure === 'defer'
        ? REPLIES.cannotAsk
        : undefined;
  const reason = decision.reason + said;
  const steps =
    decision.steps.length === 0
      ? decision.steps
      : [
          // in place of the word that it is asked; what the server said stands in the reason
          ...decision.steps.filter(({ step }) => step !== 'verify'),
          { step: 'verify', result: SAYS[answer], source: `connector ${verify.connector} (C3)` },
        ];
  if (refusal === undefined) return { ...decision, reason, steps };
  const { directoryVersion, canonical } = decision;
  return { kind: 'reject', route: 'reject', reply: refusal, reason, directoryVersion, canonical, steps };
}

const SAYS = { known: 'knows it', unknown: 'does not know it', unavailable: 'could not tell' } as const;

const admission = (decision: RouteDecision, messageSize: number): Admission => ({
  reply: decision.reply,
  route: decision.route,
  ...(decision.kind === 'deliver'
    ? { connector: decision.primary.connector.name, messageSize: decision.primary.connector.messageSize ?? messageSize }
    : {}),
  ...(decision.kind === 'hold' ? { heldBy: decision.heldBy } : {}),
  reason: decision.reason,
  directoryVersion: decision.directoryVersion,
});
