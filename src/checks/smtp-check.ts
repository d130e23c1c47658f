/**
 * `smtp-check`: looks at an SMTP server as an administrator would by telnet, and never sends mail. One session is shown in
 * full; a few more, each with another offer of TLS, tell what the server accepts. Nothing is guessed: what was not looked at
 * is null.
 */
import { constants } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { setTimeout as wait } from 'node:timers/promises';
import { type ConnectionOptions, rootCertificates, type SecureContextOptions, type SecureVersion } from 'node:tls';
import type { TlsPolicy, TlsProfile } from '../mail/route.ts';
import { plainError } from '../platform/plain-error.ts';
import { describeChain } from './certificate-chain.ts';
import { findingsOf } from './smtp-check-findings.ts';
import { HostLookup } from './smtp-check-hosts.ts';
import { MODES, verdictOf } from './smtp-check-modes.ts';
import type {
  ModeVerdict,
  Observed,
  ProtocolRow,
  Rung,
  SmtpCheckDeps,
  SmtpCheckQuestion,
  SmtpCheckReport,
} from './smtp-check-report.ts';
import { sniOf } from './smtp-conversation.ts';
import { type Look, type LookTarget, look, observedOf, tryInjection } from './smtp-look.ts';

/** Milliseconds between two connections: some servers count them. */
const PAUSE = 200;
/** Milliseconds for everything: a server that makes us wait at each step gives fewer answers. */
const TOTAL = 180_000;
const OLD_VERSIONS: readonly SecureVersion[] = ['TLSv1', 'TLSv1.1', 'TLSv1.2'];
const PROFILES: readonly TlsProfile[] = ['modern', 'intermediate', 'legacy'];

/** Rejects only where the identity of the connector cannot be read. */
export async function smtpCheck(question: SmtpCheckQuestion, deps: SmtpCheckDeps): Promise<SmtpCheckReport> {
  const identity = await identityOf(question.connector?.tls);
  const began = deps.clock.monotonic();
  const dns = await new HostLookup(question.dnsServers).addresses(question.host, question.ip);
  const nothing = emptyReport(question, Math.round(deps.clock.monotonic() - began));
  if ('problem' in dns) {
    const remedy = `See what DNS says: dig +short ${question.host}`;
    return { ...nothing, findings: [{ severity: 'error', problem: dns.problem, remedy }] };
  }
  const report = { ...nothing, addresses: dns.found };
  // RFC 5321 §5.1: the next address where one takes no connection
  for (const [i, address] of dns.found.entries()) {
    const visit = new Visit(question, deps, identity, address);
    const first = await visit.look(visit.profile);
    if (first.ended?.stage === 'connect' && i < dns.found.length - 1) continue;
    return await visit.report({ ...report, address }, first);
  }
  return report;
}

/** All connections to one address. */
class Visit {
  readonly profile: TlsProfile;
  readonly #question: SmtpCheckQuestion;
  readonly #deps: SmtpCheckDeps;
  readonly #names: readonly string[];
  readonly #identity: SecureContextOptions;
  readonly #target: LookTarget;
  readonly #signal: AbortSignal;
  readonly #seen = new Map<string, Look>();
  #connections = 0;

