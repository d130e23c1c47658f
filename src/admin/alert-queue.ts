/** What waits for one way of telling, bounded. */
import type { Notice } from './alert-book.ts';

export interface Waiting {
  notices: Notice[];
  /** More than could be kept. */
  omitted: number;
  /** Times that telling failed in a row. */
  failures: number;
}

/** Notices that wait for one way of telling. */
const MOST_WAITING = 200;
/** Looks after which what could not be told is given up: it would be old news. */
const MOST_FAILURES = 60;

export const nothingWaits = (): Waiting => ({ notices: [], omitted: 0, failures: 0 });

/** The oldest make room. */
export function queue(waiting: Waiting, notices: readonly Notice[]): void {
  waiting.notices.push(...notices);
  const surplus = Math.max(0, waiting.notices.length - MOST_WAITING);
  waiting.omitted += surplus;
  waiting.notices.splice(0, surplus);
}

/** All of it was told. */
export function told(waiting: Waiting): void {
  waiting.notices = [];
  waiting.omitted = 0;
  waiting.failures = 0;
}

/** It could not be told this time. */
export function giveUpOldNews(waiting: Waiting): void {
  waiting.failures += 1;
  if (waiting.failures >= MOST_FAILURES) told(waiting);
}
