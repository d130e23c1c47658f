/** Held and parked mail, routed anew when the directory, the settings or the time changed what routing says. */
import type { Clock } from '../platform/clock.ts';
import type { Dispatch } from './dispatch.ts';
import { openLedger } from './ledger.ts';
import type { DueMail, Routing } from './ports.ts';
import { enterRelease } from './steps.ts';

/** Messages before the event loop gets its turn, and the store its breath. */
const BATCH = 200;

const breath = () => new Promise((resolve) => setImmediate(resolve));

/** Whose holds only an operator ends: his own, and those of what brought the relay down. */
const HELD_FOR_A_PERSON = new Set(['operator', 'crash']);

/** Releases every recipient that routing no longer holds. What waits for an operator only an operator releases. */
export async function recheckHeld(
  dispatch: Dispatch,
  deps: { readonly due: DueMail; readonly routing: Routing; readonly clock: Clock },
): Promise<void> {
  const { due, routing, clock } = deps;
  let settled: Promise<boolean>[] = [];
  let looked = 0;
  for (const id of Array.from(due.held?.() ?? dispatch.held)) {
    if (dispatch.stopped) return;
    const message = due.load(id);
    const held = message?.recipients.filter((recipient) => recipient.state === 'held') ?? [];
    if (held.length === 0) dispatch.held.delete(id);
    if (message === undefined) continue;
    const ledger = openLedger();
    for (const recipient of held) {
      if (HELD_FOR_A_PERSON.has(recipient.heldBy ?? '')) continue;
      const decision = routing.decide(message, recipient);
      if (decision.kind !== 'hold') enterRelease(ledger, message, recipient, decision, clock.now());
    }
    if (ledger.changes.length > 0) {
      if (dispatch.claims.isShared(id)) dispatch.claims.lookAgain(id, clock.now());
      settled.push(dispatch.commits.commit(message, ledger));
    }
    looked += 1;
    if (looked % BATCH > 0) continue;
    await Promise.all(settled);
    settled = [];
    await breath();
  }
  await Promise.all(settled);
}

/** Mail parked for a closed lane that belongs elsewhere now need not wait for its own time (R1). */
export async function recheckParked(dispatch: Dispatch): Promise<void> {
  for (const lane of dispatch.lanes.all()) {
    if (!dispatch.isClosed(lane)) continue;
    let settled: Promise<boolean>[] = [];
    let looked = 0;
    for (const id of Array.from(lane.parked)) {
      if (dispatch.stopped) return;
      const moved = dispatch.parking.wakeMoved(lane, id);
      if (moved !== undefined) settled.push(moved);
      looked += 1;
      if (looked % BATCH > 0) continue;
      await Promise.all(settled);
      settled = [];
      await breath();
    }
    await Promise.all(settled);
  }
}
