/** Makes the settings that the parts get of the file as it was read. Pure; mistakes were found before. */
import { basename, dirname, extname, isAbsolute, join, resolve } from 'node:path';
import { type Domain, mailbox } from '../mail/address.ts';
import type { Connector, NextHop, TlsDestination, TlsMode, TlsPolicy } from '../mail/route.ts';
import { type ChooseConnector, chooseConnector, sideOf } from './address-spaces.ts';
import { type AuthenticationPart, compileAuthentication } from './authentication.ts';
import { compileLimit, compileLimits } from './compile-limits.ts';
import type { SettingsDocument } from './document.ts';
import { compileProbes } from './probes.ts';
import type { SettingsFile } from './schema.ts';
import type {
  AdminPart,
  DirectoryPart,
  DomainPart,
  ListenerPart,
  LivePart,
  ReceptionPart,
  RulePart,
  Settings,
} from './settings.ts';

/** Octets of the original in a DSN: enough to see what it was, little enough for every mailbox. */
const DSN_EXCERPT = 64 * 1024;

export type PeerNetworks = Readonly<Record<'on-premises' | 'cloud' | 'gateway', readonly string[]>>;
type ConnectorFile = SettingsFile['connectors'][number];
type SourceFile = SettingsFile['directory']['sources'][number];

/** `fileNetworks` holds what the networks-files say. */
export function compileSettings(raw: SettingsFile, document: SettingsDocument, fileNetworks: PeerNetworks): Settings {
  const base = dirname(resolve(document.file));
  const path = (name: string): string => (isAbsolute(name) ? name : resolve(base, name));
  const dataDirectory = path(raw['data-directory']);
  const relayNames = [...new Set([raw.hostname, ...(raw['relay-names'] ?? [])])];
  const routingDomains = raw.cloud['routing-domains'];
  const connectors = raw.connectors.map((connector, index) =>
    compileConnector(connector, routingDomains, path, (...inner) => sourceOf(document, ['connectors', index, 'tls', ...inner])),
  );
  const messageSize = raw.limits['message-size'];
  const authentication = compileAuthentication(raw, connectors);
  const ownCertificate =
    raw.tls.certificate === undefined || raw.tls.key === undefined
      ? {
          certificate: join(dataDirectory, 'self-signed.pem'),
          key: join(dataDirectory, 'self-signed.key'),
          profile: raw.tls.profile,
          selfSigned: true,
        }
      : { certificate: path(raw.tls.certificate), key: path(raw.tls.key), profile: raw.tls.profile, selfSigned: false };
  const tls = {
    ...ownCertificate,
    ...given('renewalHook', raw.tls['renewal-hook'], (hook) => [path(hook[0] ?? ''), ...hook.slice(1)]),
  };
  const ways = { connectors, choose: chooseConnector(connectors) };
  const settings: Settings = {
    file: resolve(document.file),
    hostname: raw.hostname,
    relayNames,
    dataDirectory,
    ...(raw.user === undefined ? {} : { account: { user: raw.user, ...given('group', raw.group) } }),
    log: raw.log,
    alerts: { mailTo: raw.alerts['mail-to'], ...given('webhookFile', raw.alerts['webhook-file'], path) },
    evidence: raw.evidence,
    tls,
    reception: {
      hostname: raw.hostname,
      relayNames,
      tls,
      ...compileReception(raw, fileNetworks, connectors, authentication, relayNames, path),
    },
    routing: {
      domains: raw.domains.map((domain, index) => compileDomain(domain, ways, sourceOf(document, ['domains', index]))),
      connectors,
      routingDomains,
      rules: raw.rules.map((rule, index) => compileRule(rule, sourceOf(document, ['rules', index]))),
      relayTo: {
        external: ['own'],
        'on-premises': raw.peers['on-premises']?.['relay-to'] ?? ['own', 'cloud'],
        cloud: raw.peers.cloud?.['relay-to'] ?? ['own'],
        gateway: raw.peers.gateway?.['relay-to'] ?? ['own'],
      },
      relayNames,
      ...given('postmaster', raw.postmaster),
      spoofedOwnDomain: raw.authentication['spoofed-own-domain'],
      messageSize,
    },
    authentication,
    delivery: {
      hostname: raw.hostname,
      relayNames,
      connectors,
      retry: raw.queue.retry,
      expireAfter: raw.queue['expire-after'],
      warnAfter: raw.queue['warn-after'],
      dnsServers: raw.dns.servers,
      addAuthenticationResults: authentication.addResults,
    },
    bounce: {
      hostname: raw.hostname,
      postmaster: raw.postmaster ?? postmasterAt(raw.domains[0]?.name.name ?? raw.hostname),
      excerpt: DSN_EXCERPT,
      perHour: compileLimit(raw.limits, raw.limits['notifications-per-hour']),
    },
    directory: compileDirectory(raw, connectors, join(dataDirectory, 'directory'), path),
    domainProof: {
      domains: raw.domains.flatMap(({ name, verification }) =>
        verification === undefined
          ? []
          : [{ name: name.name, ...given('cname', verification.cname), ...given('txt', verification.txt) }],
      ),
      dnsServers: raw.dns.servers,
      file: join(dataDirectory, 'domain-proof.json'),
    },
    probes: compileProbes(raw, path),
    admin: compileAdmin(raw, path),
  };
  return deepFreeze(settings);
}

