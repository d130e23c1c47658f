/** The ways out: what a session with each next hop came to, and identities that do not fit (G5, R20, C11, C14). Pure. */
import type { Connector } from '../../mail/route.ts';
import { isLoopbackAddress } from './addresses.ts';
import type { RelayDns, WayOut } from './dns-facts.ts';
import type { Report } from './finding.ts';
import type { ConnectorSession, DoctorSettings } from './ports.ts';

const DAY = 86_400_000;
const OLD_TLS = /^(?:SSLv|TLSv1$|TLSv1\.0$|TLSv1\.1$)/;
/** Milliseconds that two clocks may differ: a greeting may be some seconds old when it is read. */
const CLOCK_SLACK = 120_000;

export interface TestedConnector {
  readonly connector: Connector;
  /** A text is why no session was tried. */
  readonly session: ConnectorSession | string;
  /** Milliseconds since the epoch, when it was over. */
  readonly at: number;
}

export function judgeConnectors(report: Report, settings: DoctorSettings, tested: readonly TestedConnector[]): void {
  const { connectors, routingDomains } = settings.routing;
  for (const one of tested) {
    if (typeof one.session === 'string') report.unknown(`connector ${one.connector.name}`, one.session);
    else judgeSession(report, settings, one.connector, one.session, one.at);
  }
  if (!connectors.some(({ addressSpaces }) => addressSpaces.some(({ pattern }) => pattern === '*')))
    report.warning('internet-connector-missing', 'connectors', {
      what: 'no connector has "*" among its address spaces',
      why: 'Delivery status notifications to senders on the Internet have no way out (C11): they wait, and nobody hears that mail failed',
      remedy: [
        'connectors: - { name: internet, address-spaces: ["*"], next-hop: { mx: true } }',
        'or next-hop: { smart-hosts: [YOUR-GATEWAY] }',
      ],
    });
  for (const connector of connectors) {
    const { name, side, tls, origin } = connector;
    if (side !== 'cloud' || tls.certificate === undefined || origin !== 'any') continue;
    report.warning('origin-unset', name, {
      what: `${name} shows our client certificate for all mail (origin: ${origin})`,
      why: 'What the cloud receives under that identity counts as sent by the organisation: forged mail from outside too (G5, R8)',
      remedy: [
        `connectors: ${name}: origin: internal`,
        `and beside it one without a certificate: { name: ${name}-external, address-spaces: [${routingDomains.join(', ')}], origin: external, ... }`,
      ],
    });
  }
}

function judgeSession(
  report: Report,
  settings: DoctorSettings,
  connector: Connector,
  session: ConnectorSession,
  at: number,
): void {
  const { name, nextHop, tls: policy } = connector;
  const { ok, host, problem, reply, tls } = session;
  const where = host ?? 'its next hop';
  if (!ok) {
    const goesAnywhere =
      host === null && nextHop.kind === 'mx' && connector.addressSpaces.every(({ pattern }) => pattern.includes('*'));
    if (goesAnywhere) return; // no one host stands for the Internet
    const failed =
      tls !== null &&
      ['handshake-failed', 'timed-out', 'refused', 'not-offered', 'encrypted'].includes(tls.result) &&
      tls.ladder !== undefined;
    return report.error(failed ? 'connector-tls' : 'connector-unreachable', name, {
      what: `${name} (tls.mode ${policy.mode}) has no session with ${where}: ${problem ?? reply ?? 'no reason was given'}`,
      why: failed
        ? 'Mail for it waits until TLS succeeds as the mode asks, and bounces in the end'
        : 'Mail for it waits, and bounces when queue.expire-after is over',
      remedy: [
        `bridgehead connector test ${name}`,
        ...(host === null ? [] : [`bridgehead smtp-check ${host.replace(/ \[[^\]]+\]/, '')}`]),
      ],
    });
  }
  judgeProtection(report, connector, session, at);
  judgeExtensions(report, settings, connector, session);
  judgeClock(report, name, where, session.greeting ?? null, at);
}

function judgeProtection(
  report: Report,
  { name, tls: policy, nextHop }: Connector,
  { host, tls }: ConnectorSession,
  at: number,
): void {
  if (tls === null || nextHop.kind === 'maildir' || (nextHop.kind === 'lmtp' && 'unix' in nextHop.endpoint)) return;
  // to a server on this machine, where somebody wrote it down, or where the protocol knows nothing else
  const isNear = /\[(?:127\.[\d.]+|::1)\]/.test(host ?? '') && (policy.mode === 'none' || nextHop.kind === 'lmtp');
  if (!isNear && (policy.mode === 'none' || ['not-offered', 'refused', 'plain-after-failure'].includes(tls.result)))
    report.warning('connector-clear', name, {
      what: `${name} sends in clear to ${host}: ${policy.mode === 'none' ? 'tls.mode none' : tls.result === 'not-offered' ? 'STARTTLS is not offered' : `TLS failed (${tls.ladder?.map(({ offer, error, result }) => `${offer}: ${error ?? result}`).join('; ') ?? tls.result})`}`,
      why: 'Anybody on the way can read and change it',
      remedy:
        policy.mode === 'none'
          ? [`connectors: ${name}: tls: { mode: opportunistic }`]
          : ['switch STARTTLS on at the next hop', `then connectors: ${name}: tls: { mode: required }, so that it stays so`],
    });
  if (tls.protocol !== undefined && OLD_TLS.test(tls.protocol))
    report.warning('connector-old-tls', name, {
      what: `${host} speaks no newer TLS than ${tls.protocol}`,
      why: 'RFC 8996 withdrew it: it is better than clear text, and can be broken',
      remedy: ['update the next hop, or switch TLS 1.2 on there'],
    });
  const certificate = tls['peer-certificate'];
  if (certificate === undefined) return;
  const left = Date.parse(certificate['valid-to']) - at;
  if (left >= 30 * DAY) return;
  const verifies = policy.mode === 'verified';
  report.add(left <= 0 || verifies ? 'warning' : 'note', 'peer-certificate-expiring', name, {
    what: `the certificate of ${host} (${certificate.subject}) ${left <= 0 ? 'ended' : 'ends'} on ${certificate['valid-to']}`,
    why: verifies ? `Then ${name} defers all mail (tls.mode verified)` : `tls.mode ${policy.mode} does not mind; others do`,
    remedy: ['have it renewed at the next hop'],
  });
}

