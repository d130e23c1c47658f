/** What a domain tells other servers about mail from it and TLS to it: SPF, DMARC, MTA-STS, TLSA, TLS-RPT. Pure. */
import { isPrivate } from './addresses.ts';
import type { CertificateFacts } from './certificate-facts.ts';
import type { DomainDns, OutgoingAddress, RelayDns } from './dns-facts.ts';
import { isHere } from './domain-dns.ts';
import type { Report } from './finding.ts';
import type { DoctorSettings } from './ports.ts';
import { MOST_LOOKUPS, openTerm, spfResult } from './spf.ts';

const CLOUD_SPF = 'spf.protection.outlook.com';
const CLOUD_INCLUDES = /^spf\.protection\.(?:outlook\.com|office365\.us|partner\.outlook\.cn)$/;

export function judgeSpf(
  report: Report,
  { routing }: DoctorSettings,
  outgoing: readonly OutgoingAddress[],
  { domain: { name }, spf }: DomainDns,
): void {
  const { records, tree, lookups, includes, problems, unanswered } = spf;
  const ours = outgoing.map(({ address }) => address).filter((address) => !isPrivate(address));
  const terms = ours.map((address) => `${address.includes(':') ? 'ip6' : 'ip4'}:${address}`);
  const cloud = routing.routingDomains.length > 0 ? [`include:${CLOUD_SPF}`] : [];
  if (unanswered.length > 0) report.unknown(`the SPF record of ${name}, or a part of it`, unanswered.slice(0, 3).join('; '));
  if (records.length === 0) {
    if (unanswered.length > 0) return;
    return report.warning('spf-missing', name, {
      what: `${name} has no SPF record`,
      why: 'Anybody can send as the domain, and receivers distrust what really comes from it',
      remedy: [`${name}. IN TXT "v=spf1 ${[...terms, ...cloud].join(' ')} ~all"`],
    });
  }
  if (records.length > 1 || tree === undefined)
    return report.error('spf-several', name, {
      what: `${name} has ${records.length} SPF records: ${records.map((one) => `"${one}"`).join(', ')}`,
      why: 'With more than one, none counts (permerror, RFC 7208 §4.5): DMARC fails for mail that has no DKIM signature',
      remedy: [`join them into one TXT record, and remove the others: dig TXT ${name}`],
    });
  if (problems.length > 0)
    report.error('spf-broken', name, {
      what: `the SPF record of ${name} cannot be evaluated: ${problems.slice(0, 3).join('; ')}`,
      why: 'A receiver stops there with a permanent error (RFC 7208 §4.6), as if there were no record',
      remedy: [`mend it: ${name}. IN TXT "${tree.text}"`],
    });
  if (lookups > MOST_LOOKUPS)
    report.error('spf-too-many-lookups', name, {
      what: `the SPF record of ${name} needs ${lookups > 20 ? 'more than 20' : lookups} look-ups in DNS, through ${[...new Set(includes)].join(', ')}`,
      why: 'After ten receivers stop with a permanent error (RFC 7208 §4.6.4)',
      remedy: [
        'write ip4: and ip6: in place of a, mx and of includes of servers that are yours, and remove services that you left',
      ],
    });
  const open = openTerm(tree);
  if (open !== undefined)
    report.error('spf-everybody', name, {
      what: `the SPF record of ${name} lets everybody send: "${open}"`,
      why: 'Forged mail passes as yours',
      remedy: [`end it with ~all or -all: ${name}. IN TXT "${tree.text.replace(/\s\+?all\b/i, ' ~all')}"`],
    });
  else judgeSenders(report, name, spf, ours);
  if (
    routing.routingDomains.length > 0 &&
    problems.length === 0 &&
    !includes.some((one) => CLOUD_INCLUDES.test(one)) &&
    unanswered.length === 0
  )
    report.warning('spf-without-cloud', name, {
      what: `the SPF record of ${name} does not include ${CLOUD_SPF}: "${tree.text}"`,
      why: 'What migrated users send leaves from Exchange Online, fails SPF and lands in junk',
      remedy: [`${name}. IN TXT "${tree.text.replace(/^v=spf1/i, `v=spf1 include:${CLOUD_SPF}`)}"`],
    });
}