function compileReception(
  raw: SettingsFile,
  fileNetworks: PeerNetworks,
  connectors: readonly Connector[],
  { claims, addResults }: AuthenticationPart,
  relayNames: readonly string[],
  path: (name: string) => string,
): Omit<ReceptionPart, 'hostname' | 'relayNames' | 'tls'> {
  const originalClient = raw.peers.gateway?.['original-client'];
  const limits = raw.limits;
  const peers = (['on-premises', 'cloud', 'gateway'] as const).flatMap((peer) => {
    const who = raw.peers[peer];
    return who === undefined
      ? []
      : [
          {
            peer,
            networks: [...who.networks, ...fileNetworks[peer]],
            certificateNames: who['certificate-names'],
            match: who.match,
          },
        ];
  });
  return {
    listeners: raw.listeners.map((listener) => compileListener(listener, path)),
    peers,
    ...(originalClient === undefined || originalClient === 'none' ? {} : { originalClient }),
    tenantHeaders: raw.cloud.tenant.headers,
    bareLineEnds: raw['bare-line-ends'],
    headerFirewall: raw['header-firewall'] === 'on',
    authservIds: addResults.length > 0 ? relayNames : [],
    ...(claims && { watchedDomains: raw.domains.map(({ name }) => name) }),
    messageSize: Math.max(...connectors.map((connector) => connector.messageSize ?? limits['message-size'])),
    recipients: limits.recipients,
    sessionIdle: limits['session-idle'],
    limits: compileLimits(limits),
    blockLists: {
      lists: raw.admission['dns-block-lists'].map(({ zone, answers, mode }) => ({ zone, answers, mode })),
      servers: raw.dns.servers,
    },
  };
}

function compileListener(raw: SettingsFile['listeners'][number], path: (name: string) => string): ListenerPart {
  return {
    address: raw.address,
    port: raw.port,
    tls: raw.tls,
    ...given('proxies', raw['proxy-protocol']),
    ...(raw.role === 'submission' ? { submission: { withoutTls: raw['without-tls'] } } : {}),
    ...given('clientCaFile', raw['client-ca-file'], path),
    ...(raw['protocol-log'] === 'on' && { protocolLog: true as const }),
  };
}

