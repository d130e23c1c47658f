import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type CertificateFacts, readCertificate } from '../../../../src/checks/doctor/certificate-facts.ts';
import type { TestCertificate } from '../../../support/certificates.ts';
import { chainOf, issue } from '../../../support/issued-certificates.ts';

const folder = mkdtempSync(join(tmpdir(), 'certificates-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

let root: TestCertificate;
let intermediate: TestCertificate;
let leaf: TestCertificate;
beforeAll(async () => {
  root = await issue({ name: 'Root' });
  intermediate = await issue({ name: 'Intermediate', by: root });
  leaf = await issue({ names: ['mx1.example.test', '*.example.test'], by: intermediate });
});

async function read({ cert, key }: TestCertificate): Promise<Extract<CertificateFacts, { kind: 'read' }>> {
  writeFileSync(join(folder, 'mx.pem'), cert);
  writeFileSync(join(folder, 'mx.key'), key);
  const facts = await readCertificate(join(folder, 'mx.pem'), join(folder, 'mx.key'), [root.cert]);
  if (facts.kind !== 'read') throw new Error(facts.why);
  return facts;
}

describe('doctor > certificates', () => {
  it('follows the chain to a root that is trusted', async () => {
    expect(await read(chainOf(leaf, intermediate))).toMatchObject({ ends: 'trusted', strays: [], keyFits: true });
    expect((await read(chainOf(leaf, intermediate))).chain.map(({ subject }) => subject)).toEqual([
      'CN=mx1.example.test',
      'CN=Intermediate',
    ]);
    expect(await read(chainOf(leaf, intermediate, root))).toMatchObject({ ends: 'trusted' });
    expect(await read(chainOf(leaf, root, intermediate))).toMatchObject({ ends: 'trusted', strays: [] }); // in the wrong order
  });

  it('sees where it ends too soon', async () => {
    expect(await read(leaf)).toMatchObject({ ends: 'incomplete', chain: [{ issuer: 'CN=Intermediate' }] });
    const other = await issue({ name: 'Intermediate' }); // of the same name, and not the issuer
    expect(await read(chainOf(leaf, other))).toMatchObject({ ends: 'incomplete', strays: ['CN=Intermediate'] });
  });

  it('tells one that signed itself from one of an authority that nobody trusts', async () => {
    expect(await read(await issue({ names: ['mx1.example.test'] }))).toMatchObject({ ends: 'self-signed' });
    const inHouse = await issue({ name: 'In-house' });
    expect(await read(chainOf(await issue({ names: ['mx1.example.test'], by: inHouse }), inHouse))).toMatchObject({
      ends: 'private-root',
    });
  });

  it('sees a key that is not its own', async () => {
    expect(await read({ cert: leaf.cert, key: root.key })).toMatchObject({ keyFits: false });
    expect(await read({ cert: leaf.cert, key: 'nothing' })).toMatchObject({ keyFits: undefined });
  });

  it('knows names, use and weakness', async () => {
    const [own] = (await read(leaf)).chain;
    expect(
      ['mx1.example.test', 'other.example.test', 'a.b.example.test', 'example.test'].filter((name) => own?.covers(name)),
    ).toEqual(['mx1.example.test', 'other.example.test']);
    expect(own).toMatchObject({ forClients: true, isSelfSigned: false });
    expect(own?.weakness).toBeUndefined();
    const server = await issue({ names: ['a.test'], by: root, usage: { serverAuth: true } });
    expect((await read(server)).chain[0]?.forClients).toBe(false);
    expect((await read(await issue({ names: ['a.test'], by: root, bits: 1024 }))).chain[0]?.weakness).toBe(
      'an RSA key of 1024 bits',
    );
    expect((await read(await issue({ names: ['a.test'], by: root, algorithm: 'sha1' }))).chain[0]?.weakness).toMatch(/sha1/i);
  });

  it('says why it cannot be read', async () => {
    writeFileSync(join(folder, 'empty.pem'), 'nothing');
    const of = (file: string): Promise<CertificateFacts> => readCertificate(join(folder, file), join(folder, 'mx.key'), []);
    expect(await of('empty.pem')).toMatchObject({ kind: 'unreadable', why: 'it holds no certificate in PEM' });
    expect(await of('none.pem')).toMatchObject({ kind: 'unreadable', why: 'there is no such file' });
  });
});
