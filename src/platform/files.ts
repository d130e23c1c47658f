/** Files and directories whose survival of a power cut is promised: thin wrappers over fsync. */
import {
  closeSync,
  fchmodSync,
  fdatasyncSync,
  fsync,
  fsyncSync,
  mkdirSync,
  open,
  openSync,
  renameSync,
  writeSync,
} from 'node:fs';
import { dirname } from 'node:path';

/**
 * Makes a directory and the ones above it that are missing, readable by the owner alone, and syncs each parent: a name
 * is durable only once the directory that holds it is (ALICE, OSDI 2014). Blocks; for start-up.
 */
export function makeDirectory(path: string): void {
  const first = mkdirSync(path, { recursive: true, mode: 0o700 });
  if (first === undefined) return;
  for (let made = path; ; made = dirname(made)) {
    syncDirectoryNow(dirname(made));
    if (made === first || dirname(made) === made) return;
  }
}

/** Syncs the names in a directory. Blocks; for start-up. */
export function syncDirectoryNow(path: string): void {
  const fd = openSync(path, 'r');
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

/**
 * Replaces a file as a whole. A crash before the return leaves the old content or the new, never a part; after it the
 * new content is on disk. Blocks; for small files that change seldom.
 */
export function replaceFile(path: string, content: string | Buffer, mode = 0o600): void {
  const draft = `${path}.new`;
  const fd = openSync(draft, 'w', mode);
  try {
    fchmodSync(fd, mode); // what is meant, whatever the umask and an old draft say
    const bytes = typeof content === 'string' ? Buffer.from(content) : content;
    for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at);
    fdatasyncSync(fd);
  } finally {
    closeSync(fd);
  }
  renameSync(draft, path);
  syncDirectoryNow(dirname(path));
}

/**
 * Syncs the names in one directory for many callers: those who ask while a sync is under way share the next one, which
 * alone is sure to cover their names.
 */
export class DirectorySync {
  readonly #path: string;
  #running: Promise<void> | undefined;
  #next: Promise<void> | undefined;

  constructor(path: string) {
    this.#path = path;
  }

  /** Resolves once every name made before this call is durable. */
  sync(): Promise<void> {
    if (this.#next !== undefined) return this.#next;
    if (this.#running === undefined) return this.#start();
    const after = () => {
      this.#next = undefined;
      return this.#start();
    };
    this.#next = this.#running.then(after, after);
    return this.#next;
  }

  #start(): Promise<void> {
    const running = syncDirectory(this.#path).finally(() => {
      if (this.#running === running) this.#running = undefined;
    });
    this.#running = running;
    return running;
  }
}

function syncDirectory(path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    open(path, 'r', (failed, fd) => {
      if (failed !== null) return reject(failed);
      fsync(fd, (error) => {
        closeSync(fd);
        if (error === null) resolve();
        else reject(error);
      });
    });
  });
}
