/**
 * `doctor`: gathers what DNS, files, next hops, the relay and the machine say, lets each check judge its part, and tells
 * what was not known. It changes nothing and sends no mail.
 */
import { getCACertificates } from 'node:tls';
import { DnsQuery } from '../../platform/dns-query.ts';
import { judgeListeners, judgePeers, judgeRoutingDomains, judgeUnknownRecipients } from './access.ts';
import { accessOf, type CertificateFacts, readCertificate } from './certificate-facts.ts';
import { judgeAccess, judgeClientCertificate, judgeListenerCertificate } from './certificates.ts';
import { type CloudCommand, cloudCommands } from './cloud-commands.ts';
import { judgeConnectors, judgeLoops, type TestedConnector, toldTime } from './connectors.ts';
import { type DomainDns, gatherDomainDns, gatherRelayDns, type RelayDns } from './dns-facts.ts';
import { isHere, judgeMx, judgeProof } from './domain-dns.ts';
import { judgeMtaSts, judgeReports, judgeSpf, judgeTlsa, policyUrl } from './domain-policies.ts';
import { fetchOverHttps } from './fetch-policy.ts';
import { AREAS, type Area, type Finding, Report, type Unchecked } from './finding.ts';
import { judgeDisk, judgeNode, judgeProcess, thisMachine } from './machine.ts';
import type { ConnectorSession, DoctorSettings, FetchedPolicy, Machine, RelayState } from './ports.ts';
import { judgeRelayNames } from './relay-names.ts';
import { judgeAlerts, judgeDirectory, judgeRole, judgeSides, judgeStatus } from './relay-state.ts';
import { secretsOf } from './secret-files.ts';

/** Milliseconds for one question to the relay, a session with a next hop among them. */
const DEADLINE = 40_000;

export interface DoctorQuery {
  readonly only?: Area | undefined;
  /** Asks nobody on the network: no DNS, no policies, no next hops. */
  readonly offline?: boolean | undefined;
}

export interface Diagnosis {
  readonly errors: number;
  readonly warnings: number;
  readonly notes: number;
  /** By severity, then by area. */
  readonly findings: readonly Finding[];
  readonly unchecked: readonly Unchecked[];
  readonly 'cloud-commands': readonly CloudCommand[];
}

export interface DoctorDeps {
  readonly now: () => number;
  /** Roots in PEM, in place of Node's own with NODE_EXTRA_CA_CERTS. */
  readonly trusted?: readonly string[];
  readonly machine?: Machine;
  /** Fetches an MTA-STS policy; never rejects. */
  readonly fetchPolicy?: (url: string) => Promise<FetchedPolicy>;
}

export interface Doctor {
  /** Never rejects: what fails is told as unknown. */
  examine(query: DoctorQuery, relay: RelayState): Promise<Diagnosis>;
}

export function createDoctor(settings: () => DoctorSettings, deps: DoctorDeps): Doctor {
  return { examine: (query, relay) => new Examination(settings(), deps, relay, query).run() };
}

interface Certificates {
  readonly listener: CertificateFacts;
  readonly connectors: ReadonlyMap<string, CertificateFacts>;
}

class Examination {
  readonly #settings: DoctorSettings;
  readonly #deps: DoctorDeps;
  readonly #relay: RelayState;
  readonly #query: DoctorQuery;
  readonly #machine: Machine;
  readonly #dns: DnsQuery;
  readonly #reports = new Map(AREAS.map((area) => [area, new Report(area)]));

  constructor(settings: DoctorSettings, deps: DoctorDeps, relay: RelayState, query: DoctorQuery) {
    this.#settings = settings;
    this.#deps = deps;
    this.#relay = relay;
    this.#query = query;
    this.#machine = deps.machine ?? thisMachine;
    this.#dns = new DnsQuery({ servers: settings.delivery.dnsServers });
  }