/** `tlsSource` tells where a part of the connector's `tls` stands. */
function compileConnector(
  raw: ConnectorFile,
  routingDomains: readonly Domain[],
  path: (name: string) => string,
  tlsSource: (...inner: (string | number)[]) => string,
): Connector {
  const addressSpaces = raw['address-spaces'].map((space) => ({ pattern: space.pattern, cost: space.cost ?? raw.cost ?? 1 }));
  const nextHop = compileNextHop(raw['next-hop'], path);
  const noNetwork = nextHop.kind === 'maildir' || (nextHop.kind === 'lmtp' && 'unix' in nextHop.endpoint);
  const mode: TlsMode = raw.tls.mode ?? (noNetwork ? 'none' : 'opportunistic');
  const tls: TlsPolicy = {
    mode,
    profile: raw.tls.profile,
    ...given('names', raw.tls.names),
    ...given('certificate', raw.tls.certificate, path),
    ...given('key', raw.tls.key, path),
    ...given('caFile', raw.tls['ca-file'], path),
    onDowngrade: raw.tls['on-downgrade'],
    learnedDays: raw.tls['learned-days'],
  };
  return {
    name: raw.name,
    side: sideOf(
      addressSpaces.map((space) => space.pattern),
      routingDomains,
    ),
    addressSpaces,
    nextHop,
    tls,
    tlsSource: raw.tls.mode === undefined ? `default of connector ${raw.name}` : tlsSource('mode'),
    ...given(
      'tlsDestinations',
      raw.tls.destinations?.map(
        (one, index): TlsDestination => ({
          pattern: one.domain,
          tls: {
            ...tls,
            mode: one.mode,
            ...given('profile', one.profile),
            ...given('names', one.names),
            ...given('onDowngrade', one['on-downgrade']),
          },
          source: `${tlsSource('destinations', index)}, tls.destinations ${one.domain}`,
        }),
      ),
    ),
    origin: raw.origin,
    ...given('sourceAddress', raw['source-address']),
    ...given('helo', raw.helo),
    ip: raw.ip,
    connections: raw.connections,
    ...(raw['protocol-log'] === 'on' && { protocolLog: true as const }),
    ...given('messageSize', raw['message-size']),
  };
}

function compileNextHop(raw: ConnectorFile['next-hop'], path: (name: string) => string): NextHop {
  if (raw['smart-hosts'] !== undefined) return { kind: 'smart-hosts', hosts: raw['smart-hosts'], order: raw.order ?? 'failover' };
  if (raw.lmtp !== undefined) return { kind: 'lmtp', endpoint: raw.lmtp };
  if (raw.maildir !== undefined) return { kind: 'maildir', path: path(raw.maildir) };
  return { kind: 'mx' };
}

function compileDomain(
  raw: SettingsFile['domains'][number],
  { connectors, choose }: { connectors: readonly Connector[]; choose: ChooseConnector<Connector> },
  source: string,
): DomainPart {
  const unknownRecipients = raw['unknown-recipients'] ?? (raw.type === 'authoritative' ? 'reject' : 'on-premises');
  const own = choose(raw.name.name, 'external');
  const written = raw['verify-recipients'];
  const asked = typeof written === 'object' ? (connectors.find((connector) => connector.name === written.at) ?? own) : own;
  const speaks = asked !== undefined && (asked.nextHop.kind === 'smart-hosts' || asked.nextHop.kind === 'lmtp');
  const verify = written !== 'off' && unknownRecipients === 'on-premises' && speaks;
  return {
    ...raw.name,
    type: raw.type,
    unknownRecipients,
    ...(verify
      ? {
          verifyRecipients: {
            connector: asked.name,
            deadline: written?.deadline ?? 5000,
            onFailure: written?.['on-failure'] ?? 'accept',
          },
        }
      : {}),
    mx: raw.mx,
    source,
  };
}

function compileRule(raw: SettingsFile['rules'][number], source: string): RulePart {
  const { connector, reject, 'copy-to': copyTo } = raw.then;
  const then: RulePart['then'] =
    connector !== undefined
      ? { kind: 'connector', connector }
      : reject !== undefined
        ? { kind: 'reject', reply: reject }
        : copyTo !== undefined
          ? { kind: 'copy-to', connector: copyTo }
          : { kind: 'hold' };
  return {
    ...given('recipient', raw.when.recipient),
    ...given('sender', raw.when.sender),
    ...given('peer', raw.when.peer),
    // oxlint-disable-next-line unicorn/no-thenable -- contract.md's word; nobody awaits a rule
    then,
    source,
  };
}