function judgeSenders(report: Report, name: string, { tree, problems }: DomainDns['spf'], ours: readonly string[]): void {
  if (tree === undefined || problems.length > 0) return;
  const refused = ours
    .map((address) => ({ address, result: spfResult(tree, address) }))
    .filter(({ result }) => result !== 'pass');
  for (const { address } of refused.filter(({ result }) => result === 'unknown'))
    report.unknown(
      `whether the SPF record of ${name} lets ${address} send`,
      'it depends on macros, or on an answer that DNS did not give',
    );
  const failing = refused.filter(({ result }) => result !== 'unknown');
  if (failing.length === 0) return;
  const terms = failing.map(({ address }) => `${address.includes(':') ? 'ip6' : 'ip4'}:${address}`).join(' ');
  report.warning('spf-without-relay', name, {
    what: `the SPF record of ${name} does not let this relay send: ${failing.map(({ address, result }) => `${address} is ${result}`).join(', ')} by "${tree.text}"`,
    why: 'What on-premises users send through the relay fails SPF: junk, or refused by DMARC (G3)',
    remedy: [`${name}. IN TXT "${tree.text.replace(/^v=spf1/i, `v=spf1 ${terms}`)}"`],
  });
}

/** A policy that does not fit our name or our certificate stops mail from everybody who keeps to it (RFC 8461 §4). */
export function judgeMtaSts(
  report: Report,
  settings: DoctorSettings,
  relay: RelayDns,
  certificate: CertificateFacts,
  facts: DomainDns,
): void {
  const { domain, mtaSts, exchangers, mxSide } = facts;
  const { txt, policy } = mtaSts;
  const { name } = domain;
  const url = policyUrl(name);
  if (txt.kind === 'unanswered') return report.unknown(`the MTA-STS record of ${name}`, txt.why);
  if (policy === undefined) return;
  if ('error' in policy || policy.status !== 200)
    return report.warning('mta-sts-no-policy', name, {
      what: `_mta-sts.${name} announces a policy, and ${url} does not give it: ${'error' in policy ? policy.error : `HTTP ${policy.status}`}`,
      why: 'Senders keep to the policy that they fetched last, until it ends; then nothing protects the domain',
      remedy: [
        `serve the policy at ${url}, with a certificate of mta-sts.${name} that is trusted`,
        `or remove _mta-sts.${name}. IN TXT, once its max_age has gone by`,
      ],
    });
  const fields = policy.body
    .split(/\r?\n/)
    .map((line) => /^([a-z_]+)\s*:\s*(.*?)\s*$/i.exec(line))
    .filter((match) => match !== null);
  const of = (field: string): string[] =>
    fields.filter((match) => match[1]?.toLowerCase() === field).map((match) => (match[2] ?? '').toLowerCase());
  const [mode = 'none'] = of('mode');
  if (mode === 'none') return;
  const severity = mode === 'enforce' ? 'error' : 'warning';
  const patterns = of('mx');
  const uncovered = exchangers
    .map(({ host }) => host.name)
    .filter((host) => host !== '' && !patterns.some((pattern) => fitsPattern(host, pattern)));
  const stops =
    mode === 'enforce'
      ? 'Senders that keep to MTA-STS do not deliver to it: mail waits and bounces (450 4.4.8, 5.4.8)'
      : 'In mode testing senders only report it; with mode enforce mail would stop';
  if (uncovered.length > 0)
    report.add(severity, 'mta-sts-mx', name, {
      what: `the MTA-STS policy of ${name} (mode ${mode}) names ${patterns.join(', ') || 'no mx'}, and the MX is ${uncovered.join(', ')}`,
      why: stops,
      remedy: [...uncovered.map((host) => `${url}: mx: ${host}`), `then _mta-sts.${name}. IN TXT "v=STSv1; id=NEW-ID"`],
    });
  const ours = mxSide === 'relay' ? exchangers.filter((one) => isHere(one, settings, relay)) : [];
  if (ours.length === 0 || certificate.kind !== 'read') return;
  const [own] = certificate.chain;
  const wrong =
    certificate.ends !== 'trusted'
      ? `is ${certificate.ends === 'self-signed' ? 'self-signed' : 'not signed by a public authority'}`
      : ours.some(({ host }) => own?.covers(host.name) !== true)
        ? `does not name ${ours.map(({ host }) => host.name).join(', ')}`
        : undefined;
  if (wrong !== undefined)
    report.add(severity, 'mta-sts-certificate', name, {
      what: `the MTA-STS policy of ${name} (mode ${mode}) asks for a trusted certificate of the MX, and ours (${certificate.file}) ${wrong}`,
      why: stops,
      remedy: [
        `tls: a certificate of a public authority for ${ours.map(({ host }) => host.name).join(', ')}, with its intermediates`,
        `or ${url}: mode: none`,
      ],
    });
}

export const policyUrl = (domain: string): string => `https://mta-sts.${domain}/.well-known/mta-sts.txt`;

