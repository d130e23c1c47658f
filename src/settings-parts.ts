/** What single parts take from the settings, and what a check or a reload says of them: for relay.ts, offline.ts and bridgehead.ts. */
import { rootCertificates } from 'node:tls';
import type { CheckReport } from './admin/contract.ts';
import { placesOf } from './admin/watched-certificate.ts';
import { describeChain } from './checks/certificate-chain.ts';
import type { Finding } from './directory/ports.ts';
import type { Settings } from './settings/settings.ts';

/** What a check or a reload found, in the form of the admin API. */
export function reportOf(
  findings: readonly Finding[],
  notes: CheckReport['notes'] | readonly CheckReport['notes'][number][],
): CheckReport {
  const asMistake = ({ file, line, address, problem, remedy }: Finding): CheckReport['mistakes'][number] => ({
    file,
    line,
    column: 1,
    path: address,
    problem,
    remedy,
  });
  const mistakes = findings.filter((one) => one.severity === 'error').map(asMistake);
  return {
    ok: mistakes.length === 0,
    mistakes,
    notes: [...notes, ...findings.filter((one) => one.severity !== 'error').map(asMistake)],
  };
}

export const alertSettings = ({ hostname, bounce, alerts }: Settings) => ({ hostname, from: bounce.postmaster, ...alerts });

/** The public roots are read only where a file does not lead to one by itself: they cost a megabyte. */
export function describeOwnChain(der: readonly Buffer[], now: number): ReturnType<typeof describeChain> {
  const chain = describeChain(der, [], now);
  return chain?.complete === false ? describeChain(der, rootCertificates, now) : chain;
}

export const certificateSettings = ({ tls, admin, delivery }: Settings) => ({
  places: placesOf({ tls, admin, connectors: delivery.connectors }),
  ...(tls.renewalHook !== undefined && { renewalHook: tls.renewalHook }),
});

/** The protocol log of a listener is turned on and off by a reload. */
const butLogs = (key: string, value: unknown): unknown => (key === 'protocolLog' ? undefined : value);

/** Settings that are read at the start alone: said, so that nobody waits for them. */
export function needRestart(before: Settings, after: Settings): CheckReport['notes'] {
  const parts: [string, unknown, unknown][] = [
    ['hostname', before.hostname, after.hostname],
    ['data-directory', before.dataDirectory, after.dataDirectory],
    ['listeners', before.reception.listeners, after.reception.listeners],
    ['admin', before.admin, after.admin],
    ['log', before.log, after.log],
    ['dns', before.delivery.dnsServers, after.delivery.dnsServers],
    ['evidence', before.evidence, after.evidence],
  ];
  return parts
    .filter(([, old, now]) => JSON.stringify(old, butLogs) !== JSON.stringify(now, butLogs))
    .map(([path]) => ({
      file: after.file,
      line: 1,
      column: 1,
      path,
      problem: 'changed, and read at the start alone',
      remedy: 'Restart the relay to make it count',
    }));
}

export function connectorNamed(settings: Settings, name: string): Settings['delivery']['connectors'][number] {
  const connector = settings.delivery.connectors.find((one) => one.name === name);
  if (connector === undefined) throw new Error(`no connector ${name}`);
  return connector;
}