  constructor(question: SmtpCheckQuestion, deps: SmtpCheckDeps, identity: SecureContextOptions, address: string) {
    const { connector, host, port, helo, sourceAddress, implicitTls, patience } = question;
    this.#question = question;
    this.#deps = deps;
    this.#identity = identity;
    this.#names = question.names.length > 0 ? question.names : (connector?.tls.names ?? [host]);
    this.#signal = AbortSignal.timeout(deps.total ?? TOTAL);
    this.#target = {
      address,
      port,
      helo,
      sourceAddress,
      implicitTls,
      patience,
      signal: this.#signal,
      now: () => deps.clock.monotonic(),
    };
    this.profile = connector?.tls.profile ?? 'intermediate';
  }

  /** One session that offers this profile, or this version alone; looked at once. */
  async look(offer: TlsProfile | SecureVersion): Promise<Look> {
    const known = this.#seen.get(offer);
    if (known !== undefined) return known;
    await this.#pause();
    // MAIL and RCPT are asked once
    const seen = await look(this.#target, this.#tls(offer), this.#seen.size === 0 ? this.#question.envelope : undefined);
    this.#seen.set(offer, seen);
    return seen;
  }

  async report(base: SmtpCheckReport, first: Look): Promise<SmtpCheckReport> {
    const { ladder } = this.#deps;
    const { implicitTls } = this.#question;
    const triedTls = implicitTls ? first.ended?.stage !== 'connect' : first.starttls !== undefined && first.starttls.code < 300;
    const protocols: ProtocolRow[] = [];
    const profiles: ProtocolRow[] = [];
    if (triedTls) {
      for (const profile of PROFILES) profiles.push(rowOf(profile, await this.look(profile)));
      for (const version of OLD_VERSIONS) protocols.push(rowOf(version, await this.look(version)));
      protocols.push(rowOf('TLSv1.3', await this.look('modern'))); // the profile offers this version alone
    }
    // where the usual offer fails, another one may show the certificate
    const shown = [first, ...this.#seen.values()].find(({ secured }) => secured !== undefined) ?? first;
    const injection = triedTls && !implicitTls && shown.secured !== undefined ? await this.#injection() : 'not known';
    const { secured } = shown;
    const certificate = secured?.certificate;
    const sent = secured?.handshake?.certificates ?? (certificate === undefined ? [] : [certificate.raw]);
    const modes = implicitTls || observedOf(first) === undefined ? [] : this.#modes(first);
    const report: SmtpCheckReport = {
      ...base,
      'timings-ms': { ...base['timings-ms'], ...first.timings },
      banner: first.banner?.text ?? null,
      ehlo: first.ehlo ?? null,
      'ehlo-after-tls': shown.ehloInTls ?? null,
      starttls: { offered: first.isOffered ?? false, reply: first.starttls?.text ?? null },
      tls:
        secured === undefined
          ? null
          : {
              protocol: secured.facts.protocol ?? null,
              cipher: secured.facts.cipher ?? null,
              bits: secured.facts.bits ?? null,
              'key-exchange': secured.facts['key-exchange'] ?? null,
              verified: secured.facts.verified ?? false,
              'verification-error': secured.facts['verification-error'] ?? null,
              'names-asked': this.#names,
              'name-matches': certificate !== undefined && ladder.nameError(this.#names, certificate) === undefined,
            },
      chain: describeChain(sent, this.#roots(), this.#deps.clock.now()) ?? null,
      'client-certificate-asked': secured?.handshake?.asksForCertificate ?? null,
      protocols,
      profiles,
      injection,
      envelope: first.envelope,
      modes,
      transcript: first.transcript,
    };
    const findings = findingsOf(report, first, this.#question, { profile: this.profile, now: this.#deps.clock.now() });
    if (this.#signal.aborted)
      findings.push({
        severity: 'warning',
        problem: 'the server takes its time: not everything could be looked at',
        remedy: null,
      });
    return { ...report, findings, ok: !findings.some(({ severity }) => severity === 'error') };
  }

  #modes(first: Look): ModeVerdict[] {
    const { ladder } = this.#deps;
    const { connector } = this.#question;
    const clear: Observed | undefined = first.ehlo === undefined ? undefined : { kind: 'clear' };
    const observe = (rung: Rung): Observed | undefined => {
      if (rung === 'clear') return clear;
      const seen = this.#seen.get(rung);
      return seen === undefined ? undefined : observedOf(seen);
    };
    const verdicts = MODES.map((mode) => verdictOf(mode, { mode, profile: this.profile, names: this.#names }, ladder, observe));
    if (connector === undefined) return verdicts;
    return [...verdicts, verdictOf(`connector ${connector.name}`, connector.tls, ladder, observe)];
  }

  async #injection(): Promise<SmtpCheckReport['injection']> {
    await this.#pause();
    // with the offer that the server has taken
    const offer = [...this.#seen].find(([, { secured }]) => secured !== undefined)?.[0] ?? this.profile;
    return await tryInjection(this.#target, this.#tls(offer as TlsProfile | SecureVersion));
  }

  async #pause(): Promise<void> {
    if (this.#connections > 0) await wait(this.#deps.pause ?? PAUSE);
    this.#connections += 1;
  }

  #tls(offer: TlsProfile | SecureVersion): ConnectionOptions {
    const { ladder, roots } = this.#deps;
    return {
      ...sniOf(this.#question.host),
      ...(roots === undefined ? {} : { ca: [...roots] }),
      ...this.#identity,
      ...(isVersion(offer) ? versionOptions(offer) : ladder.options(offer)),
      checkServerIdentity: (_host, certificate) => ladder.nameError(this.#names, certificate),
    };
  }

  #roots(): readonly string[] {
    const { ca } = this.#identity;
    return typeof ca === 'string' ? pemOf(ca) : (this.#deps.roots ?? rootCertificates);
  }
}

const isVersion = (offer: TlsProfile | SecureVersion): offer is SecureVersion => offer.startsWith('TLSv');

/** One version alone, with the ciphers of its age. */
const versionOptions = (version: SecureVersion): SecureContextOptions => ({
  minVersion: version,
  maxVersion: version,
  ciphers: 'DEFAULT:@SECLEVEL=0',
  secureOptions: constants.SSL_OP_LEGACY_SERVER_CONNECT,
});

function rowOf(offer: string, { secured, ended, starttls }: Look): ProtocolRow {
  const error = ended === undefined ? (starttls?.text ?? null) : plainError(`${ended.code}: ${ended.message}`).slice(0, 300);
  const facts = secured?.facts;
  const isAccepted = secured !== undefined && ended === undefined;
  return {
    offer,
    accepted: isAccepted,
    protocol: facts?.protocol ?? null,
    cipher: facts?.cipher ?? null,
    error: isAccepted ? null : error,
  };
}

/** The certificate that a connector shows, and whom it trusts. */
async function identityOf(policy: TlsPolicy | undefined): Promise<SecureContextOptions> {
  if (policy === undefined) return {};
  const { certificate, key, caFile } = policy;
  return {
    ...(certificate === undefined ? {} : { cert: await readFile(certificate), key: await readFile(key ?? certificate) }),
    ...(caFile === undefined ? {} : { ca: await readFile(caFile, 'utf8') }),
  };
}

const pemOf = (text: string): string[] => text.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];

const emptyReport = ({ host, port }: SmtpCheckQuestion, dns: number): SmtpCheckReport => ({
  host,
  port,
  ok: false,
  addresses: [],
  address: null,
  'timings-ms': { dns },
  banner: null,
  ehlo: null,
  'ehlo-after-tls': null,
  starttls: { offered: false, reply: null },
  tls: null,
  chain: null,
  'client-certificate-asked': null,
  protocols: [],
  profiles: [],
  injection: 'not known',
  envelope: [],
  modes: [],
  findings: [],
  transcript: [],
});
