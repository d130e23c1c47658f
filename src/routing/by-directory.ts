/** The route of a recipient that the directory knows. */
import { cloudLeg, type Deciding, isBack, noCloudReply, onPremisesLeg } from './legs.ts';
import type { Found } from './lookup.ts';
import type { DirectoryEntry } from './ports.ts';
import { REPLIES } from './replies.ts';
import { type Decision, deliver, hold, refuse } from './verdicts.ts';

export function decideByDirectory(deciding: Deciding, found: Found): Decision {
  const { entry, tag } = found;
  const { steps } = deciding;
  steps?.push({ step: 'directory', result: `${entry.address.address}: ${entry.route}`, source: entry.source });
  if (tag !== undefined)
    steps?.push({
      step: 'sub-address',
      result: `+${tag} belongs to ${entry.address.address}; an exact entry would win`,
      source: 'R11',
    });
  switch (entry.route) {
    case 'hold':
      return hold(deciding, entry, `directory: ${entry.source}`, reasonOf(deciding, entry, 'hold'));
    case 'cloud': {
      const leg = cloudLeg(deciding, found);
      if (leg === undefined)
        return refuse(
          deciding,
          entry,
          noCloudReply(deciding, REPLIES.noCloud),
          reasonOf(
            deciding,
            entry,
            deciding.routing.isGated(deciding.recipient.domain)
              ? 'migrated; its domain is not verified yet'
              : 'migrated; no way to the cloud',
          ),
        );
      if (!isBack(deciding, leg, 'cloud')) return deliver(deciding, entry, leg, undefined, reasonOf(deciding, entry, 'migrated'));
      steps?.push({ step: 'loop', result: 'came from the cloud and would go back', source: 'R6' });
      return refuse(deciding, entry, REPLIES.loop, reasonOf(deciding, entry, 'migrated; came from the cloud (R6)'));
    }
    case 'on-premises': {
      const leg = onPremisesLeg(deciding, found);
      if (leg === undefined)
        return refuse(
          deciding,
          entry,
          REPLIES.noConnector(deciding.recipient.domain),
          reasonOf(deciding, entry, 'on-premises; no connector'),
        );
      if (!isBack(deciding, leg, 'on-premises'))
        return deliver(deciding, entry, leg, undefined, reasonOf(deciding, entry, 'on-premises'));
      return forward(deciding, found);
    }
    case 'both':
      return decideBoth(deciding, found);
  }
}

/** C9: our own server sends us what we have there: it thinks the mailbox moved. Forward to the cloud, never back. */
function forward(deciding: Deciding, found: Found): Decision {
  const leg = cloudLeg(deciding, found);
  deciding.steps?.push({ step: 'loop', result: 'came from on-premises: forward to the cloud, never back', source: 'C9' });
  if (leg === undefined || isBack(deciding, leg, 'cloud'))
    return refuse(
      deciding,
      found.entry,
      noCloudReply(deciding, REPLIES.loop),
      reasonOf(deciding, found.entry, 'on-premises; came from there (R6)'),
    );
  return deliver(
    deciding,
    found.entry,
    leg,
    undefined,
    reasonOf(deciding, found.entry, 'on-premises; disagreement: on-premises sent it, so forward to the cloud (C9)'),
  );
}

/** C10: the primary side counts, the other gets a copy, and neither goes to the peer the message came from. */
function decideBoth(deciding: Deciding, found: Found): Decision {
  const { entry } = found;
  const cloud = cloudLeg(deciding, found);
  const home = onPremisesLeg(deciding, found);
  const isCloudFirst = entry.primary === 'cloud';
  const mayCloud = cloud !== undefined && !isBack(deciding, cloud, 'cloud') ? cloud : undefined;
  const mayHome = home !== undefined && !isBack(deciding, home, 'on-premises') ? home : undefined;
  const primary = isCloudFirst ? (mayCloud ?? mayHome) : (mayHome ?? mayCloud);
  if (primary === undefined)
    return refuse(
      deciding,
      entry,
      noCloudReply(deciding, REPLIES.loop),
      reasonOf(deciding, entry, 'both; neither side can take it'),
    );
  const second = primary === mayCloud ? mayHome : mayCloud;
  deciding.steps?.push({
    step: 'both',
    result: `${primary.side} counts${second === undefined ? ', no copy: the other side is where it came from or has no way' : `, a copy goes to ${second.side}`}`,
    source: 'C10',
  });
  return deliver(deciding, entry, primary, second, reasonOf(deciding, entry, `both, ${primary.side} first`));
}

/** `directory: migrated (version 12, plain recipients.csv:3)` */
export const reasonOf = (deciding: Deciding, entry: DirectoryEntry, what: string): string =>
  `directory: ${what} (version ${deciding.directory.version}, ${entry.source})`;
