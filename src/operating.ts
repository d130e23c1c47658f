/** What operators do with the directory, the waves and the domains, joined from the parts: for the relay, and for a data directory without one. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { constants, gunzipSync } from 'node:zlib';
import { type Status } from './admin/contract.ts';
import type { AdminPorts } from './admin/ports.ts';
import { Checkup } from './directory/checkup.ts';
import { DirectoryDesk } from './directory/desk.ts';
import { type Directory, formatFinding } from './directory/directory.ts';
import { DomainDesk } from './directory/domain-desk.ts';
import type { DomainProofs } from './directory/domain-proof.ts';
import { Refresher } from './directory/live/refresher.ts';
import { liveSources } from './directory/live/sources.ts';
import { MxSwitches } from './directory/mx-switch.ts';
import type { Finding } from './directory/ports.ts';
import { recognise } from './directory/readers/recognise.ts';
import { unsafeMailboxes } from './directory/reconcile/wave-check.ts';
import type { DirectoryVersion } from './directory/version.ts';
import type { ListedSource } from './directory/views.ts';
import { Disagreements } from './directory/waves/disagreements.ts';
import type { GraceWindow } from './directory/waves/grace-window.ts';
import { LateRefusals } from './directory/waves/late-refusals.ts';
import type { WaveDeps } from './directory/waves/ports.ts';
import { Waves } from './directory/waves/waves.ts';
import type { AddressBook } from './evidence/by-mailbox.ts';
import { readDeliveryReport } from './evidence/delivery-report.ts';
import type { EvidenceAnswer, EvidenceFilter } from './evidence/filter.ts';
import { isWithin, mailboxKey, parseMailbox } from './mail/address.ts';
import type { EventRecord } from './mail/event.ts';
import type { SpooledMessage, SpoolId } from './mail/spooled.ts';
import { pastReports } from './past-mail.ts';
import type { Clock } from './platform/clock.ts';
import type { Log } from './platform/logger.ts';
import type { AdmissionDeps } from './routing/admission.ts';
import { imceaexOf, x500KeyOf } from './routing/imceaex.ts';
import { routeSpooled } from './routing/spooled-route.ts';
import { explainWith, queuedMoves } from './routing/what-if.ts';
import type { Settings } from './settings/settings.ts';
import type { Spool } from './spool/spool.ts';

export interface OperatingParts {
  readonly settings: () => Settings;
  readonly directory: Directory;
  readonly proofs: DomainProofs;
  readonly grace: GraceWindow;
  readonly admission: AdmissionDeps;
  readonly spool: Spool;
  readonly evidence: { query(filter: EvidenceFilter): Promise<EvidenceAnswer> };
  /** Routes held and queued mail anew; without a relay the next start does. */
  readonly recheck: () => Promise<void>;
  /** Absent without a relay: nothing is under way then. */
  readonly attemptsEnd?: WaveDeps['attemptsEnd'];
  readonly clock: Clock;
  readonly log: Log;
}

export type OperatingPorts = Pick<AdminPorts, 'directory' | 'waves' | 'domains' | 'reports'>;

/** Milliseconds. */
const FLUSH = 60_000;

export class Operating implements AsyncDisposable {
  readonly #parts: OperatingParts;
  readonly #waves: Waves;
  readonly #disagreements: Disagreements;
  readonly #lateRefusals: LateRefusals;
  readonly #checkup: Checkup;
  readonly #mx: MxSwitches;
  #refresher: Refresher | undefined;
  #flushing: NodeJS.Timeout | undefined;
  readonly ports: OperatingPorts;

