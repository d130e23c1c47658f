/** What the relay and its directory say of themselves. Pure. */
import type { Report } from './finding.ts';
import type { DirectoryState, DoctorSettings, RelayState, RelayStatus } from './ports.ts';

const DAY = 86_400_000;
/** A comparison with an older export says little. */
const OLD_EXPORT = 7 * DAY;

export function judgeDirectory(
  report: Report,
  settings: DoctorSettings,
  { recipients, counts, sources, version }: DirectoryState,
): void {
  if (recipients === 0 && settings.routing.routingDomains.length > 0)
    report.warning('directory-empty', 'directory', {
      what: `the directory (version ${version}) has no recipient`,
      why: 'Nobody is routed to the cloud: migrated users get their mail on-premises',
      remedy: ['bridgehead directory import FILE', 'or name a file, LDAP or Graph under directory.sources'],
    });
  else if (counts.cloud === 0 && settings.routing.routingDomains.length > 0)
    report.note('directory-nobody-moved', 'directory', {
      what: `none of the ${recipients} recipients is in the cloud`,
      why: 'Before the first wave that is as it should be',
      remedy: ['bridgehead wave create NAME FILE'],
    });
  for (const { name, state, error, 'last-success': since } of sources) {
    if (state === 'ok') continue;
    report.add(state === 'never' ? 'error' : 'warning', 'source-failing', name, {
      what: `the source ${name} ${state === 'never' ? 'was never read' : `was last read at ${since}`}${error === null ? '' : `: ${error}`}`,
      why: state === 'never' ? 'Its recipients are unknown' : 'Who is new or has moved since then is routed as before',
      remedy: [`bridgehead directory refresh ${name}`],
    });
  }
}

export type SideCheck = Awaited<ReturnType<RelayState['checkDirectory']>>;

export function judgeSides(report: Report, { severities, sides }: SideCheck, now: number): void {
  const { error, warning } = severities;
  if (error + warning > 0)
    report.add(error > 0 ? 'error' : 'warning', 'sides-disagree', 'directory', {
      what: `on-premises, the cloud and the directory disagree: ${error} ${error === 1 ? 'error' : 'errors'}, ${warning} ${warning === 1 ? 'warning' : 'warnings'}`,
      why: 'Such recipients bounce, loop or get their mail in the wrong mailbox',
      remedy: ['bridgehead directory check'],
    });
  const taken = sides.cloud?.['taken-at'] ?? null;
  if (sides.cloud === null)
    report.note('cloud-side-unknown', 'directory', {
      what: 'nothing tells what is in the cloud',
      why: 'Whether a routing address exists there is known only when mail bounces (C4)',
      remedy: [
        'Get-Recipient -ResultSize Unlimited | Export-Csv cloud.csv   # in Exchange Online; the columns: README, "Compare both sides"',
        'bridgehead directory check --cloud cloud.csv',
      ],
    });
  else if (taken !== null && now - Date.parse(taken) > OLD_EXPORT)
    report.note('cloud-side-old', 'directory', {
      what: `what is known of the cloud is from ${taken}`,
      why: 'A wave is checked against it before it is switched (C4)',
      remedy: ['export it anew, and: bridgehead directory check --cloud FILE'],
    });
}

export function judgeStatus(report: Report, settings: DoctorSettings, status: RelayStatus, now: number): void {
  const { running, accepting, why, queue, connectors, findings } = status;
  if (!running) report.unknown('the running relay: its limits, its user, who uses it', 'no relay runs on this data directory');
  else if (!accepting)
    report.error('not-accepting', 'relay', {
      what: `the relay takes no mail: ${why ?? 'it does not say why'}`,
      why: 'Senders hear 421 or 451 and try again for some days',
      remedy: ['bridgehead status'],
    });
  if (queue.oldest !== null && now - Date.parse(queue.oldest) > settings.delivery.warnAfter)
    report.warning('queue-old', 'queue', {
      what: `the oldest of ${queue.messages} queued messages is there since ${queue.oldest}`,
      why: 'Its sender has been warned, and gets it back when queue.expire-after is over',
      remedy: ['bridgehead queue list', 'bridgehead connector list'],
    });
  for (const { name, state, 'paused-by': by } of connectors) {
    // a pause by the relay itself is among the findings, with its cause
    if (state === 'paused' && by === 'operator')
      report.note('connector-paused', name, {
        what: `${name} is paused by an operator`,
        why: 'Mail for it waits, and does not expire',
        remedy: [`bridgehead connector resume ${name}`],
      });
  }
  for (const { code, severity, problem, remedy } of findings) {
    // what the checks of the other areas say with more words
    const isSaidElsewhere =
      /^\S+ (?:is not|was) verified/.test(problem) ||
      code?.startsWith('certificate-') === true ||
      code === 'running-as-root' ||
      code === 'data-directory-open' ||
      /^bridgehead (?:directory check$|connector test )/.test(remedy ?? '');
    if (severity === 'info' || isSaidElsewhere) continue;
    report.add(severity === 'error' ? 'error' : 'warning', 'status-finding', 'relay', {
      what: problem,
      why: 'The relay itself reports it (bridgehead status)',
      remedy: remedy === null ? ['bridgehead status'] : [remedy],
    });
  }
}

export function judgeAlerts(report: Report, { alerts }: DoctorSettings): void {
  if (alerts.mailTo.length > 0 || alerts.webhookFile !== undefined) return;
  report.note('alerts-unset', 'alerts', {
    what: 'nobody is told when something needs a person',
    why: 'A full disk, a paused connector or an ending certificate is then seen by whoever looks at the page',
    remedy: ['alerts: { mail-to: [ADDRESS-OUTSIDE-THIS-RELAY] }'],
  });
}

/** RFC 2142, RFC 5321 §4.5.1: reachable at every domain. */
export function judgeRole(report: Report, address: string, answer: { readonly reply: string; readonly reason: string }): void {
  if (answer.reply.startsWith('2')) return;
  const isPostmaster = address.startsWith('postmaster@');
  report.add(isPostmaster ? 'error' : 'warning', isPostmaster ? 'postmaster-refused' : 'abuse-refused', address, {
    what: `mail to ${address} is answered with ${answer.reply} (${answer.reason})`,
    why: isPostmaster
      ? 'RFC 5321 §4.5.1 requires it, and some servers take no mail from a domain without one'
      : 'RFC 2142: complaints about spam go there; who gets no answer lists the relay',
    remedy: [`bridgehead explain ${address}`, `bridgehead directory set ${address} --route on-premises --reason "role address"`],
  });
}
