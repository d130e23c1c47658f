/** How much mail waits for each wave (C9), kept by the records of holds; what the spool had at the start is told first. */
import type { EventRecord } from '../../mail/event.ts';
import type { SpooledMessage } from '../../mail/spooled.ts';

export interface HeldMail {
  /** Counted for each recipient. */
  readonly messages: number;
  readonly octets: number;
}

const NOTHING: HeldMail = { messages: 0, octets: 0 };
const BY_WAVE = /, wave ([\w.-]+)\)/;
/** How `heldBy` of a spooled recipient begins where a wave holds it. */
const HELD_BY = 'directory: wave ';

export class HeldVolume {
  /** `spool-id recipient` → what to take off the wave's sum when it is held no longer. */
  readonly #held = new Map<string, { readonly wave: string; readonly octets: number }>();
  readonly #sums = new Map<string, HeldMail>();

  of(wave: string): HeldMail {
    return this.#sums.get(wave) ?? NOTHING;
  }

  /** The wave by which a recipient is held, from `heldBy`. */
  static waveOf(heldBy: string): string | undefined {
    return heldBy.startsWith(HELD_BY) ? heldBy.slice(HELD_BY.length) : undefined;
  }

  /** A message as the spool has it. */
  known({ id, size, recipients }: SpooledMessage): void {
    for (const { state, heldBy, address } of recipients) {
      const wave = state === 'held' ? HeldVolume.waveOf(heldBy ?? '') : undefined;
      if (wave !== undefined) this.#add(`${id} ${address.address}`, wave, size);
    }
  }

  onEvent(record: EventRecord): void {
    const { event, 'spool-id': id, 'original-recipient': recipient } = record;
    if (event === 'HOLD') {
      const wave = BY_WAVE.exec(record.reason ?? '')?.[1];
      if (wave !== undefined) this.#add(`${id} ${recipient}`, wave, record.size ?? 0);
      // a copy goes its own way and is never held
    } else if (this.#held.size > 0 && record.copy !== true) this.#remove(`${id} ${recipient}`);
  }

  #add(key: string, wave: string, octets: number): void {
    if (this.#held.has(key)) return;
    this.#held.set(key, { wave, octets });
    const sum = this.of(wave);
    this.#sums.set(wave, { messages: sum.messages + 1, octets: sum.octets + octets });
  }

  #remove(key: string): void {
    const held = this.#held.get(key);
    if (held === undefined) return;
    this.#held.delete(key);
    const sum = this.of(held.wave);
    this.#sums.set(held.wave, { messages: sum.messages - 1, octets: sum.octets - held.octets });
  }
}
