import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { TlsContexts } from '../../../../src/delivery/tls-contexts.ts';
import type { TlsPolicy } from '../../../../src/mail/route.ts';
import { insideIdentity, outsideIdentity } from '../../../support/certificate-chains.ts';
import { signedRsa } from '../../../support/certificates.ts';

let folder: string;
let policy: TlsPolicy;
const put = (name: 'client.pem' | 'client.key', text: string): void => writeFileSync(join(folder, name), text);

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'contexts-'));
  policy = {
    mode: 'required',
    profile: 'intermediate',
    certificate: join(folder, 'client.pem'),
    key: join(folder, 'client.key'),
  };
});
afterEach(() => rmSync(folder, { recursive: true }));

describe('the identity of a connector', () => {
  it('stays the old one while the files of the new one are not whole, and is the new one once they are', async () => {
    const contexts = new TlsContexts();
    put('client.pem', insideIdentity.cert);
    put('client.key', insideIdentity.key);
    const before = await contexts.of(policy, 'intermediate');
    expect(await contexts.of(policy, 'intermediate')).toBe(before);
    put('client.pem', outsideIdentity.cert);
    expect(await contexts.of(policy, 'intermediate')).toBe(before);
    rmSync(join(folder, 'client.key'));
    expect(await contexts.of(policy, 'intermediate')).toBe(before);
    // of another kind: OpenSSL would take it without a word, and fail at each handshake
    put('client.key', signedRsa.key);
    expect(await contexts.of(policy, 'intermediate')).toBe(before);
    put('client.key', outsideIdentity.key);
    expect(await contexts.of(policy, 'intermediate')).not.toBe(before);
  });

  it('is none, and says why, where the files never were whole', async () => {
    put('client.pem', insideIdentity.cert);
    put('client.key', outsideIdentity.key);
    await expect(new TlsContexts().of(policy, 'intermediate')).rejects.toThrow('is not the key of');
  });
});
