/** Where the mail of an accepted domain goes by DNS, and the proof that the domain is ours. Pure. */
import { canonical, isIn } from './addresses.ts';
import type { DomainDns, RelayDns } from './dns-facts.ts';
import type { Report } from './finding.ts';
import type { DoctorSettings } from './ports.ts';

/** Seconds: with more than this a switch of the MX, and a mistake in it, lasts long. */
const LONG_TTL = 3600;
const CLOUD_HOSTS =
  /(?:^|\.)(?:mail\.protection\.outlook\.com|mx\.microsoft|mail\.protection\.office365\.us|mail\.protection\.partner\.outlook\.cn)$/;

export type Exchanger = DomainDns['exchangers'][number];

/** Whether an exchanger is this very machine: by its name, or by one of its addresses. */
export function isHere({ host }: Exchanger, settings: DoctorSettings, { hostname, machine }: RelayDns): boolean {
  const { listeners } = settings.reception;
  const isOpen = listeners.some(({ address }) => address === '0.0.0.0' || address === '::');
  const here = new Set([
    ...hostname.addresses,
    ...listeners.map(({ address }) => canonical(address)),
    ...(isOpen ? machine : []),
  ]);
  return host.name === settings.hostname || host.addresses.some((address) => here.has(address));
}

/** This relay, or another of ours (relay-names), which has its own certificate. */
const isOurs = (exchanger: Exchanger, settings: DoctorSettings, relay: RelayDns): boolean =>
  settings.relayNames.includes(exchanger.host.name) || isHere(exchanger, settings, relay);

export function isCloud({ host }: Exchanger, { routingDomains }: RelayDns): boolean {
  return (
    CLOUD_HOSTS.test(host.name) ||
    routingDomains.some(({ mx }) => mx.kind === 'found' && mx.records.some(({ value }) => value === host.name))
  );
}

/** A filter in front of us (peers.gateway) that the MX may name. */
const isGateway = ({ host }: Exchanger, { reception }: DoctorSettings): boolean =>
  reception.peers.some(({ peer, networks }) => peer === 'gateway' && host.addresses.some((address) => isIn(networks, address)));

export function judgeMx(report: Report, settings: DoctorSettings, relay: RelayDns, facts: DomainDns): void {
  const { domain, mx, mxSide, exchangers } = facts;
  const { name } = domain;
  const target =
    mxSide === 'relay' ? `${settings.hostname}.` : 'the host that the admin centre of the cloud shows for the domain';
  switch (mx.kind) {
    case 'unanswered':
      return report.unknown(`the MX of ${name}`, mx.why);
    case 'absent':
      return report.error('mx-missing', name, {
        what: `${name} has no MX record`,
        why: `Senders then try the address of ${name} itself, which is rarely a mail server; mail waits for days and bounces`,
        remedy: [`${name}. 300 IN MX 10 ${target}`],
      });
    case 'found':
      break;
  }
  if (exchangers.some(({ host }) => host.name === ''))
    return report.error('mx-null', name, {
      what: `${name} has a null MX ("MX 0 ."), which says that it takes no mail`,
      why: 'Senders bounce at once with 556 5.1.10 (RFC 7505)',
      remedy: [`${name}. 300 IN MX 10 ${target}`, `remove: ${name}. IN MX 0 .`],
    });
  for (const exchanger of exchangers) judgeExchanger(report, name, exchanger);

  const ttl = Math.min(...mx.records.map((record) => record.ttl));
  if (ttl > LONG_TTL)
    report.note('mx-ttl-long', name, {
      what: `the MX of ${name} has a TTL of ${ttl} s`,
      why: `A switch of the MX takes that long to reach everybody, and so does the way back`,
      remedy: exchangers.map(({ preference, host }) => `before a switch: ${name}. 300 IN MX ${preference} ${host.name}.`),
    });

  const ours = exchangers.filter((one) => isOurs(one, settings, relay));
  const clouds = exchangers.filter((one) => isCloud(one, relay) && !ours.includes(one));
  const gateways = exchangers.filter((one) => isGateway(one, settings));
  const others = exchangers.filter((one) => !ours.includes(one) && !clouds.includes(one) && !gateways.includes(one));
  const list = (which: readonly Exchanger[]): string =>
    which.map(({ preference, host }) => `${preference} ${host.name} (${host.addresses.join(', ') || 'no address'})`).join(', ');
  const meant = mxSide === 'relay' ? [...ours, ...gateways] : clouds;
  if (meant.length === 0 && mxSide === 'relay' && settings.reception.peers.some(({ peer }) => peer === 'gateway'))
    return report.note('mx-in-front', name, {
      what: `the MX of ${name} is ${list(exchangers)}, and not this relay`,
      why: 'With a filter in front (peers.gateway) that is as it should be, where these hosts pass on to the relay',
      remedy: ['nothing, if they are that filter'],
    });
  if (meant.length === 0) {
    const silent = exchangers.find(({ host }) => host.unanswered !== undefined);
    if (silent !== undefined)
      return report.unknown(`whether the MX of ${name} points to the ${mxSide}`, silent.host.unanswered ?? '');
    return report.error(mxSide === 'relay' ? 'mx-not-here' : 'mx-not-cloud', name, {
      what: `the MX of ${name} is ${list(exchangers)}; by the settings it is the ${mxSide}${mxSide === 'relay' ? ` (${settings.hostname})` : ''}`,
      why:
        mxSide === 'relay'
          ? 'Mail passes the relay by: nothing is routed, recorded or protected here'
          : 'Mail does not go where waves, guards and advice assume it',
      remedy: [
        `${name}. 300 IN MX 10 ${target}`,
        `or, if it is meant so: domains: ${name}: mx: ${mxSide === 'relay' ? 'cloud' : 'relay'}`,
      ],
    });
  }
  const strangers = mxSide === 'relay' ? [...clouds, ...others] : others;
  if (strangers.length > 0)
    report.warning('mx-also-elsewhere', name, {
      what: `the MX of ${name} also leads to ${list(strangers)}`,
      why:
        mxSide === 'relay' && clouds.length > 0
          ? 'What the cloud takes directly does not know of mailboxes on-premises, and spammers like the second MX best'
          : 'A backup MX that does not know our recipients accepts mail that we then refuse, and bounces it to forged senders; spammers like it best',
      remedy: strangers.map(({ preference, host }) => `remove: ${name}. IN MX ${preference} ${host.name}.`),
    });
}

