/** From the words of `smtp-check` to the servers that are looked at, one after the other. */
import type { Connector, HostPort } from '../mail/route.ts';
import { tlsFor } from '../mail/tls-policy.ts';
import { smtpCheck } from './smtp-check.ts';
import { HostLookup } from './smtp-check-hosts.ts';
import type { SmtpCheckDeps, SmtpCheckReport } from './smtp-check-report.ts';
import { renderSmtpCheck } from './smtp-check-text.ts';

export interface SmtpCheckRequest {
  /** A host, or a domain whose exchangers are meant; absent: the hosts of the connector. */
  readonly target?: { readonly host: string; readonly port: number } | { readonly mx: string };
  readonly connector?: string;
  readonly helo?: string;
  readonly names: readonly string[];
  readonly envelope?: { readonly from: string; readonly to: string };
  readonly implicitTls: boolean;
  readonly ip?: 4 | 6 | 'any';
  /** Milliseconds for each wait. */
  readonly patience: number;
}

/** What the settings say of us. */
export interface OurSide {
  readonly hostname: string;
  readonly connectors: readonly Connector[];
  /** `host:port`; empty: the system's. */
  readonly dnsServers: readonly string[];
}

export interface SmtpChecked {
  readonly ok: boolean;
  readonly report: SmtpCheckReport;
  readonly text: string;
}

/** Rejects, with words for people, where there is nothing to look at. */
export async function runSmtpChecks(
  ours: OurSide,
  request: SmtpCheckRequest,
  deps: SmtpCheckDeps,
): Promise<readonly SmtpChecked[]> {
  const connector = request.connector === undefined ? undefined : named(ours.connectors, request.connector);
  const { target } = request;
  const domain = target !== undefined && 'mx' in target ? target.mx : '';
  const checked: SmtpChecked[] = [];
  for (const { host, port } of await targetsOf(ours, request, connector)) {
    const report = await smtpCheck(
      {
        host,
        port,
        names: request.names,
        helo: request.helo ?? connector?.helo ?? ours.hostname,
        implicitTls: request.implicitTls,
        patience: request.patience,
        ip: request.ip ?? connector?.ip ?? 'any',
        dnsServers: ours.dnsServers,
        ...(request.envelope === undefined ? {} : { envelope: request.envelope }),
        ...(connector?.sourceAddress === undefined ? {} : { sourceAddress: connector.sourceAddress }),
        ...(connector === undefined ? {} : { connector: { name: connector.name, tls: tlsFor({ connector, domain, host }) } }),
      },
      deps,
    );
    checked.push({ ok: report.ok, report, text: renderSmtpCheck(report) });
  }
  return checked;
}

async function targetsOf(
  { dnsServers }: OurSide,
  { target }: SmtpCheckRequest,
  connector: Connector | undefined,
): Promise<readonly HostPort[]> {
  if (target !== undefined && 'host' in target) return [target];
  if (target !== undefined) {
    const exchangers = await new HostLookup(dnsServers).exchangers(target.mx);
    if ('problem' in exchangers) throw new Error(exchangers.problem);
    return exchangers.found.map((host) => ({ host, port: 25 }));
  }
  if (connector?.nextHop.kind === 'smart-hosts') return connector.nextHop.hosts;
  throw new Error(
    connector?.nextHop.kind === 'mx'
      ? `connector ${connector.name} goes by the MX of each recipient's domain: name one with --mx DOMAIN`
      : `connector ${connector?.name ?? ''} has no SMTP server to look at: name a HOST`,
  );
}

function named(connectors: readonly Connector[], name: string): Connector {
  const connector = connectors.find((one) => one.name === name);
  if (connector !== undefined) return connector;
  throw new Error(`there is no connector "${name}"; there is ${connectors.map((one) => one.name).join(', ')}`);
}
