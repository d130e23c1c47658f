/** What operators see and steer of a running relay: its findings, and its parts as the admin API asks for them. */
import { readFile } from 'node:fs/promises';
import type { Activity } from './admin/activity.ts';
import type { Alerts } from './admin/alerts.ts';
import { type AdminApi, openApi } from './admin/api.ts';
import type { Certificates } from './admin/certificates.ts';
import type { pauses } from './admin/connector-pauses.ts';
import { tlsFindings } from './admin/connector-tls.ts';
import type { CheckReport, Status } from './admin/contract.ts';
import { corruptFindings, nextHopFindings, pauseFindings, storeFindings } from './admin/findings.ts';
import { type AdmissionStats, addLimitMetrics } from './admin/limit-metrics.ts';
import { createMetrics } from './admin/metrics.ts';
import { createOperations } from './admin/operations.ts';
import type { AdminPorts } from './admin/ports.ts';
import { withProbeMetrics } from './admin/probe-metrics.ts';
import { steerable } from './admin/steering.ts';
import type { Uploads } from './admin/uploads.ts';
import { withWatchMetrics } from './admin/watch-metrics.ts';
import type { createNotifier } from './bounce/notifier.ts';
import { createDoctor } from './checks/doctor/doctor.ts';
import type { Probes } from './checks/probe/probes.ts';
import type { LearnedTls } from './delivery/learned-tls.ts';
import type { Scheduler } from './delivery/scheduler.ts';
import type { createTransport } from './delivery/transport.ts';
import type { Directory } from './directory/directory.ts';
import { byAnyAddress } from './evidence/by-mailbox.ts';
import type { openEvidence } from './evidence/evidence.ts';
import { addressBook, directoryFindings, type Operating } from './operating.ts';
import type { Clock } from './platform/clock.ts';
import type { Log } from './platform/logger.ts';
import type { ReceptionStats } from './reception/server.ts';
import { type AdmissionDeps, explainRoute } from './routing/admission.ts';
import type { Settings } from './settings/settings.ts';
import { connectorNamed } from './settings-parts.ts';
import type { Spool } from './spool/spool.ts';

export interface AdministeredRelay {
  readonly version: string;
  /** Of this moment, as all that changes with a reload. */
  readonly settings: () => Settings;
  readonly spool: Spool;
  readonly directory: Directory;
  readonly evidence: Awaited<ReturnType<typeof openEvidence>>;
  readonly activity: Activity;
  readonly learned: LearnedTls;
  readonly transport: ReturnType<typeof createTransport>;
  readonly notifier: ReturnType<typeof createNotifier>;
  readonly paused: ReturnType<typeof pauses>;
  readonly probes: Probes;
  readonly scheduler: Scheduler;
  readonly decide: Parameters<typeof steerable>[1];
  readonly admission: AdmissionDeps;
  readonly operating: Operating;
  readonly certificates: Certificates;
  readonly alerts: Alerts;
  readonly uploads: Uploads;
  readonly state: AdminPorts['status']['state'];
  readonly check: () => Promise<CheckReport>;
  readonly reload: (who: string) => Promise<CheckReport>;
  /** The last reload, where it was refused. */
  readonly refusedReload: () => CheckReport | undefined;
  /** About the process itself. */
  readonly ownFindings: Status['findings'];
  /** Absent until mail is taken. */
  readonly receptionStats: () => ReceptionStats | undefined;
  readonly clock: Clock;
  readonly log: Log;
}

/** What needs a person, as `status` and the alerts tell it. */
export function findingsOf(relay: AdministeredRelay): Status['findings'] {
  const { spool, evidence, operating, directory, paused, scheduler, learned, certificates, alerts, probes, clock } = relay;
  const { connectors } = relay.settings().delivery;
  return [
    ...storeFindings(spool, evidence.state),
    ...reloadFindings(relay.refusedReload()),
    ...relay.ownFindings,
    ...operating.findings(),
    ...directoryFindings(directory.found),
    ...pauseFindings(connectors, (name) => paused.of(name)),
    ...corruptFindings(scheduler.corrupt()),
    ...tlsFindings(learned.findings(connectors)),
    ...nextHopFindings(scheduler.stats(), connectors, clock.now()),
    ...certificates.findings(),
    ...alerts.findings(),
    ...probes.findings(),
  ];
}

function reloadFindings(refused: CheckReport | undefined): Status['findings'] {
  if (refused === undefined) return [];
  const mistakes = refused.mistakes.length === 1 ? 'a mistake' : `${refused.mistakes.length} mistakes`;
  return [
    {
      code: 'reload-refused',
      severity: 'error',
      problem: `the last reload was refused, with ${mistakes}; the settings before it are active`,
      remedy: 'bridgehead check',
    },
  ];
}

/** The admin API of the relay, listening. */
export async function openAdministration(relay: AdministeredRelay): Promise<AdminApi> {
  const { activity, clock, probes, alerts, certificates, notifier } = relay;
  const ports = portsOf(relay);
  const limitStats = (): AdmissionStats | undefined => {
    const stats = relay.receptionStats();
    return stats && { ...stats, limits: new Map([...stats.limits, ['notifications-per-hour', notifier.overLimit]]) };
  };
  return openAdmin(relay.settings(), relay.version, {
    operations: createOperations({ ports, activity, clock }),
    metrics: addLimitMetrics(
      withProbeMetrics(withWatchMetrics(createMetrics(activity, ports, clock), { alerts, certificates }), probes),
      limitStats,
    ),
    readiness: relay.state,
    uploads: relay.uploads,
    log: relay.log,
  });
}

function portsOf(relay: AdministeredRelay): AdminPorts {
  const { settings, spool, directory, evidence, paused, scheduler, transport, learned, admission, certificates, clock } = relay;
  return {
    ...relay.operating.ports,
    queue: steerable(spool, relay.decide, scheduler),
    connectors: {
      all: () => settings().delivery.connectors,
      paused: (name) => paused.of(name),
      pause: (name, by) => paused.pause(name, by),
      async resume(name) {
        await paused.resume(name);
        scheduler.retryNow(name);
      },
      test: (name) => transport.test(connectorNamed(settings(), name)),
      learnedTls: (name) => learned.list(connectorNamed(settings(), name)),
      async acceptTls(name, host) {
        const accepted = await learned.accept(name, host);
        if (accepted.length > 0) scheduler.retryNow(name);
        return accepted;
      },
    },
    evidence: byAnyAddress(evidence, addressBook(directory)),
    proof: evidence.reports,
    probes: relay.probes,
    routing: { explain: (question) => explainRoute(admission, question) },
    status: {
      hostname: settings().hostname,
      version: relay.version,
      state: relay.state,
      findings: () => findingsOf(relay),
      certificates: () => certificates.list(),
    },
    settings: { check: relay.check, reload: () => relay.reload('operator') },
    doctor: createDoctor(settings, { now: () => clock.now() }),
  };
}

async function openAdmin(
  { admin, hostname }: Settings,
  version: string,
  parts: Parameters<typeof openApi>[1],
): Promise<AdminApi> {
  return openApi(
    {
      address: admin.address,
      port: admin.port,
      version,
      hostNames: [hostname],
      ...(admin.tokenFile !== undefined && { token: (await readFile(admin.tokenFile, 'utf8')).trim() }),
      ...(admin.tls !== undefined && {
        tls: { certificate: await readFile(admin.tls.certificate, 'utf8'), key: await readFile(admin.tls.key, 'utf8') },
      }),
    },
    parts,
  );
}