/** The name of a source: as written, else the file's name without its ending. */
export const sourceName = (source: SourceFile, index: number): string =>
  source.name ?? (source.file === undefined ? `source-${index + 1}` : basename(source.file, extname(source.file)));

function compileDirectory(
  raw: SettingsFile,
  connectors: readonly Connector[],
  folder: string,
  path: (name: string) => string,
): DirectoryPart {
  const { sources, hold } = raw.directory;
  return {
    sources: sources.flatMap((source, index) =>
      source.file === undefined ? [] : [{ name: sourceName(source, index), file: path(source.file) }],
    ),
    live: sources.flatMap((source, index) => compileLive(source, sourceName(source, index), path)),
    precedence: sources.map(sourceName),
    retired: raw.directory.retired,
    hold: { warnAfter: hold['warn-after'], deliverAfter: hold['deliver-after'], volume: hold.volume },
    bothWarnAfter: raw.directory['both-warn-after'],
    gracePeriod: raw.directory['grace-period'],
    folder,
    domains: raw.domains.map((domain) => domain.name),
    routingDomains: raw.cloud['routing-domains'],
    connectors: connectors.map(({ name, side, nextHop }) => ({ name, side, byMx: nextHop.kind === 'mx' })),
  };
}

/** How often a live source is asked where nothing is written, milliseconds. */
const REFRESH = 300_000;

function compileLive(source: SourceFile, name: string, path: (name: string) => string): LivePart[] {
  const { ldap, graph } = source;
  const refresh = source.refresh ?? ldap?.refresh ?? graph?.refresh ?? REFRESH;
  if (ldap !== undefined) {
    return [
      {
        kind: 'ldap',
        name,
        refresh,
        urls: Array.isArray(ldap.url) ? ldap.url : [ldap.url],
        startTls: ldap['start-tls'] ?? true,
        ...given('caFile', ldap['ca-file'], path),
        ...given('base', ldap.base),
        filter: ldap.filter,
        ...given('bindDn', ldap['bind-dn']),
        ...given('passwordFile', ldap['password-file'], path),
        pageSize: ldap['page-size'],
        deadline: ldap.deadline,
      },
    ];
  }
  if (graph === undefined) return [];
  return [
    {
      kind: 'graph',
      name,
      refresh,
      url: graph.url,
      signInUrl: graph['sign-in-url'],
      ...given('tenant', graph.tenant),
      ...given('clientId', graph['client-id']),
      ...given('secretFile', graph['secret-file'], path),
      ...given('certificate', graph.certificate, path),
      ...given('key', graph.key, path),
      deadline: graph.deadline,
    },
  ];
}

function compileAdmin(raw: SettingsFile, path: (name: string) => string): AdminPart {
  const { address, port, tls } = raw.admin;
  const own =
    tls ??
    (raw.tls.certificate !== undefined && raw.tls.key !== undefined
      ? { certificate: raw.tls.certificate, key: raw.tls.key }
      : undefined);
  // on loopback clear HTTP is fine unless a certificate is asked for
  const used = isLoopback(address) ? tls : own;
  return {
    address,
    port,
    ...given('tokenFile', raw.admin['token-file'], path),
    ...(used === undefined ? {} : { tls: { certificate: path(used.certificate), key: path(used.key) } }),
  };
}

export const isLoopback = (address: string): boolean => address === '::1' || address.startsWith('127.');

function postmasterAt(domain: Domain): NonNullable<ReturnType<typeof mailbox>> {
  return mailbox('postmaster', domain) ?? { localPart: 'postmaster', domain, address: `postmaster@${domain}` };
}

const sourceOf = (document: SettingsDocument, path: readonly (string | number)[]): string =>
  `${basename(document.file)}:${document.locate(path).line}`;

/** A property only where there is a value (exactOptionalPropertyTypes). */
function given<K extends string, V>(name: K, value: V | undefined, change?: (value: V) => V): { [P in K]?: V } {
  return (value === undefined ? {} : { [name]: change === undefined ? value : change(value) }) as { [P in K]?: V };
}

function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    for (const inner of Object.values(value)) deepFreeze(inner);
  }
  return value;
}