  async run(): Promise<Diagnosis> {
    const { offline = false } = this.#query;
    const asksDns = !offline && this.#wants('dns', 'domains', 'certificates', 'connectors', 'access');
    const [certificates, relayDns, domains, tested] = await Promise.all([
      this.#certificates(),
      asksDns ? gatherRelayDns(this.#settings, this.#dns, this.#machine) : undefined,
      asksDns ? this.#domains() : [],
      this.#wants('connectors') ? this.#testConnectors(offline) : [],
    ]);
    if (offline) {
      this.#of('dns').unknown('what DNS says of our names and addresses', '--offline');
      this.#of('domains').unknown('what DNS says of the domains: MX, SPF, policies, TLSA', '--offline');
    }
    if (relayDns !== undefined) this.#judgeDns(relayDns, domains, certificates);
    this.#judgeCertificates(certificates, relayDns, domains);
    judgeConnectors(this.#of('connectors'), this.#settings, tested);
    if (relayDns !== undefined) judgeLoops(this.#of('connectors'), this.#settings, relayDns, relayDns.waysOut);
    judgeListeners(this.#of('access'), this.#settings, relayDns, domains);
    judgePeers(this.#of('access'), this.#settings);
    const running = await this.#judgeRelay();
    await this.#judgeFiles(running);
    await this.#judgeMachine(running, tested, offline);
    return this.#diagnosis(cloudCommands(this.#settings, relayDns?.outgoing ?? sourceAddresses(this.#settings), certificates));
  }

  #of(area: Area): Report {
    return this.#reports.get(area) ?? new Report(area);
  }

  #wants(...areas: readonly Area[]): boolean {
    return this.#query.only === undefined || areas.includes(this.#query.only);
  }

  async #certificates(): Promise<Certificates> {
    const { tls, routing } = this.#settings;
    const trusted = this.#deps.trusted ?? publicRoots();
    const own = routing.connectors.flatMap(({ name, tls: { certificate, key } }) =>
      certificate === undefined
        ? []
        : [readCertificate(certificate, key ?? certificate, trusted).then((facts) => [name, facts] as const)],
    );
    return { listener: await readCertificate(tls.certificate, tls.key, trusted), connectors: new Map(await Promise.all(own)) };
  }

  async #domains(): Promise<DomainDns[]> {
    const { routing, domainProof } = this.#settings;
    const listed = await this.#ask('domains', 'the proof of each domain, and where its MX was switched to', (relay) =>
      relay.listDomains(),
    );
    const fetchPolicy = this.#deps.fetchPolicy ?? fetchOverHttps;
    const asking = {
      dns: this.#dns,
      proofs: domainProof.domains,
      isGated: (name: string) => listed?.find(({ domain }) => domain === name)?.proof?.gated === true,
      mxSide: (name: string) => {
        const switched = listed?.find(({ domain, 'mx-since': since }) => domain === name && since !== null)?.mx;
        return switched ?? routing.domains.find((one) => one.name === name)?.mx ?? 'relay';
      },
      fetchPolicy: (name: string) => fetchPolicy(policyUrl(name)),
    };
    return await Promise.all(routing.domains.map((domain) => gatherDomainDns(domain, asking)));
  }

