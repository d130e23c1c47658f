/** Holds what happened to a sample against what should have. Pure. */
import type { EventRecord } from '../mail/event.ts';
import type { Taken } from './pretend-server.ts';
import { messageIdOf, type Sample, type SiteName } from './samples.ts';
import type { SendResult } from './send.ts';

export interface Arrival extends Taken {
  readonly site: SiteName;
}

/** The records of a sample: by its Message-ID; a refusal in session has none, so by its recipient. */
export function eventsOf(sample: Sample, events: readonly EventRecord[]): EventRecord[] {
  const id = messageIdOf(sample);
  const refused = new Set(
    sample.expect.filter((expectation) => expectation.refused !== undefined).map(({ recipient }) => recipient),
  );
  return events.filter((event) => event['message-id'] === id || (event.event === 'REJECT' && refused.has(event.recipient ?? '')));
}

/** How many arrivals a sample must have; the demo waits for all of them. */
export function arrivalsDue(samples: readonly Sample[]): number {
  return samples.flatMap((sample) => sample.expect).filter((expectation) => expectation.arrivesAt !== undefined).length;
}

/** What went wrong with a sample; empty where all is as it should be. */
export function problemsOf(
  sample: Sample,
  sent: SendResult,
  arrivals: readonly Arrival[],
  events: readonly EventRecord[],
): string[] {
  const problems: string[] = [];
  if (sent.error !== undefined) problems.push(`the sending server was told: ${sent.error}`);
  const mine = arrivals.filter((arrival) => arrival.messageId === messageIdOf(sample));
  const wanted = sample.expect.filter((expectation) => expectation.arrivesAt !== undefined).length;
  const got = mine.reduce((sum, arrival) => sum + arrival.recipients.length, 0);
  if (got > wanted) problems.push(`arrived ${got} times in place of ${wanted}`);

  for (const { recipient, refused, arrivesAt, arrivesAs, tls } of sample.expect) {
    const reply = sent.refused.get(recipient);
    if (refused !== undefined) {
      if (reply?.startsWith(refused) !== true) problems.push(`${recipient}: expected ${refused}, got ${reply ?? 'no refusal'}`);
      if (!events.some((event) => event.event === 'REJECT')) problems.push(`${recipient}: the refusal is not on record`);
      continue;
    }
    if (reply !== undefined) problems.push(`${recipient}: refused with ${reply}`);
    if (!mine.some((arrival) => arrival.site === arrivesAt && arrival.recipients.includes(arrivesAs ?? ''))) {
      problems.push(`${recipient}: did not arrive at ${arrivesAt} as ${arrivesAs}`);
    }
    const relayed = events.find((event) => event.event === 'SEND' && event.recipient === arrivesAs);
    if (relayed === undefined) problems.push(`${recipient}: no SEND is on record`);
    else if (relayed.tls?.result !== tls)
      problems.push(`${recipient}: left with TLS "${relayed.tls?.result}" in place of "${tls}"`);
  }
  const inward = events.find((event) => event.event === 'RECEIVE');
  if (inward !== undefined && (inward.tls?.result === 'not-used') === sample.startTls) {
    problems.push(`arrived at the relay with TLS "${inward.tls?.result}"`);
  }
  return problems;
}
