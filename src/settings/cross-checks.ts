/** What no single setting can tell: whether the settings fit together. Pure; each check names the rule it keeps. */
import { isWithin } from '../mail/address.ts';
import { asConnector, chooseConnector } from './address-spaces.ts';
import { checkAuthentication } from './authentication.ts';
import { isLoopback, sourceName } from './compile.ts';
import { checkConnectors } from './connector-checks.ts';
import { checkLiveSource } from './directory-checks.ts';
import { MAX_MISTAKES, type SettingsDocument } from './document.ts';
import { checkDomains } from './domain-checks.ts';
import { checkListeners } from './listener-checks.ts';
import { type Findings, known, type Mistake, type Note } from './mistakes.ts';
import { checkProbes } from './probes.ts';
import type { SettingsFile } from './schema.ts';
import { isEverybody } from './values.ts';

/** Runs every check on a file that its schema takes. */
export function crossCheck(raw: SettingsFile, document: SettingsDocument): { mistakes: Mistake[]; notes: Note[] } {
  const mistakes: Mistake[] = [];
  const notes: Note[] = [];
  const findings: Findings = {
    mistake: (path, problem, remedy) => {
      if (mistakes.length < MAX_MISTAKES) mistakes.push(document.mistake(path, problem, remedy));
    },
    note: (path, problem, remedy) => void notes.push(document.mistake(path, problem, remedy)),
  };
  checkListeners(raw, findings);
  checkNames(raw, findings);
  checkConnectors(raw, findings);
  checkAuthentication(raw, findings);
  checkDomains(raw, findings);
  checkCloud(raw, findings);
  checkPeers(raw, findings);
  checkExempt(raw, findings);
  checkRules(raw, findings);
  checkDirectory(raw, findings);
  checkAdmin(raw, findings);
  checkPostmaster(raw, findings);
  checkProbes(raw, findings);
  checkAlerts(raw, findings);
  noteFewRecipients(raw, findings);
  return { mistakes, notes };
}

function checkNames(raw: SettingsFile, findings: Findings): void {
  if (raw.group !== undefined && raw.user === undefined)
    findings.mistake(['group'], '`user` is missing beside it', 'Name the user too: a group alone would leave the relay root');
  if (!raw.hostname.includes('.')) {
    findings.note(
      ['hostname'],
      `"${raw.hostname}" has no domain`,
      'Use the full name that DNS knows, or other servers refuse it (5.7.506)',
    );
  }
  if (raw['relay-names'] !== undefined && !raw['relay-names'].includes(raw.hostname)) {
    findings.note(
      ['relay-names'],
      `the hostname ${raw.hostname} is not among them`,
      'It is added; write it to keep the list complete',
    );
  }
}

function checkCloud(raw: SettingsFile, findings: Findings): void {
  const choose = chooseConnector(raw.connectors.map(asConnector));
  raw.cloud['routing-domains'].forEach((domain, index) => {
    for (const origin of ['external', 'internal'] as const) {
      if (choose(domain, origin) !== undefined) continue;
      const whose = choose(domain, origin === 'external' ? 'internal' : 'external') === undefined ? '' : ` for ${origin} mail`;
      findings.mistake(
        ['cloud', 'routing-domains', index],
        `no connector${whose} has ${domain} among its address spaces`,
        `Add a connector with address-spaces: [${domain}] and next-hop: { mx: true }`,
      );
      break;
    }
  });
  if (raw.cloud['routing-domains'].length === 0) {
    findings.note(
      ['cloud'],
      'there is no routing domain, so no recipient can be routed to the cloud',
      'Set cloud.routing-domains once the tenant exists',
    );
  }
}

function checkExempt(raw: SettingsFile, findings: Findings): void {
  raw.limits.exempt.forEach((network, index) => {
    if (isEverybody(network))
      findings.mistake(
        ['limits', 'exempt', index],
        `${network} is everybody: no limit would bind anyone`,
        'Name the networks that you trust alone, or switch limits off by name (limits.mode: monitor only watches them)',
      );
  });
}

function checkPeers(raw: SettingsFile, findings: Findings): void {
  for (const peer of ['on-premises', 'cloud', 'gateway'] as const) {
    const who = raw.peers[peer];
    if (who === undefined) continue;
    const at = ['peers', peer] as const;
    who.networks.forEach((network, index) => {
      if (isEverybody(network))
        findings.mistake(
          [...at, 'networks', index],
          `${network} is everybody`,
          'Name the addresses of your servers alone, or the relay is open to all',
        );
    });
    const hasNetworks = who.networks.length > 0 || who['networks-file'] !== undefined;
    const hasNames = who['certificate-names'].length > 0;
    if (!hasNetworks && !hasNames)
      findings.mistake([...at], 'nothing says who this is', 'Add networks, networks-file or certificate-names');
    else if (who.match === 'all' && !(hasNetworks && hasNames)) {
      findings.mistake(
        [...at, 'match'],
        '`all` needs both networks and certificate-names',
        'Add the missing one, or write match: any',
      );
    }
  }
  const filter = raw.peers.gateway;
  if (filter?.['original-client'] === 'xclient' && filter.networks.length === 0 && filter['networks-file'] === undefined) {
    findings.mistake(
      ['peers', 'gateway', 'original-client'],
      'XCLIENT is taken from listed addresses alone, and none is listed',
      'Add networks with the addresses of the filter',
    );
  }
  const cloudMay = raw.peers.cloud?.['relay-to'] ?? [];
  if (cloudMay.some((what) => what !== 'own')) {
    findings.mistake(
      ['peers', 'cloud', 'relay-to'],
      'C1: every tenant comes from the addresses of the cloud, and proof of ours comes only after DATA',
      'Write relay-to: [own]',
    );
  }
  if (raw.peers.cloud !== undefined && Object.keys(raw.cloud.tenant.headers).length === 0) {
    findings.note(
      ['peers', 'cloud'],
      'mail from the cloud cannot be told to be from our tenant (C1)',
      'Set cloud.tenant: { headers: { X-OriginatorOrg: tenant.onmicrosoft.com } }',
    );
  }
}