/** RFC 8461 §4.1: `*.example.com` stands for one label. */
function fitsPattern(host: string, pattern: string): boolean {
  const plain = pattern.replace(/\.$/, '');
  return plain.startsWith('*.') ? host.slice(host.indexOf('.') + 1) === plain.slice(2) : host === plain;
}

/** TLSA records of our MX name that our certificate does not fit (RFC 7672 §3.1). */
export function judgeTlsa(
  report: Report,
  settings: DoctorSettings,
  relay: RelayDns,
  certificate: CertificateFacts,
  { domain: { name }, exchangers }: DomainDns,
): void {
  for (const exchanger of exchangers) {
    const { host, tlsa } = exchanger;
    if (!isHere(exchanger, settings, relay)) continue;
    const at = `_25._tcp.${host.name}`;
    if (tlsa.kind === 'unanswered') {
      report.unknown(`the TLSA records of ${host.name}`, tlsa.why);
      continue;
    }
    if (tlsa.kind === 'absent' || certificate.kind !== 'read') continue;
    const [own, ...issuers] = certificate.chain;
    const fits = tlsa.records.some(({ value }) => own !== undefined && fitsTlsa(value, own, issuers));
    if (fits) continue;
    report.add(tlsa.authenticated ? 'error' : 'warning', 'tlsa-mismatch', host.name, {
      what: `the TLSA records of ${at} (${tlsa.records.map(({ value }) => tlsaText(value)).join('; ')}) do not fit our certificate ${certificate.file}`,
      why: tlsa.authenticated
        ? `Senders that keep to DANE do not deliver to ${name}: mail waits and bounces (4.7.323)`
        : `With DNSSEC senders that keep to DANE would not deliver to ${name}; our resolver does not vouch for the zone`,
      remedy: [`${at}. IN TLSA 3 1 1 ${own?.tlsa.key[1] ?? ''}`],
    });
  }
}

/** Usage 2 (an issuer in what we send) or 3 (our own); 0 and 1 do not count in SMTP (RFC 7672 §3.1.3). */
function fitsTlsa(hex: string, own: { tlsa: Tlsa }, issuers: readonly { tlsa: Tlsa }[]): boolean {
  const [usage, selector, matching] = Buffer.from(hex.slice(0, 6), 'hex');
  const data = hex.slice(6);
  if (usage !== 2 && usage !== 3) return false;
  const candidates = usage === 3 ? [own] : issuers;
  return candidates.some(({ tlsa }) => (selector === 1 ? tlsa.key : tlsa.certificate)[matching ?? 3] === data);
}

type Tlsa = Readonly<Record<'certificate' | 'key', readonly [string, string, string]>>;

const tlsaText = (hex: string): string => `${[...Buffer.from(hex.slice(0, 6), 'hex')].join(' ')} ${hex.slice(6, 22)}…`;

/** What others may do with mail that fails, and where they report to. */
export function judgeReports(report: Report, { domain: { name }, dmarc, tlsRpt, mtaSts }: DomainDns): void {
  if (dmarc.kind === 'unanswered') report.unknown(`the DMARC record of ${name}`, dmarc.why);
  const policy = textOf(dmarc, /^v=DMARC1\s*;/i);
  const [, asked] = /;\s*p\s*=\s*(reject|quarantine)\b/i.exec(policy ?? '') ?? [];
  if (policy === undefined && dmarc.kind !== 'unanswered')
    report.note('dmarc-missing', name, {
      what: `${name} has no DMARC record`,
      why: 'Nobody reports forged mail in its name to you; large receivers ask bulk senders for one',
      remedy: [`_dmarc.${name}. IN TXT "v=DMARC1; p=none; rua=mailto:dmarc@${name}"`],
    });
  else if (asked !== undefined)
    report.note('dmarc-strict', name, {
      what: `${name} has DMARC with p=${asked.toLowerCase()}`,
      why: 'What users forward or lists resend keeps its DKIM signature through the relay, which changes nothing; mail that has only SPF is refused behind a forward',
      remedy: ['sign with DKIM on-premises and in the cloud: New-DkimSigningConfig'],
    });
  if (mtaSts.policy !== undefined && tlsRpt.kind === 'absent')
    report.note('tls-rpt-missing', name, {
      what: `${name} has an MTA-STS policy and no TLS reports`,
      why: 'Nobody tells you when senders cannot keep to the policy (RFC 8460)',
      remedy: [`_smtp._tls.${name}. IN TXT "v=TLSRPTv1; rua=mailto:tls-reports@${name}"`],
    });
}

function textOf(answer: DomainDns['dmarc'], pattern: RegExp): string | undefined {
  return answer.kind === 'found' ? answer.records.map(({ value }) => value).find((text) => pattern.test(text)) : undefined;
}
