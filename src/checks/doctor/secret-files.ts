/** The files of the settings that hold secrets. */
import type { FileAccess } from './certificate-facts.ts';
import type { DoctorSettings } from './ports.ts';

/** Files that hold secrets, each once. */
export function secretsOf(settings: DoctorSettings): Pick<FileAccess, 'file' | 'role'>[] {
  const { tls, routing, admin, alerts, directory, dataDirectory } = settings;
  const named: [file: string | undefined, role: string][] = [
    [dataDirectory, 'the data directory'],
    [tls.key, 'the key of the listener'],
    ...routing.connectors.map(({ name, tls: { key } }): [string | undefined, string] => [key, `the key of connector ${name}`]),
    [admin.tokenFile, 'the token of the admin API'],
    [admin.tls?.key, 'the key of the admin API'],
    [alerts.webhookFile, 'the address of the webhook'],
    ...directory.live.flatMap(({ name, passwordFile, secretFile, key }): [string | undefined, string][] => [
      [passwordFile, `the password of the source ${name}`],
      [secretFile, `the secret of the source ${name}`],
      [key, `the key of the source ${name}`],
    ]),
  ];
  const seen = new Map<string, string>();
  for (const [file, role] of named) if (file !== undefined && !seen.has(file)) seen.set(file, role);
  return [...seen].map(([file, role]) => ({ file, role }));
}
