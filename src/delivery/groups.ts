/** Recipients of one message, sorted into lanes. */
import type { Task } from './attempts.ts';
import type { Lane, Waiting } from './lanes.ts';
import type { Part } from './plan.ts';

export interface Group {
  readonly lane: Lane;
  readonly parts: Part[];
}

/** RFC 5321 §4.5.3.1.8: every server takes 100 (the cloud 200, G2). */
const RECIPIENTS_PER_TRANSACTION = 100;

/** What a lane keeps of a task: most often just the id. */
export function waitingOf({ lane, message, share, waitedFor }: Task): Waiting {
  if (waitedFor !== undefined && waitedFor !== lane.connector.side) return { id: message.id, share, waitedFor };
  return share === undefined ? message.id : { id: message.id, share };
}

export function addTo(groups: Group[], lane: Lane, part: Part): void {
  const group = groups.findLast((one) => one.lane === lane);
  if (group !== undefined && group.parts.length < RECIPIENTS_PER_TRANSACTION) group.parts.push(part);
  else groups.push({ lane, parts: [part] });
}
