/** What `status` says needs a person, of what is known with a relay and without one. */
import { formatReply, type SmtpReply } from '../mail/reply.ts';
import type { Status } from './contract.ts';
import type { Pause } from './ports.ts';

/** Connectors that something other than an operator paused (R18): nobody knows of it unless told. */
export function pauseFindings(
  connectors: readonly { readonly name: string }[],
  pauseOf: (name: string) => Pause | undefined,
): Status['findings'] {
  return connectors.flatMap(({ name }) => {
    const pause = pauseOf(name);
    if (pause === undefined || pause.by === 'operator') return [];
    return [
      {
        code: `connector-paused:${name}`,
        severity: 'error' as const,
        problem: `${name} is paused since ${new Date(pause.since).toISOString()}: ${pause.by}`,
        remedy: `mend the cause, then bridgehead connector resume ${name}`,
      },
    ];
  });
}

/** Mail whose body is not the one that was accepted: it waits until it expires, and its sender is told then. */
export function corruptFindings(ids: readonly string[]): Status['findings'] {
  const [first] = ids;
  if (first === undefined) return [];
  return [
    {
      code: 'spool-corrupt',
      severity: 'error',
      problem: `${ids.length === 1 ? 'a message' : `${ids.length} messages`} changed in the spool and ${ids.length === 1 ? 'is' : 'are'} not delivered (${ids.slice(0, 3).join(', ')}): the disk or the memory of this machine is at fault`,
      remedy: `look at the machine, then bridgehead queue expire --id ${first}: its sender is told`,
    },
  ];
}

interface StoreStats {
  stats(): {
    /** `since`: milliseconds since the epoch. */
    readonly failure: { readonly since: number; readonly reason: string } | undefined;
    readonly setAside: number;
    readonly spaceWanted?: number | undefined;
    /** Messages over which the relay died again and again. */
    readonly culprits?: readonly string[];
    /** Those of them that are tried once more without an operator. */
    readonly onTrialSoon?: readonly string[];
  };
}

/** `intake` is what stores the records; absent without a relay. */
export function storeFindings(spool: StoreStats, intake?: { readonly failing?: string }): Status['findings'] {
  const found: Status['findings'] = [];
  const { failure, setAside, spaceWanted, culprits = [], onTrialSoon = [] } = spool.stats();
  if (failure !== undefined) {
    const since = new Date(failure.since).toISOString();
    found.push({
      code: 'spool-failing',
      severity: 'error',
      problem: `the spool fails since ${since}: ${failure.reason}; mail is refused with 451`,
      remedy: 'look at the disk of data-directory; the relay tries again by itself',
    });
  }
  if (spaceWanted !== undefined) {
    const size = Math.ceil(spaceWanted / 2 ** 20);
    found.push({
      severity: 'error',
      problem: `the disk of data-directory is nearly full, or out of inodes: mail is refused with 452 until ${size} MiB are free; queued mail still leaves`,
      remedy: 'make room there: df -h and df -i show what is left',
    });
  }
  if (culprits.length > 0) {
    found.push({
      severity: 'error',
      problem: `the relay died again and again while it delivered ${culprits.join(', ')}: ${
        onTrialSoon.length === culprits.length
          ? 'held, and tried once more, alone, when the relay has been up for a minute'
          : 'held, so that it does not die over it once more'
      }`,
      remedy: `look at it (bridgehead trace --id ${culprits[0]}), report it with the log of the end; bridgehead queue release --id ${culprits[0]} tries it again`,
    });
  }
  if (setAside > 0) {
    found.push({
      code: 'spool-set-aside',
      severity: 'error',
      problem: `${setAside} messages were set aside at the start: their bodies are missing or damaged`,
      remedy: 'the log of the start names each; restore their body files and restart',
    });
  }
  if (intake?.failing !== undefined) {
    found.push({
      code: 'evidence-failing',
      severity: 'error',
      problem: `records cannot be stored: ${intake.failing}; they wait in the spool`,
      remedy: 'look at the disk of data-directory',
    });
  }
  return found;
}

interface LaneState {
  readonly lane: string;
  readonly connector: string;
  readonly state: string;
  /** Milliseconds since the epoch. */
  readonly downSince?: number;
  /** The answer or error that closed it. */
  readonly downReply?: SmtpReply;
}

/** Next hops of ours that take no mail, and why. A stranger's, found by MX, is a note: it is the stranger's trouble. */
export function nextHopFindings(
  lanes: readonly LaneState[],
  connectors: readonly { readonly name: string; readonly side: string; readonly nextHop: { readonly kind: string } }[],
  now: number,
): Status['findings'] {
  const strangers = new Set(
    connectors.filter(({ side, nextHop }) => side === 'internet' && nextHop.kind === 'mx').map(({ name }) => name),
  );
  return lanes
    .filter(({ state }) => state === 'backing-off')
    .map(({ lane, connector, downSince, downReply }) => ({
      code: `next-hop-down:${lane}`,
      severity: strangers.has(connector) ? ('info' as const) : ('warning' as const),
      problem: `${lane}: ${stateOf(downReply)} since ${new Date(downSince ?? now).toISOString()}${downReply === undefined ? '' : `: ${formatReply(downReply)}`}`,
      remedy: remedyFor(connector, downReply),
    }));
}

/** RFC 3463 §3.5 and §3.8 as delivery uses them: 4.4.x the network, 4.7.4 and 4.7.5 its own word on TLS. */
function stateOf(reply: SmtpReply | undefined): string {
  if (reply === undefined || reply.enhanced?.startsWith('4.4.') === true) return 'the next hop does not answer';
  return isTls(reply) ? 'mail waits for the TLS of the next hop' : 'the next hop takes no mail';
}

const isTls = ({ enhanced }: SmtpReply): boolean => enhanced === '4.7.4' || enhanced === '4.7.5';

function remedyFor(connector: string, reply: SmtpReply | undefined): string {
  const test = `bridgehead connector test ${connector}`;
  return reply !== undefined && isTls(reply) ? `${test}; bridgehead connector tls ${connector} tells what it was before` : test;
}