  private constructor(parts: OperatingParts, waves: Waves, disagreements: Disagreements, checkup: Checkup) {
    this.#parts = parts;
    this.#waves = waves;
    this.#disagreements = disagreements;
    this.#checkup = checkup;
    this.#lateRefusals = new LateRefusals({
      body: (id) => {
        const message = parts.spool.load(id);
        return message === undefined ? undefined : parts.spool.body(message);
      },
      read: readDeliveryReport,
      evidence: parts.evidence,
      directory: parts.directory,
      learn: (refused) => disagreements.onLateRefusal(refused),
      log: parts.log,
    });
    this.#mx = new MxSwitches(mxSettings(parts.settings()), { clock: parts.clock, directory: parts.directory });
    const desk = new DirectoryDesk({
      directory: parts.directory,
      checkup,
      live: {
        refresh: (name, options) => this.#refresher?.refresh(name, options),
        states: () => this.#refresher?.states() ?? [],
      },
      queued: (before, after) => this.#queued(before, after),
      changed: (before) => this.changed(before),
    });
    this.ports = {
      directory: directoryPort(desk, parts.admission),
      waves: wavesPort(waves, checkup),
      domains: new DomainDesk(() => parts.settings().routing.domains, parts.proofs, this.#mx),
      reports: pastReports({ ...parts, mx: this.#mx }),
    };
  }

  /** Rejects where the waves or the states of the MX cannot be read. */
  static async open(parts: OperatingParts): Promise<Operating> {
    const { settings, directory, clock, log } = parts;
    const folder = settings().directory.folder;
    const disagreements = new Disagreements({ file: join(folder, 'disagreements.json'), directory, clock, log });
    const proofOf = (domain: string) => parts.proofs.list().find((one) => one.domain === domain);
    const checkup = new Checkup({
      directory,
      settings: () => settings().directory,
      folder,
      domainState: (domain) => proofOf(domain)?.state ?? 'none',
      learned: () => disagreements.learned(),
      clock,
      log,
    });
    const wavesFolder = join(folder, 'waves');
    const waves = await Waves.open({
      folder: wavesFolder,
      directory,
      evidence: parts.evidence,
      unsafe: async ({ mailboxes }) => {
        const checked = await checkup.checkMailboxes(mailboxes, 'cloud');
        return { unsafe: unsafeMailboxes(checked), unchecked: checked.unknown };
      },
      recheck: parts.recheck,
      grace: parts.grace,
      hold: () => settings().directory.hold,
      bothWarnAfter: () => settings().directory.bothWarnAfter,
      addressesOf: (mailbox) =>
        addressBook(directory)
          .addressesOf(mailbox)
          .flatMap((one) => parseMailbox(one) ?? []),
      ...(parts.attemptsEnd !== undefined && { attemptsEnd: parts.attemptsEnd }),
      clock,
      log,
      isOurs: ({ domain }) =>
        settings().directory.domains.some(
          ({ name, includeSubdomains }) => name === domain || (includeSubdomains && isWithin(domain, name)),
        ),
      // nothing is held for waves that there are not
      ...(existsSync(wavesFolder) && { heldMail: () => messagesOf(parts.spool) }),
    });
    return new Operating(parts, waves, disagreements, checkup);
  }

  /** From now on: live sources are asked, waves switched at their time, domains looked up, and all is compared now and then. */
  start(): void {
    const { settings, clock, log, directory, proofs } = this.#parts;
    this.#refresher = new Refresher(liveSources(settings().directory, clock), {
      updates: {
        updateSource: async (name, source, options) => {
          const before = directory.active();
          const done = await directory.updateSource(name, source, options);
          if (directory.active() !== before) await this.changed(before);
          return done;
        },
        sourceFailed: (name, problem) => directory.sourceFailed(name, problem),
      },
      clock,
      log,
      random: Math.random,
    });
    this.#refresher.start();
    this.#waves.start();
    proofs.start();
    this.#flushing = setInterval(() => this.#disagreements.flush(), FLUSH).unref();
  }

  /** New settings, after the directory took them. */
  async reconfigure(before: DirectoryVersion): Promise<void> {
    const { settings, clock, directory, proofs, grace } = this.#parts;
    const next = settings();
    grace.reconfigure(next.directory.gracePeriod);
    proofs.reconfigure(next.domainProof);
    this.#mx.reconfigure(mxSettings(next));
    this.#refresher?.reconfigure(liveSources(next.directory, clock));
    if (directory.active() === before) await this.#waves.follow();
    else await this.changed(before);
  }

  /** Another version is active: waves, the grace window and queued mail follow, and all is compared anew. */
  async changed(before: DirectoryVersion): Promise<void> {
    const { grace, directory, recheck } = this.#parts;
    await grace.compare(before, directory.active());
    await this.#waves.follow();
    await recheck();
    if (this.#refresher !== undefined) this.#checkup.soon();
  }

  /** Every record that is durable. */
  onEvent(record: EventRecord): void {
    this.#waves.onEvent(record);
    this.#disagreements.onEvent(record);
    this.#lateRefusals.onEvent(record);
  }

  /** The answer at RCPT where the hold of a wave is full (C9). */
  refusal(heldBy: string) {
    return this.#waves.refusal(heldBy);
  }

  findings(): Status['findings'] {
    const gated = this.#parts.proofs
      .list()
      .filter(({ severity }) => severity === 'warning')
      .map(({ severity, message, remedy }) => ({ severity, problem: message, remedy }));
    const learned = this.#disagreements.list().slice(0, 20);
    return [
      ...this.#waves.findings(),
      ...gated,
      ...sourceFindings(this.#parts.directory.list().sources),
      ...learned.map(({ severity, address, problem, remedy }) => ({ severity, problem: `${address}: ${problem}`, remedy })),
      ...this.#checkup.findings(),
    ];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#flushing);
    await this.#refresher?.[Symbol.asyncDispose]();
    await this.#lateRefusals[Symbol.asyncDispose]();
    await this.#waves[Symbol.asyncDispose]();
    this.#disagreements[Symbol.dispose]();
  }

  #queued(before: DirectoryVersion, after: DirectoryVersion) {
    const routing = this.#parts.admission.routing();
    return queuedMoves(
      messagesOf(this.#parts.spool),
      (message, recipient) => routeSpooled(routing, before, message, recipient),
      (message, recipient) => routeSpooled(routing, after, message, recipient),
    );
  }
}

const mxSettings = ({ routing, directory, delivery, relayNames }: Settings) => ({
  domains: routing.domains,
  routingDomains: routing.routingDomains,
  relayNames,
  dnsServers: delivery.dnsServers,
  file: join(directory.folder, 'mx.json'),
});

/** All addresses of a mailbox, by any of them; an X.500 name as Exchange writes it into an address (R9). */
export function addressBook(directory: Pick<Directory, 'namesOf'>): AddressBook {
  return {
    addressesOf(address) {
      const found = directory.namesOf(x500KeyOf(address.localPart) ?? mailboxKey(address));
      const plain = found.filter(({ role }) => role !== 'x500').map(({ key }) => key);
      const domains = new Set(plain.map((key) => key.slice(key.lastIndexOf('@'))));
      const names = found.filter(({ role }) => role === 'x500').map(({ key }) => imceaexOf(key));
      return [...plain, ...names.flatMap((name) => [...domains].map((domain) => `${name}${domain}`))];
    },
  };
}

/** What the reading of the directory found, as `status` says it. */
export function directoryFindings(findings: readonly Finding[]): Status['findings'] {
  return findings.map((one) => ({ severity: one.severity, problem: formatFinding(one), remedy: one.remedy }));
}

/** Live sources that are not read: what they had counts on, and nobody would notice. */
function sourceFindings(sources: readonly ListedSource[]): Status['findings'] {
  return sources.flatMap(({ name, kind, error, 'last-success': last }) =>
    kind !== 'live' || error === null
      ? []
      : [
          {
            code: `source-failing:${name}`,
            severity: 'warning' as const,
            problem: `the source ${name} ${last === null ? 'was never read' : `was last read at ${last}`}: ${error}`,
            remedy: `Who is new or has moved since is routed as before. Once it is mended: bridgehead directory refresh ${name}`,
          },
        ],
  );
}

function directoryPort(desk: DirectoryDesk, admission: AdmissionDeps): OperatingPorts['directory'] {
  return {
    import: (files, options, by) => desk.import(files, options, by),
    diff: (files, options) => desk.diff(files, options),
    check: () => desk.check(),
    keepExport: (files, { side, format }) => desk.keepExport(files, side, format),
    list: () => desk.list(),
    people: () => desk.people(),
    show: (address) => desk.show(address),
    set: (change, by) => desk.set(change, by),
    unset: (address, by) => desk.unset(address, by),
    history: (limit) => desk.history(limit),
    rollback: (version, by) => desk.rollback(version, by),
    refresh: (name, by, yesShrink) => desk.refresh(name, by, yesShrink),
    async explain(trial, question) {
      const other = await desk.trial(trial);
      return 'find' in other && 'version' in other ? await explainWith(admission, other, question) : other;
    },
  };
}

function wavesPort(waves: Waves, checkup: Checkup): OperatingPorts['waves'] {
  return {
    create: (name, list, options) => waves.create(name, list, options),
    list: () => waves.list(),
    show: (name) => waves.show(name),
    schedule: (name, at, who) => waves.schedule(name, at, who),
    hold: (name, options) => waves.hold(name, options),
    both: (name, options) => waves.both(name, options),
    switch: (name, options) => waves.switch(name, options),
    rollback: (name, options) => waves.rollback(name, options),
    replay: (name, options) => waves.replay(name, options),
    report: (name) => waves.report(name),
    check: async (name, to) => await checkup.checkMailboxes(waves.mailboxes(name), to),
  };
}

async function* messagesOf(spool: Spool): AsyncGenerator<SpooledMessage> {
  for (let after: SpoolId | undefined; ; ) {
    const { messages, next } = await spool.list({ all: true }, { limit: 1000, ...(after !== undefined && { after }) });
    yield* messages;
    if (next === undefined) return;
    after = next;
  }
}

/** Why an uploaded file must not reach the disk: a migration batch file may hold passwords (coexistence.md 4.3 c). */
export function refuseUpload(head: Buffer, name: string): string | undefined {
  let octets = head;
  if (head[0] === 0x1f && head[1] === 0x8b) {
    try {
      octets = gunzipSync(head, { finishFlush: constants.Z_SYNC_FLUSH });
    } catch {
      return undefined; // its reader says what is wrong with it
    }
  }
  // UTF-16 as well: the zeros between its letters and the byte order mark left out
  const text = octets
    .toString('latin1')
    .replace(/\0/g, '')
    .replace(/^(?:\xff\xfe|\xfe\xff|\xef\xbb\xbf)/, '');
  return recognise(text)?.columns?.includes('password') === true
    ? `${name} has a column of passwords, and is no directory: it is a list for "bridgehead wave create", which sends the addresses alone`
    : undefined;
}
