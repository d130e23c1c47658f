/** Joins the parts of the relay in the order in which a message meets them. This file, offline.ts and main.ts alone know them all. */

import { Activity, recallLastHour } from './admin/activity.ts';
import { Alerts } from './admin/alerts.ts';
import { Certificates } from './admin/certificates.ts';
import { pauses } from './admin/connector-pauses.ts';
import type { CheckReport, Status } from './admin/contract.ts';
import type { AdminPorts } from './admin/ports.ts';
import { Uploads } from './admin/uploads.ts';
import { type AdministeredRelay, findingsOf, openAdministration } from './administration.ts';
import { Authenticator } from './authentication/authenticator.ts';
import { createNotifier } from './bounce/notifier.ts';
import { Probes } from './checks/probe/probes.ts';
import { LearnedTls } from './delivery/learned-tls.ts';
import { createScheduler } from './delivery/scheduler.ts';
import { createTransport, type TransportDeps } from './delivery/transport.ts';
import { formatFinding, openDirectory } from './directory/directory.ts';
import { DomainProofs } from './directory/domain-proof.ts';
import type { Finding } from './directory/ports.ts';
import { GraceWindow } from './directory/waves/grace-window.ts';
import { openEvidence } from './evidence/evidence.ts';
import { readHeaders } from './evidence/headers/header-report.ts';
import type { Outbox } from './evidence/ports.ts';
import { ProtocolLog } from './evidence/protocol-log.ts';
import type { EventRecord } from './mail/event.ts';
import type { SmtpReply } from './mail/reply.ts';
import type { SpooledMessage, SpooledRecipient } from './mail/spooled.ts';
import { Operating, refuseUpload } from './operating.ts';
import type { BoundSockets } from './platform/bound-sockets.ts';
import type { Clock } from './platform/clock.ts';
import type { RelayLog } from './platform/logger.ts';
import { removeRunFile, writeRunFile } from './platform/run-file.ts';
import { runProgram } from './platform/run-program.ts';
import { ensureSelfSigned } from './platform/server-certificate.ts';
import { type Reception, startReception } from './reception/server.ts';
import { type Admission, admitRecipient } from './routing/admission.ts';
import { compileRouting } from './routing/compile.ts';
import { routeSpooled } from './routing/spooled-route.ts';
import { loadSettings } from './settings/load.ts';
import type { Settings } from './settings/settings.ts';
import { alertSettings, certificateSettings, describeOwnChain, needRestart, reportOf } from './settings-parts.ts';
import { openSpool } from './spool/open.ts';
import type { Spool } from './spool/spool.ts';

export interface RelayParts {
  readonly log: RelayLog;
  readonly clock: Clock;
  readonly version: string;
  /** How often certificates and findings are looked at, milliseconds; absent: every 15 s and every minute. */
  readonly watchEvery?: number;
  /** Listening sockets that are there already. */
  readonly sockets?: BoundSockets;
  /** Findings about the process itself, for `status`. */
  readonly ownFindings?: Status['findings'];
  /** Other deadlines for next hops, another port of mail exchangers: for tests. */
  readonly outgoing?: Pick<TransportDeps, 'deadlines' | 'mxPort'>;
}

export interface Relay {
  /** Where mail is taken, as `address:port`. */
  readonly listening: readonly string[];
  readonly adminUrl: string;
  /** Why mail is refused for now, as clients are told; `undefined` while it is taken. */
  refusal(): SmtpReply | undefined;
  /** Takes settings and directory anew, as a whole or not at all (P7). */
  reload(who: string): Promise<CheckReport>;
  /** An uncaught error: writes down what may have caused it. Blocks; never throws. */
  noteFault(): void;
  /** No new mail, what is under way ends, at most `deadline` milliseconds each; the rest stays spooled. */
  stop(deadline: number): Promise<void>;
}

/** The recipients' files hold mistakes; nothing was started. */
export class DirectoryRefused extends Error {
  readonly findings: readonly Finding[];

