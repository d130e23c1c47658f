/** Checks on live sources: who signs in has all it needs, and no secret goes in clear. */
import { isIP } from 'node:net';
import { isLoopback } from './compile.ts';
import type { Findings, SettingPath } from './mistakes.ts';
import type { SettingsFile } from './schema.ts';

type Source = SettingsFile['directory']['sources'][number];

export function checkLiveSource({ ldap, graph, refresh }: Source, at: SettingPath, findings: Findings): void {
  for (const [kind, live] of Object.entries({ ldap, graph })) {
    if (refresh !== undefined && live?.refresh !== undefined)
      findings.mistake([...at, kind, 'refresh'], 'refresh stands beside it as well', 'Write it in one of the two places');
  }
  if (ldap !== undefined) checkLdap(ldap, [...at, 'ldap'], findings);
  if (graph !== undefined) checkGraph(graph, [...at, 'graph'], findings);
}

function checkLdap(ldap: NonNullable<Source['ldap']>, at: SettingPath, findings: Findings): void {
  const urls = Array.isArray(ldap.url) ? ldap.url : [ldap.url];
  if ((ldap['bind-dn'] === undefined) !== (ldap['password-file'] === undefined)) {
    findings.mistake(
      [...at],
      'bind-dn and password-file go together',
      'Name both, or none where everybody may read (Active Directory never lets everybody)',
    );
  }
  const inClear = ldap['start-tls'] === false ? urls.filter((url) => url.startsWith('ldap:') && !isLocal(url)) : [];
  if (inClear.length > 0) {
    findings.note(
      [...at, 'start-tls'],
      `the session with ${inClear.join(', ')} is in clear, and the password with it`,
      'Use ldaps://, or leave start-tls away',
    );
  }
}

function checkGraph(graph: NonNullable<Source['graph']>, at: SettingPath, findings: Findings): void {
  const { certificate, key, tenant, 'secret-file': secret, 'client-id': client } = graph;
  if ((certificate === undefined) !== (key === undefined))
    findings.mistake([...at], 'a certificate and its key go together', 'Name both, or a secret-file in their place');
  const proofs = [secret, certificate ?? key].filter((proof) => proof !== undefined).length;
  if (client === undefined && tenant === undefined && proofs === 0) {
    if (new URL(graph.url).hostname.endsWith('microsoft.com'))
      findings.note([...at], 'nobody signs in, so Microsoft refuses every question', 'Add tenant, client-id and secret-file');
    return;
  }
  if (client === undefined || tenant === undefined || proofs !== 1)
    findings.mistake(
      [...at],
      'signing in needs tenant, client-id and one proof',
      'Write tenant, client-id, and either secret-file or certificate with key',
    );
}

function isLocal(url: string): boolean {
  const host = new URL(url).hostname.replace(/^\[|\]$/g, '');
  return host === 'localhost' || (isIP(host) !== 0 && isLoopback(host));
}