function checkRules(raw: SettingsFile, findings: Findings): void {
  const names = raw.connectors.map((connector) => connector.name);
  raw.rules.forEach((rule, index) => {
    const at = ['rules', index, 'then'] as const;
    const written = Object.entries(rule.then).filter(([, value]) => value !== undefined);
    if (written.length !== 1)
      findings.mistake(
        [...at],
        `a rule does one thing, and this one ${written.length === 0 ? 'does nothing' : `does ${written.length}`}`,
        'Write one of connector, reject, hold, copy-to',
      );
    for (const key of ['connector', 'copy-to'] as const) {
      const name = rule.then[key];
      if (name !== undefined && !names.includes(name))
        findings.mistake([...at, key], `there is no connector "${name}"`, known(names));
    }
    const domain = rule.when.recipient?.split('@')[1]?.replace(/^\*\.?/, '') ?? '';
    const ours =
      raw.domains.some((accepted) => isWithin(domain, accepted.name.name)) ||
      raw.cloud['routing-domains'].some((routing) => isWithin(domain, routing));
    if (domain !== '' && !ours && rule.then.connector !== undefined) {
      findings.note(
        ['rules', index, 'when', 'recipient'],
        `${domain} is not ours; a rule chooses the way, it does not open the relay`,
        `Add ${domain} under domains if outsiders may write to it`,
      );
    }
  });
}

function checkDirectory(raw: SettingsFile, findings: Findings): void {
  const seen = new Map<string, number>();
  raw.directory.sources.forEach((source, index) => {
    const at = ['directory', 'sources', index] as const;
    const kinds = [source.file, source.ldap, source.graph].filter((kind) => kind !== undefined).length;
    if (kinds !== 1) findings.mistake([...at], 'a source is one thing', 'Write one of file, ldap, graph');
    const name = sourceName(source, index);
    const first = seen.get(name);
    if (first !== undefined)
      findings.mistake(
        [...at, 'name'],
        `the source "${name}" stands here twice (directory.sources[${first}])`,
        'Give each source a name of its own',
      );
    seen.set(name, index);
    checkLiveSource(source, at, findings);
  });
  const { hold } = raw.directory;
  if (hold['deliver-after'] <= hold['warn-after'])
    findings.mistake(
      ['directory', 'hold', 'deliver-after'],
      'a hold would end before anybody is warned of it',
      'Make it longer than warn-after',
    );
}

function checkAdmin(raw: SettingsFile, findings: Findings): void {
  const { address, tls, 'token-file': tokenFile } = raw.admin;
  if (isLoopback(address)) return;
  if (tokenFile === undefined)
    findings.mistake(
      ['admin', 'address'],
      `${address} can be reached by others, and no token is asked for`,
      'Set admin.token-file, or address: 127.0.0.1',
    );
  if (tls === undefined && raw.tls.certificate === undefined) {
    findings.mistake(
      ['admin', 'address'],
      `${address} can be reached by others, and there is no certificate for TLS`,
      'Set admin.tls: { certificate, key }, or address: 127.0.0.1',
    );
  }
}

function checkPostmaster(raw: SettingsFile, findings: Findings): void {
  const domain = raw.postmaster?.domain;
  if (domain === undefined) return;
  const ours = raw.domains.some(({ name }) => name.name === domain || (name.includeSubdomains && isWithin(domain, name.name)));
  if (!ours && chooseConnector(raw.connectors.map(asConnector))(domain, 'internal') === undefined) {
    findings.mistake(
      ['postmaster'],
      `no connector leads to ${domain}`,
      'Use an address in one of your domains, or add a connector with address-spaces: ["*"]',
    );
  }
}

/** An alert goes like other mail of our own: it needs a way out (C11). */
function checkAlerts(raw: SettingsFile, findings: Findings): void {
  const choose = chooseConnector(raw.connectors.map(asConnector));
  raw.alerts['mail-to'].forEach(({ domain, address }, index) => {
    if (choose(domain, 'internal') === undefined)
      findings.note(
        ['alerts', 'mail-to', index],
        `no connector leads to ${domain}: ${address} will get no alert`,
        'Add a connector with address-spaces: ["*"], or use an address in one of your domains',
      );
  });
}

function noteFewRecipients({ limits }: SettingsFile, findings: Findings): void {
  if (limits.recipients >= 100) return;
  findings.note(
    ['limits', 'recipients'],
    `RFC 5321 §4.5.3.1.8 asks for at least 100 recipients in one transaction, and this is ${limits.recipients}`,
    'Senders get 452 for the others and try those again; write 100 or more to spare them that',
  );
}