function judgeExchanger(report: Report, name: string, { host, preference }: Exchanger): void {
  const record = `${name}. IN MX ${preference} ${host.name}.`;
  if (host.aliases.length > 0)
    report.warning('mx-is-alias', name, {
      what: `the MX host ${host.name} of ${name} is a CNAME for ${host.aliases.join(', ')}`,
      why: 'RFC 2181 §10.3 forbids it, and some senders refuse such an MX or look for a certificate of the other name',
      remedy: [
        `${host.name}. IN A ${host.addresses[0] ?? 'ADDRESS'} in place of the CNAME`,
        `or ${name}. IN MX ${preference} ${host.aliases.at(-1)}.`,
      ],
    });
  if (/^[\d.]+$/.test(host.name))
    report.error('mx-is-address', name, {
      what: `the MX of ${name} is the address ${host.name}`,
      why: 'An MX is a name (RFC 5321 §5.1); senders look for a host that is called so, and find none',
      remedy: [`remove: ${record}`, `${name}. IN MX ${preference} NAME-OF-THE-HOST.`],
    });
  else if (host.addresses.length === 0 && host.unanswered === undefined)
    report.error('mx-no-address', name, {
      what: `the MX host ${host.name} of ${name} has no address`,
      why: 'Senders cannot reach it; where it is the only one, mail bounces',
      remedy: [`${host.name}. IN A ADDRESS`, `or remove: ${record}`],
    });
}

/** 1.2 row 2 of the seed: the cloud strips addresses of an unproven domain. */
export function judgeProof(report: Report, { domain: { name }, proof }: DomainDns): void {
  if (proof === undefined) return;
  const { wanted, isGated, cname, txt } = proof;
  const answers = [cname, txt].filter((answer) => answer !== undefined);
  const found =
    (cname?.kind === 'found' && cname.records.some(({ value }) => value === wanted.cname?.target)) ||
    (txt?.kind === 'found' && txt.records.some(({ value }) => value.trim().toLowerCase() === wanted.txt?.trim().toLowerCase()));
  if (found && isGated)
    report.warning('proof-not-seen', name, {
      what: `the record that proves ${name} to be ours is in DNS, and the relay has not seen it yet`,
      why: 'Until then it refuses the cloud routes of the domain; a running relay looks every 15 minutes',
      remedy: [`bridgehead domain verify ${name}`],
    });
  if (found) return;
  const silent = answers.find((answer) => answer.kind === 'unanswered');
  if (silent?.kind === 'unanswered') return report.unknown(`the proof that ${name} is ours`, silent.why);
  report.error('proof-missing', name, {
    what: `the record that proves ${name} to be ours is not in DNS${cname?.kind === 'found' ? `: ${wanted.cname?.record} is a CNAME for ${cname.records.map(({ value }) => value).join(', ')}` : ''}`,
    why: 'The cloud strips the addresses of a domain that is not verified, and mail then loops (554 5.4.14 ATTR34); a domain that never was verified has its cloud routes refused here',
    remedy: [
      ...(wanted.cname === undefined ? [] : [`${wanted.cname.record}. IN CNAME ${wanted.cname.target}.`]),
      ...(wanted.txt === undefined ? [] : [`${name}. IN TXT "${wanted.txt}"`]),
      `bridgehead domain verify ${name}`,
    ],
  });
}