function judgeExtensions(
  report: Report,
  settings: DoctorSettings,
  connector: Connector,
  { host, extensions }: ConnectorSession,
): void {
  if (extensions === undefined || extensions === null) {
    if (connector.nextHop.kind !== 'maildir') report.unknown(`what ${connector.name} offers in EHLO`, 'the test does not tell');
    return;
  }
  const { name } = connector;
  const [, written] = /^SIZE (\d+)$/.exec(extensions.find((one) => one.startsWith('SIZE')) ?? '') ?? [];
  const theirs = written === undefined ? 0 : Number(written);
  const ours = connector.messageSize ?? settings.routing.messageSize;
  if (theirs > 0 && theirs < ours)
    report.warning('size-smaller', name, {
      what: `${host} takes messages of at most ${mebibytes(theirs)}, and ${name} accepts ${mebibytes(ours)} for it`,
      why: 'What is between the two is accepted here and bounced there, in place of a refusal in session (C14)',
      remedy: [`connectors: ${name}: message-size: ${Math.floor(theirs / 1024)}KiB`],
    });
  if (connector.nextHop.kind === 'lmtp') return;
  const lacks = ['PIPELINING', '8BITMIME', 'DSN'].filter((keyword) => !extensions.includes(keyword));
  const whys: Readonly<Record<string, string>> = {
    PIPELINING: 'without PIPELINING each recipient costs a round trip',
    '8BITMIME': 'without 8BITMIME mail in eight bits is passed on all the same, which an old server may spoil',
    DSN: 'without DSN a sender who asks to hear of success hears only that mail was passed on',
  };
  if (lacks.length > 0)
    report.note('extensions-missing', name, {
      what: `${host} does not offer ${lacks.join(', ')}`,
      why: lacks.map((keyword) => whys[keyword]).join('; '),
      remedy: ['nothing, where it is an old server; else look for a firewall that rewrites SMTP ("fixup", "inspect esmtp")'],
    });
}

/** Some servers greet with their time (Exchange, Sendmail); it is the only clock at hand that is not ours. */
function judgeClock(report: Report, name: string, where: string, greeting: string | null, at: number): void {
  const [date] =
    /\b(?:(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), )?\d{1,2} (?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) \d{4} \d\d:\d\d:\d\d (?:[+-]\d{4}|GMT|UTC)/.exec(
      greeting ?? '',
    ) ?? [];
  const theirs = date === undefined ? Number.NaN : Date.parse(date);
  if (Number.isNaN(theirs) || Math.abs(theirs - at) <= CLOCK_SLACK) return;
  report.warning('clock-differs', name, {
    what: `${where} greets with ${date}, and here it is ${new Date(at).toISOString()}: ${Math.round(Math.abs(theirs - at) / 1000)} s apart`,
    why: 'One of the two clocks is wrong: certificates seem expired, delays in headers make no sense, and scheduled switches come at the wrong time',
    remedy: ['timedatectl', 'chronyc tracking'],
  });
}

/** Whether any next hop told its time. */
export const toldTime = (tested: readonly TestedConnector[]): boolean =>
  tested.some(
    ({ session }) => typeof session !== 'string' && /\d{4} \d\d:\d\d:\d\d (?:[+-]\d{4}|GMT|UTC)/.test(session.greeting ?? ''),
  );

/** R20: a next hop that is ourselves. */
export function judgeLoops(
  report: Report,
  settings: DoctorSettings,
  { machine, hostname }: RelayDns,
  waysOut: readonly WayOut[],
): void {
  const { listeners } = settings.reception;
  const isOpen = listeners.some(({ address }) => address === '0.0.0.0' || address === '::');
  const own = new Set([...hostname.addresses, ...listeners.map(({ address }) => address), ...(isOpen ? machine : [])]);
  for (const { connector, hosts } of waysOut) {
    const { nextHop, name } = connector;
    const ports = nextHop.kind === 'smart-hosts' ? new Map(nextHop.hosts.map(({ host, port }) => [host, port])) : undefined;
    const ours = hosts.filter((host) => {
      const port = ports?.get(host.name) ?? 25;
      const listens = listeners.some((listener) => listener.port === port);
      return settings.relayNames.includes(host.name)
        ? listens
        : listens && host.addresses.some((address) => own.has(address) || (isOpen && isLoopbackAddress(address)));
    });
    if (ours.length === 0) continue;
    report.error('connector-loop', name, {
      what: `${name} leads to this relay itself: ${ours.map((host) => `${host.name} is ${host.addresses.join(', ')}`).join('; ')}`,
      why: 'Mail comes back until it has 30 Received fields, and bounces with 5.4.6 (R20)',
      remedy: [`connectors: ${name}: next-hop: { smart-hosts: ["THE-SERVER-BEHIND:25"] }`],
    });
  }
}

const mebibytes = (octets: number): string => `${(octets / 1_048_576).toFixed(octets % 1_048_576 === 0 ? 0 : 1)} MiB`;