  async #testConnectors(offline: boolean): Promise<TestedConnector[]> {
    return await Promise.all(
      this.#settings.routing.connectors.map(async (connector) => {
        const session: ConnectorSession | string = offline
          ? '--offline'
          : await within(this.#relay.testConnector(connector.name)).catch((error: unknown) => messageOf(error));
        return { connector, session, at: this.#deps.now() };
      }),
    );
  }

  #judgeDns(relayDns: RelayDns, domains: readonly DomainDns[], certificates: Certificates): void {
    const settings = this.#settings;
    judgeRelayNames(this.#of('dns'), settings, relayDns, certificates);
    const report = this.#of('domains');
    for (const facts of domains) {
      judgeMx(report, settings, relayDns, facts);
      judgeProof(report, facts);
      judgeSpf(report, settings, relayDns.outgoing, facts);
      judgeMtaSts(report, settings, relayDns, certificates.listener, facts);
      judgeTlsa(report, settings, relayDns, certificates.listener, facts);
      judgeReports(report, facts);
    }
    judgeRoutingDomains(this.#of('access'), settings, relayDns);
  }

  #judgeCertificates(certificates: Certificates, relayDns: RelayDns | undefined, domains: readonly DomainDns[]): void {
    const report = this.#of('certificates');
    const settings = this.#settings;
    const exchangers =
      relayDns === undefined
        ? []
        : domains.flatMap((one) => one.exchangers.filter((exchanger) => isHere(exchanger, settings, relayDns)));
    const mxNames = [...new Set(exchangers.map(({ host }) => host.name))];
    const now = this.#deps.now();
    judgeListenerCertificate(report, settings, certificates.listener, mxNames, now);
    const judged = new Set([certificates.listener.file]);
    for (const connector of settings.routing.connectors) {
      const facts = certificates.connectors.get(connector.name);
      if (facts === undefined) continue;
      judgeClientCertificate(report, settings, connector, facts, { now, isJudged: judged.has(facts.file) });
      judged.add(facts.file);
    }
  }

  async #judgeFiles(running: boolean): Promise<void> {
    const files = await Promise.all(secretsOf(this.#settings).map(({ file, role }) => accessOf(file, role)));
    judgeAccess(this.#of('certificates'), files, running ? this.#machine.userId() : undefined);
  }

  /** Gives whether a relay runs. */
  async #judgeRelay(): Promise<boolean> {
    const settings = this.#settings;
    const now = this.#deps.now();
    const [status, directory, sides] = await Promise.all([
      this.#ask('relay', 'the state of the relay', (relay) => relay.status()),
      this.#ask('directory', 'the directory', (relay) => relay.listDirectory()),
      this.#wants('directory')
        ? this.#ask('directory', 'whether both sides agree', (relay) => relay.checkDirectory())
        : undefined,
    ]);
    if (status !== undefined) judgeStatus(this.#of('relay'), settings, status, now);
    judgeAlerts(this.#of('relay'), settings);
    if (directory !== undefined) judgeDirectory(this.#of('directory'), settings, directory);
    if (sides !== undefined) judgeSides(this.#of('directory'), sides, now);
    judgeUnknownRecipients(this.#of('access'), settings, directory);
    if (this.#wants('domains')) await this.#judgeRoles();
    return status?.running === true;
  }

  async #judgeRoles(): Promise<void> {
    const addresses = this.#settings.routing.domains.flatMap(({ name }) => [`postmaster@${name}`, `abuse@${name}`]);
    await Promise.all(
      addresses.map(async (recipient) => {
        const answer = await this.#ask('domains', `whether ${recipient} is reachable`, (relay) =>
          relay.explain({ recipient, from: '', peer: 'external' }),
        );
        if (answer !== undefined) judgeRole(this.#of('domains'), recipient, answer);
      }),
    );
  }

  async #judgeMachine(running: boolean, tested: readonly TestedConnector[], offline: boolean): Promise<void> {
    const report = this.#of('machine');
    const machine = this.#machine;
    try {
      judgeDisk(report, this.#settings, await machine.fileSystem(this.#settings.dataDirectory));
    } catch (error) {
      report.unknown(`the disk of ${this.#settings.dataDirectory}`, messageOf(error));
    }
    judgeNode(report, machine.nodeVersion());
    if (running) judgeProcess(report, this.#settings, { openFiles: await machine.openFiles(), userId: machine.userId() });
    else report.unknown('the limit of open files and the user of the relay', 'no relay runs');
    if (!toldTime(tested))
      report.unknown(
        'whether the clock is right',
        offline || !this.#wants('connectors') ? 'no next hop was asked' : 'no next hop tells its time in its greeting',
      );
  }

  /** What the relay answers; where it cannot, that is told. */
  async #ask<T>(area: Area, what: string, question: (relay: RelayState) => Promise<T>): Promise<T | undefined> {
    try {
      return await within(question(this.#relay));
    } catch (error) {
      this.#of(area).unknown(what, messageOf(error));
      return undefined;
    }
  }

  #diagnosis(commands: readonly CloudCommand[]): Diagnosis {
    const reports = [...this.#reports.values()].filter(({ area }) => this.#wants(area));
    const all = reports.flatMap(({ findings }) => findings);
    const of = (severity: Finding['severity']): Finding[] => all.filter((one) => one.severity === severity);
    const [errors, warnings, notes] = [of('error'), of('warning'), of('note')];
    return {
      errors: errors.length,
      warnings: warnings.length,
      notes: notes.length,
      findings: [...errors, ...warnings, ...notes],
      unchecked: reports.flatMap(({ unchecked }) => unchecked),
      'cloud-commands': commands,
    };
  }
}

/** Without DNS: what the settings say. */
function sourceAddresses({ routing }: DoctorSettings): { address: string; connectors: string[] }[] {
  return routing.connectors.flatMap(({ name, sourceAddress }) =>
    sourceAddress === undefined ? [] : [{ address: sourceAddress, connectors: [name] }],
  );
}

let roots: readonly string[] | undefined;
const publicRoots = (): readonly string[] => (roots ??= getCACertificates('default'));

async function within<T>(answer: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const over = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${DEADLINE / 1000} s`)), DEADLINE);
  });
  try {
    return await Promise.race([answer, over]);
  } finally {
    clearTimeout(timer);
  }
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
