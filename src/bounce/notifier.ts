/** Turns outcomes into the notification that is spooled with them: one for each message and round. */
import { digestOf } from '../mail/body-digest.ts';
import type { Notification, SpooledBody, SpooledMessage, SpoolId } from '../mail/spooled.ts';
import type { Clock } from '../platform/clock.ts';
import { composeDsn } from './compose.ts';
import { readExcerpt } from './excerpt.ts';
import { gravestFirst, isBackscatter, isOwed } from './policy.ts';
import type { BounceSettings, Happening, Suppressed } from './ports.ts';
import { RateCap } from './rate-cap.ts';

export interface Notifier {
  /** `undefined` where nobody is owed word. */
  notify(
    message: SpooledMessage,
    body: SpooledBody,
    happenings: readonly Happening[],
  ): Promise<Notification | Suppressed | undefined>;
  reconfigure(settings: BounceSettings): void;
  /** Notices over the limit of their sender, since the start. */
  readonly overLimit: { readonly enforced: number; readonly monitored: number };
}

export function createNotifier(
  initial: BounceSettings,
  deps: { readonly newId: () => SpoolId; readonly clock: Clock },
): Notifier {
  let settings = initial;
  const cap = new RateCap(initial.perHour);
  return {
    overLimit: cap.counts,
    async notify(message, body, happenings) {
      const owed = happenings.filter(({ recipient, action }) => isOwed(message.sender, recipient, action)).sort(gravestFirst);
      const action = owed[0]?.action;
      if (action === undefined || message.sender === null || isBackscatter(message)) return undefined;
      const now = deps.clock.now();
      const suppressed = cap.refusal(message, now);
      if (suppressed !== undefined) return { suppressed, action };
      const excerpt = await readExcerpt(message, body, action, settings.excerpt);
      const id = deps.newId();
      const dsn = composeDsn({ id, now, message, to: message.sender, action, happenings: owed, excerpt }, settings);
      return {
        message: {
          id,
          receivedAt: now,
          envelope: {
            sender: null, // RFC 3461 §6.1, RFC 5321 §6.1: a notification must not beget another
            recipients: [{ address: message.sender, notify: ['NEVER'] }],
            eightBit: dsn.eightBit,
            smtputf8: dsn.smtputf8,
          },
          // Nobody's peer: it may go to any side, back to where the message came from above all.
          origin: { peer: 'external', ownHops: 0, tenantProof: false },
          messageId: dsn.messageId,
          size: dsn.size,
          bodySha256: digestOf(dsn.body),
        },
        body: dsn.body,
        action,
      };
    },
    reconfigure(next) {
      settings = next;
      cap.change(next.perHour);
    },
  };
}