  constructor(findings: readonly Finding[]) {
    super(`the directory cannot be used:\n${findings.map(formatFinding).join('\n')}`);
    this.findings = findings;
  }
}

/** Milliseconds: for connections that are cut to say so, and for that to be written down. */
const LAST_MOMENT = 500;
/** Milliseconds. */
const RECHECK_HELD = 60_000;
const RENEWAL_HOOK = 60_000;

/** Starts all parts. What was opened is closed again where one of them cannot start. */
export async function startRelay(
  initial: Settings,
  { log, clock, version, watchEvery, sockets, ownFindings = [], outgoing }: RelayParts,
): Promise<Relay> {
  await using opened = new AsyncDisposableStack();
  let settings = initial;
  if (settings.tls.selfSigned) await ensureSelfSigned(settings.dataDirectory, settings.hostname);

  const spool = opened.use(
    await openSpool(
      { directory: `${settings.dataDirectory}/spool`, messageSize: settings.reception.messageSize },
      { clock, log },
    ),
  );

  const found = await openDirectory(settings.directory, { clock });
  if (!found.ok) throw new DirectoryRefused(found.findings);
  const { directory } = found;
  let refusedReload: CheckReport | undefined;
  for (const finding of found.findings) log.warn({ finding }, 'directory finding');
  const proofs = opened.use(new DomainProofs(settings.domainProof, { clock, log }));
  const { folder, gracePeriod } = settings.directory;
  const grace = new GraceWindow({ file: `${folder}/grace.json`, directory, clock, log, window: gracePeriod });
  // whoever changed sides while nothing ran has the window too (R5)
  if (found.before !== undefined) await grace.compare(found.before, directory.active());
  let routing = compileRouting(settings.routing, proofs.isGated);

  const activity = new Activity();
  const listeners: ((event: EventRecord) => void)[] = [(event) => activity.note(event, clock.now())];
  const evidence = opened.use(
    await openEvidence(settings.dataDirectory, {
      outbox: tapOutbox(spool, log, listeners),
      clock,
      log,
      keepDays: Math.ceil(settings.evidence.keep / 86_400_000),
    }),
  );

  await recallLastHour(activity, evidence, clock.now());

  let patience = 5_000; // once all had their time to end, none is left
  const learned = opened.use(await LearnedTls.open({ file: `${settings.dataDirectory}/learned-tls.json`, clock, log }));
  const protocolLog = opened.use(new ProtocolLog({ directory: `${settings.dataDirectory}/protocol-log`, version, clock, log }));
  const transport = createTransport(settings.delivery, {
    clock,
    log,
    listeners: settings.reception.listeners,
    learned,
    protocolLog: {
      open: (name, ends) =>
        settings.delivery.connectors.find((one) => one.name === name)?.protocolLog === true
          ? protocolLog.open('SEND', name, ends)
          : undefined,
    },
    ...outgoing,
  });
  opened.defer(() => transport.close(patience));
  const notifier = createNotifier(settings.bounce, { newId: spool.newId, clock });
  const paused = pauses(spool, clock);
  let reception: Reception | undefined;
  const probes = opened.use(
    new Probes({
      hostname: settings.hostname,
      folder: `${settings.dataDirectory}/probes`,
      settings: () => settings.probes,
      listeners: () => reception?.addresses() ?? [],
      readHops: (header) => readHeaders(Buffer.from(header, 'latin1'), settings.relayNames).hops,
      clock,
      log,
      random: Math.random,
    }),
  );
  listeners.push((event) => probes.onEvent(event));
  const decide = (message: SpooledMessage, recipient: SpooledRecipient) =>
    probes.route(recipient.address, directory.active().version) ??
    routeSpooled(routing, directory.active(), probes.vouchedFor(message), recipient);
  const authentication = opened.use(new Authenticator(settings.authentication, { clock, log }));
  const scheduler = createScheduler(settings.delivery, {
    due: spool,
    routing: { decide },
    notifying: notifier,
    control: {
      isPaused: (connector) => paused.of(connector) !== undefined,
      pause: (connector, by) => paused.pause(connector, by),
    },
    transport,
    grace,
    authentication: {
      needs: (message) => !probes.isProbe(message) && authentication.needs(message),
      authenticate: (message, body) => authentication.authenticate(message, body),
    },
    hands: spool.hands,
    clock,
    log,
  });
  opened.defer(() => scheduler.stop(patience));

  const admission = {
    routing: () => routing,
    directory,
    verify: (...question: Parameters<typeof transport.verify>) => transport.verify(...question),
  };
  const operating = opened.use(
    await Operating.open({
      directory,
      proofs,
      grace,
      admission,
      spool,
      evidence,
      clock,
      log,
      settings: () => settings,
      recheck: () => scheduler.recheckHeld(),
      attemptsEnd: (isMeant, deadline) => scheduler.attemptsEnd(isMeant, deadline),
    }),
  );
  listeners.push((event) => operating.onEvent(event));
  const uploads = opened.use(new Uploads({ folder: `${settings.dataDirectory}/uploads`, clock, refuse: refuseUpload }));
  const startedAt = clock.now();

  const state = (): ReturnType<AdminPorts['status']['state']> => {
    const refusal = spool.refusal();
    const why = reception === undefined ? 'the relay starts' : reception.stats().draining ? 'the relay stops' : refusal?.text;
    return why === undefined
      ? { running: true, accepting: true, startedAt }
      : { running: true, accepting: false, why, startedAt };
  };

  const check = async (): Promise<CheckReport> => {
    const loaded = await loadSettings(settings.file);
    if (!loaded.ok) return { ok: false, mistakes: [...loaded.mistakes], notes: [] };
    const trial = await openDirectory(loaded.settings.directory, { clock, readOnly: true });
    return reportOf(trial.findings, loaded.notes);
  };

  const reload = async (who: string): Promise<CheckReport> => {
    const loaded = await loadSettings(settings.file);
    if (!loaded.ok) {
      refusedReload = { ok: false, mistakes: [...loaded.mistakes], notes: [] };
      return refusedReload;
    }
    const next = loaded.settings;
    const before = directory.active();
    const loading = await directory.reload(who, next.directory);
    const report = reportOf(loading.findings, [...loaded.notes, ...needRestart(settings, next)]);
    if (!loading.ok) {
      refusedReload = report;
      return report;
    }
    // From here on nothing waits and nothing can refuse: all of it is active for the next command and the next attempt
    refusedReload = undefined;
    // a connection is written down whole or not at all: kept ones end where the switch was turned
    for (const { name, protocolLog: isLogged } of next.delivery.connectors)
      if (isLogged !== settings.delivery.connectors.find((one) => one.name === name)?.protocolLog) transport.retire(name);
    settings = next;
    routing = compileRouting(next.routing, proofs.isGated);
    scheduler.reconfigure(next.delivery);
    authentication.reconfigure(next.authentication);
    notifier.reconfigure(next.bounce);
    reception?.reconfigure({ ...next.reception, listeners: initial.reception.listeners });
    await reception?.reloadCertificate();
    await certificates.reconfigure(certificateSettings(next));
    alerts.reconfigure(alertSettings(next));
    await operating.reconfigure(before);
    probes.reconfigure();
    await scheduler.recheckHeld();
    log.info({ who, directoryVersion: directory.active().version, changed: loading.changed }, 'settings and directory reloaded');
    return report;
  };

  const certificates = opened.use(
    await Certificates.open(certificateSettings(settings), {
      describe: describeOwnChain,
      take: async ({ use, name }, { certificate, key }) => {
        if (use === 'listener') await reception?.reloadCertificate();
        else if (use === 'connector') transport.retire(name);
        else api.setCertificate({ certificate: certificate.toString(), key: key.toString() });
      },
      run: (command, environment, stop) => runProgram(command, environment, RENEWAL_HOOK, stop),
      clock,
      log,
    }),
  );
  const alerts = opened.use(
    new Alerts(alertSettings(settings), {
      findings: () => findingsOf(administered),
      submit: async (message, body, events) => {
        const draft = spool.draft(message.id);
        await draft.write(body);
        await draft.commit(message, events);
      },
      newId: spool.newId,
      file: `${settings.dataDirectory}/alerts.json`,
      version,
      clock,
      log,
    }),
  );
  listeners.push((event) => alerts.onEvent(event));

  const administered: AdministeredRelay = {
    version,
    settings: () => settings,
    spool,
    directory,
    evidence,
    activity,
    learned,
    transport,
    notifier,
    paused,
    probes,
    scheduler,
    decide,
    admission,
    operating,
    certificates,
    alerts,
    uploads,
    state,
    check,
    reload,
    refusedReload: () => refusedReload,
    ownFindings,
    receptionStats: () => reception?.stats(),
    clock,
    log,
  };
  const api = opened.use(await openAdministration(administered));

  /** C9: where the hold of a wave is full, no more is taken for it. */
  const unlessFull = (answer: Admission): Admission => {
    const refusal = answer.heldBy === undefined ? undefined : operating.refusal(answer.heldBy);
    return refusal === undefined ? answer : { ...answer, reply: refusal };
  };
  reception = await startReception(settings.reception, {
    admission: {
      admit: (query) => {
        const answer = probes.admit(query.recipient) ?? admitRecipient(admission, query);
        return answer instanceof Promise ? answer.then(unlessFull) : unlessFull(answer);
      },
    },
    spooling: spool,
    events: spool,
    protocolLog: {
      open(listener, sessionId, ends) {
        const at = initial.reception.listeners[listener];
        const now = settings.reception.listeners.find(({ address, port }) => address === at?.address && port === at.port);
        return now?.protocolLog === true ? protocolLog.open('RECV', `${now.address}:${now.port}`, ends, sessionId) : undefined;
      },
    },
    log,
    clock,
    ...(sockets !== undefined && { sockets }),
  });
  const listening = reception.addresses().map(({ address, port }) => `${address}:${port}`);
  opened.use(reception);
  scheduler.start();
  operating.start();
  probes.start();
  certificates.start(watchEvery);
  alerts.start(watchEvery);
  // Holds end by time as well (C9), and a switch of the directory may have missed mail that was on its way in
  const rechecking = setInterval(() => void scheduler.recheckHeld(), RECHECK_HELD);
  // what was taken back or switched while no relay ran, or just before a crash
  void scheduler.recheckHeld();
  opened.defer(() => clearInterval(rechecking));

  writeRunFile(settings.dataDirectory, {
    pid: process.pid,
    adminUrl: api.url,
    ...(settings.admin.tokenFile !== undefined && { tokenFile: settings.admin.tokenFile }),
    ...(settings.admin.tls !== undefined && { certificateFile: settings.admin.tls.certificate }),
  });
  opened.defer(() => removeRunFile(initial.dataDirectory));

  const parts = opened.move();
  return {
    listening,
    adminUrl: api.url,
    reload,
    refusal: () => spool.refusal(),
    noteFault: () => spool.noteFault(),
    async stop(deadline) {
      probes.stop();
      try {
        spool.ending();
        await Promise.all([reception.stop(deadline), scheduler.stop(deadline)]);
      } finally {
        patience = LAST_MOMENT;
        await parts.disposeAsync();
      }
    },
  };
}

/** Every record that is durable goes to the log and the counters once, then to the store. */
function tapOutbox(spool: Spool, log: RelayLog, listeners: readonly ((event: EventRecord) => void)[]): Outbox {
  return {
    pending: () => spool.pending(),
    acknowledge: (sequences) => spool.acknowledge(sequences),
    onCommitted(take) {
      spool.onCommitted((batch) => {
        const lines = batch.lines.split('\n');
        batch.events.forEach((event, i) => {
          log.event(event.event, lines[i] ?? '');
          for (const listen of listeners) listen(event);
        });
        take(batch);
      });
    },
  };
}
