/** Checks on accepted domains: a way to their on-premises side, and somebody to ask about unknown recipients. */
import { asConnector, type ChooseConnector, chooseConnector } from './address-spaces.ts';
import { type Findings, known, type SettingPath } from './mistakes.ts';
import type { SettingsFile } from './schema.ts';

export function checkDomains(raw: SettingsFile, findings: Findings): void {
  const firsts = new Map<string, number>();
  const choose = chooseConnector(raw.connectors.map(asConnector));
  raw.domains.forEach((domain, index) => {
    const name = domain.name.name;
    const at = ['domains', index] as const;
    const key = `${domain.name.includeSubdomains ? '*.' : ''}${name}`;
    const first = firsts.get(key);
    if (first === undefined) firsts.set(key, index);
    else findings.mistake([...at, 'name'], `${name} stands here twice (domains[${first}])`, 'Keep one of them');
    if (raw.cloud['routing-domains'].includes(name)) {
      findings.mistake(
        [...at, 'name'],
        `${name} is a routing domain of the cloud`,
        'Keep it under cloud.routing-domains alone; outsiders may not write to it (G10)',
      );
    }
    const unknown = domain['unknown-recipients'] ?? (domain.type === 'authoritative' ? 'reject' : 'on-premises');
    const side = choose(name, 'external') ?? choose(name, 'internal');
    checkOnPremisesSide(raw, findings, at, { name, unknown, side, mx: domain.mx });
    if (unknown === 'cloud' && raw.cloud['routing-domains'].length === 0) {
      findings.mistake(
        [...at, 'unknown-recipients'],
        'unknown recipients go to the cloud, and no routing domain is set',
        'Set cloud.routing-domains: [tenant.mail.onmicrosoft.com]',
      );
    }
    if (unknown === 'reject' && raw.directory.sources.length === 0) {
      findings.note(
        [...at, 'unknown-recipients'],
        `${name} refuses all recipients: there is no directory`,
        'Name a file under directory.sources, or import one',
      );
    }
    checkVerify(raw, findings, index, { unknown, choose });
    const proof = domain.verification;
    if (proof !== undefined && proof.cname === undefined && proof.txt === undefined)
      findings.mistake([...at, 'verification'], 'nothing to look for', 'Write cname: { record, target } or txt: "MS=..."');
  });
}

interface DomainSide {
  readonly name: string;
  readonly unknown: string;
  readonly side: ReturnType<typeof asConnector> | undefined;
  readonly mx: string;
}

/** R20: the MX of a domain in coexistence is us (or the cloud); its on-premises side needs an explicit host. */
function checkOnPremisesSide(
  raw: SettingsFile,
  findings: Findings,
  at: SettingPath,
  { name, unknown, side, mx }: DomainSide,
): void {
  if (side === undefined) {
    const found = `no connector has ${name} among its address spaces`;
    const remedy = `Add a connector with address-spaces: [${name}] and next-hop: { smart-hosts: ["your.server:25"] }`;
    if (unknown === 'on-premises') findings.mistake([...at, 'name'], found, remedy);
    else findings.note([...at, 'name'], `${found}; recipients on-premises cannot be reached`, remedy);
    return;
  }
  if (raw.connectors[side.index]?.['next-hop'].mx !== true) return;
  const asterisk = raw.connectors[side.index]?.['address-spaces'].every((space) => space.pattern !== name);
  const where = mx === 'relay' ? 'this relay' : 'the cloud';
  const problem = `R20: ${name} on-premises would be looked up by MX, which leads to ${where}`;
  const remedy = `Give ${asterisk === true ? `${name} a connector of its own` : `the connector "${side.name}"`} with an explicit host: next-hop: { smart-hosts: ["10.1.0.5:25"] }`;
  if (unknown === 'on-premises' || asterisk !== true)
    findings.mistake(asterisk === true ? [...at, 'name'] : ['connectors', side.index, 'next-hop'], problem, remedy);
  else findings.note([...at, 'name'], problem, remedy);
}

interface Asking {
  readonly unknown: string;
  readonly choose: ChooseConnector<ReturnType<typeof asConnector>>;
}

function checkVerify(raw: SettingsFile, findings: Findings, index: number, { unknown, choose }: Asking): void {
  const verify = raw.domains[index]?.['verify-recipients'];
  if (typeof verify !== 'object') return;
  const at = ['domains', index, 'verify-recipients'] as const;
  const named = raw.connectors.find((connector) => connector.name === verify.at);
  if (named === undefined && verify.at !== 'on-premises') {
    findings.mistake(
      [...at, 'at'],
      `there is no connector "${verify.at}"`,
      known(raw.connectors.map((connector) => connector.name)),
    );
  }
  const asked = named ?? choose(raw.domains[index]?.name.name ?? '', 'external');
  const hop = asked === undefined ? undefined : raw.connectors.find((connector) => connector.name === asked.name)?.['next-hop'];
  if (hop !== undefined && hop['smart-hosts'] === undefined && hop.lmtp === undefined) {
    findings.mistake(
      [...at],
      `connector "${asked?.name}" speaks neither SMTP with a fixed host nor LMTP, so nobody can be asked`,
      'Write verify-recipients: off',
    );
  }
  if (unknown !== 'on-premises')
    findings.note(
      [...at],
      `unknown recipients are not sent on-premises (${unknown}), so nobody is asked`,
      'Remove it, or write unknown-recipients: on-premises',
    );
}
