/** `run.json` in the data directory: how commands on this machine find the running daemon. */
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { replaceFile } from './files.ts';

export interface RunFile {
  readonly pid: number;
  /** `http://127.0.0.1:8025` */
  readonly adminUrl: string;
  /** Absolute path of the file with the token, where one is needed. */
  readonly tokenFile?: string;
  /** Absolute path of the API's certificate in PEM, so that a self-signed one is recognised. */
  readonly certificateFile?: string;
}

const pathIn = (dataDirectory: string): string => join(dataDirectory, 'run.json');

/** Written when the API listens. A crash leaves it behind; its pid tells. */
export function writeRunFile(dataDirectory: string, content: RunFile): void {
  replaceFile(pathIn(dataDirectory), `${JSON.stringify(content)}\n`, 0o644);
}

export function removeRunFile(dataDirectory: string): void {
  rmSync(pathIn(dataDirectory), { force: true });
}

/** The daemon whose process is alive; `undefined` where none is. */
export function readRunFile(dataDirectory: string): RunFile | undefined {
  try {
    const { pid, adminUrl, tokenFile, certificateFile } = JSON.parse(
      readFileSync(pathIn(dataDirectory), 'utf8'),
    ) as Partial<RunFile>;
    if (!Number.isSafeInteger(pid) || pid === undefined || pid <= 0 || typeof adminUrl !== 'string' || !isAlive(pid))
      return undefined;
    return {
      pid,
      adminUrl,
      ...(typeof tokenFile === 'string' && { tokenFile }),
      ...(typeof certificateFile === 'string' && { certificateFile }),
    };
  } catch {
    return undefined; // missing, or not ours to read: then the data directory answers
  }
}

/** A disk that fails does not give the file: whether a daemon runs, its address alone can tell. */
export function isOutOfReach(dataDirectory: string): boolean {
  try {
    readFileSync(pathIn(dataDirectory));
    return false;
  } catch (error) {
    return !['ENOENT', 'ENOTDIR', 'EACCES', 'EPERM'].includes((error as NodeJS.ErrnoException).code ?? '');
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
