/** What we bring into a handshake: versions and ciphers of a profile, our certificate with its chain, whom we trust. */
import { readFile, stat } from 'node:fs/promises';
import { createSecureContext, type SecureContext } from 'node:tls';
import type { TlsPolicy, TlsProfile } from '../mail/route.ts';
import { readKeyPair } from '../platform/key-pair.ts';
import { profileOptions } from './starttls.ts';

export class TlsContexts {
  readonly #ca: string[] | undefined;
  readonly #contexts = new Map<string, { readonly stamp: string; readonly context: SecureContext }>();

  /** `ca`: trust anchors in PEM in place of Node's own. */
  constructor(ca?: string[]) {
    this.#ca = ca;
  }

  /**
   * Contexts are costly; they are made anew when a file they come from changes. In the middle of a renewal the files do not
   * fit: what was in use goes on. Rejects where one cannot be used and none was.
   */
  async of(policy: TlsPolicy, profile: TlsProfile): Promise<SecureContext> {
    const { certificate, key, caFile } = policy;
    const id = JSON.stringify([profile, certificate, key, caFile]);
    const known = this.#contexts.get(id);
    try {
      const files = [certificate, key, caFile].filter((file) => file !== undefined);
      const stats = await Promise.all(files.map((file) => stat(file)));
      const stamp = stats.map(({ mtimeMs, size, ino }) => `${mtimeMs}/${size}/${ino}`).join();
      if (known?.stamp === stamp) return known.context;
      const context = await this.#make(policy, profile);
      this.#contexts.set(id, { stamp, context });
      return context;
    } catch (error) {
      if (known === undefined) throw error;
      return known.context;
    }
  }

  async #make({ certificate, key = certificate, caFile }: TlsPolicy, profile: TlsProfile): Promise<SecureContext> {
    const own = certificate === undefined || key === undefined ? undefined : await readKeyPair({ certificate, key });
    const ca = caFile === undefined ? this.#ca : await readFile(caFile);
    return createSecureContext({
      ...profileOptions(profile),
      ...(ca === undefined ? {} : { ca }),
      ...(own === undefined ? {} : { cert: own.certificate, key: own.key }),
    });
  }
}
