/** Mounts that are a script's own: they end with its last process, whatever ends it. */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/** Starts the script at `url` again in a mount namespace and ends with its status, where it is not in one yet. */
export function inOwnMounts(url: string): void {
  if (process.env['BRIDGEHEAD_FAULTS_NAMESPACE'] !== undefined) return;
  const again = [
    'unshare',
    process.getuid?.() === 0 ? '-m' : '-Urm',
    process.execPath,
    fileURLToPath(url),
    ...process.argv.slice(2),
  ];
  const env = { ...process.env, BRIDGEHEAD_FAULTS_NAMESPACE: 'yes' };
  process.exit(spawnSync(again[0] ?? '', again.slice(1), { stdio: 'inherit', env }).status ?? 1);
}
