/**
 * How many notices one sender gets in an hour: mail with a forged sender must not flood its victim through us
 * (backscatter). Mail of our own side is not capped: there, silence would lose a person's mail. Pure.
 */
import type { SpooledMessage } from '../mail/spooled.ts';
import type { NoticeLimit } from './ports.ts';

const HOUR = 3_600_000;
/** Senders that are remembered; the least recently notified go first. */
const REMEMBERED = 20_000;

interface Hour {
  readonly since: number;
  notices: number;
}

export class RateCap {
  private limit: NoticeLimit;
  private readonly senders = new Map<string, Hour>();
  /** Notices over the limit, since the start. */
  readonly counts = { enforced: 0, monitored: 0 };

  constructor(limit: NoticeLimit) {
    this.limit = limit;
  }

  change(limit: NoticeLimit): void {
    this.limit = limit;
  }

  get remembered(): number {
    return this.senders.size;
  }

  /** Counts a notice to the sender of `message`; why it is not sent, where it is one too many. `now`: milliseconds. */
  refusal({ sender, origin }: SpooledMessage, now: number): string | undefined {
    const { most, mode } = this.limit;
    if (mode === 'off' || sender === null || origin.peer === 'on-premises' || origin.tenantProof) return undefined;
    const key = sender.address.toLowerCase();
    let hour = this.senders.get(key);
    this.senders.delete(key);
    // a clock that went back begins a new hour as well
    if (hour === undefined || now - hour.since >= HOUR || now < hour.since) hour = { since: now, notices: 0 };
    const oldest = this.senders.size >= REMEMBERED ? this.senders.keys().next() : undefined;
    if (oldest?.done === false) this.senders.delete(oldest.value);
    this.senders.set(key, hour);
    hour.notices += 1;
    if (hour.notices <= most) return undefined;
    if (mode === 'monitor') {
      this.counts.monitored += 1;
      return undefined;
    }
    this.counts.enforced += 1;
    return `not sent: limits.notifications-per-hour: ${hour.notices} to this sender, ${most} allowed`;
  }
}
