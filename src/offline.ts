/** The operations on a data directory without a daemon: the same answers, from the same parts (contract.md, "Commands"). */
import { existsSync } from 'node:fs';
import { Activity, recallLastHour } from './admin/activity.ts';
import { Certificates } from './admin/certificates.ts';
import { pauses } from './admin/connector-pauses.ts';
import { tlsFindings } from './admin/connector-tls.ts';
import { OperationError, type Operations } from './admin/contract.ts';
import { pauseFindings, storeFindings } from './admin/findings.ts';
import { createOperations } from './admin/operations.ts';
import type { EvidenceFilter } from './admin/ports.ts';
import { steerable } from './admin/steering.ts';
import { createDoctor, type DoctorDeps } from './checks/doctor/doctor.ts';
import { readProbes } from './checks/probe/probes.ts';
import { LearnedTls } from './delivery/learned-tls.ts';
import { createTransport } from './delivery/transport.ts';
import { openDirectory } from './directory/directory.ts';
import { DomainProofs } from './directory/domain-proof.ts';
import { GraceWindow } from './directory/waves/grace-window.ts';
import { byAnyAddress } from './evidence/by-mailbox.ts';
import { readEvidence, readReports } from './evidence/evidence.ts';
import { addressBook, directoryFindings, Operating } from './operating.ts';
import type { Clock } from './platform/clock.ts';
import type { Log } from './platform/logger.ts';
import { DirectoryRefused } from './relay.ts';
import { explainRoute } from './routing/admission.ts';
import { compileRouting } from './routing/compile.ts';
import { routeSpooled } from './routing/spooled-route.ts';
import { loadSettings } from './settings/load.ts';
import type { Settings } from './settings/settings.ts';
import { certificateSettings, connectorNamed, describeOwnChain, reportOf } from './settings-parts.ts';
import { openSpool } from './spool/open.ts';

export interface OfflineParts {
  readonly log: Log;
  readonly clock: Clock;
  readonly version: string;
  /** Other roots, another machine: for tests of `doctor`. */
  readonly doctor?: Partial<DoctorDeps>;
}

/** Opens the data directory for one command. Rejects where another process has it, or the directory holds mistakes. */
export async function openOffline(
  settings: Settings,
  { log, clock, version, doctor }: OfflineParts,
): Promise<Operations & AsyncDisposable> {
  await using opened = new AsyncDisposableStack();
  const spool = opened.use(
    await openSpool(
      { directory: `${settings.dataDirectory}/spool`, messageSize: settings.reception.messageSize },
      { clock, log },
    ),
  );
  // the lock of the spool first: with it nobody else writes versions
  const found = await openDirectory(settings.directory, { clock });
  if (!found.ok) throw new DirectoryRefused(found.findings);
  const { directory } = found;
  const learned = opened.use(await LearnedTls.open({ file: `${settings.dataDirectory}/learned-tls.json`, clock, log }));
  const transport = createTransport(settings.delivery, {
    clock,
    log,
    listeners: settings.reception.listeners,
    learned,
    ...(doctor?.trusted !== undefined && { ca: [...doctor.trusted] }),
  });
  opened.defer(() => transport.close(1_000));
  const paused = pauses(spool, clock);
  const proofs = opened.use(new DomainProofs(settings.domainProof, { clock, log }));
  const { folder, gracePeriod } = settings.directory;
  const grace = new GraceWindow({ file: `${folder}/grace.json`, directory, clock, log, window: gracePeriod });
  if (found.before !== undefined) await grace.compare(found.before, directory.active());
  const routing = compileRouting(settings.routing, proofs.isGated);
  const admission = {
    routing: () => routing,
    directory,
    verify: (...question: Parameters<typeof transport.verify>) => transport.verify(...question),
  };
  const evidence = { query: (filter: EvidenceFilter) => Promise.resolve(readEvidence(settings.dataDirectory, spool, filter)) };
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
      // the next start routes what is held and queued anew
      recheck: () => Promise.resolve(),
    }),
  );
  // the self-signed one is made by the first start of a relay
  const places = certificateSettings(settings).places.filter((one) => one.selfMade !== true || existsSync(one.certificate));
  const certificates = opened.use(await Certificates.open({ places }, { describe: describeOwnChain, clock, log }));
  const activity = new Activity();
  await recallLastHour(activity, evidence, clock.now());
  const operations = createOperations({
    activity,
    clock,
    ports: {
      queue: steerable(spool, (message, recipient) => routeSpooled(routing, directory.active(), message, recipient)),
      connectors: {
        all: () => settings.delivery.connectors,
        paused: (name) => paused.of(name),
        pause: (name, by) => paused.pause(name, by),
        resume: (name) => paused.resume(name),
        test: (name) => transport.test(connectorNamed(settings, name)),
        learnedTls: (name) => learned.list(connectorNamed(settings, name)),
        acceptTls: (name, host) => learned.accept(name, host),
      },
      evidence: byAnyAddress(evidence, addressBook(directory)),
      proof: readReports(settings.dataDirectory, spool),
      probes: {
        ...readProbes(`${settings.dataDirectory}/probes`, settings.probes),
        run: () =>
          Promise.reject(
            new OperationError(
              'unavailable',
              'a probe needs the running relay, which takes it, sends it and waits for it: bridgehead run',
            ),
          ),
      },
      ...operating.ports,
      routing: { explain: (question) => explainRoute(admission, question) },
      status: {
        hostname: settings.hostname,
        version,
        state: () => ({ running: false, accepting: false, why: 'no relay runs on this data directory' }),
        findings: () => [
          ...storeFindings(spool),
          ...operating.findings(),
          ...directoryFindings(directory.found),
          ...pauseFindings(settings.delivery.connectors, (name) => paused.of(name)),
          ...tlsFindings(learned.findings(settings.delivery.connectors)),
          ...certificates.findings(),
        ],
        certificates: () => certificates.list(),
      },
      settings: {
        async check() {
          const loaded = await loadSettings(settings.file);
          return loaded.ok ? reportOf(found.findings, loaded.notes) : { ok: false, mistakes: [...loaded.mistakes], notes: [] };
        },
        reload: () =>
          Promise.reject(new OperationError('unavailable', 'no relay runs on this data directory: there is nothing to reload')),
      },
      doctor: createDoctor(() => settings, { now: () => clock.now(), ...doctor }),
    },
  });
  const parts = opened.move();
  return Object.assign(operations, { [Symbol.asyncDispose]: () => parts.disposeAsync() });
}
