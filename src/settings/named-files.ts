/** The files that the settings name: there, readable, and what they should be. */
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { access, constants, readFile } from 'node:fs/promises';
import { dirname, isAbsolute, resolve } from 'node:path';
import type { PeerNetworks } from './compile.ts';
import { MAX_MISTAKES, type SettingsDocument } from './document.ts';
import type { Mistake, Note, SettingPath } from './mistakes.ts';
import type { SettingsFile } from './schema.ts';
import { tooOpen } from './secrets.ts';
import { isEverybody, parseNetwork } from './values.ts';

/** Reads what must be read now (networks) and looks at the rest. */
export async function checkNamedFiles(
  raw: SettingsFile,
  document: SettingsDocument,
): Promise<{ mistakes: Mistake[]; notes: Note[]; networks: PeerNetworks }> {
  const mistakes: Mistake[] = [];
  const notes: Note[] = [];
  const base = dirname(resolve(document.file));
  const absolute = (name: string): string => (isAbsolute(name) ? name : resolve(base, name));
  const add = (path: SettingPath, problem: string, remedy: string): void => {
    if (mistakes.length < MAX_MISTAKES) mistakes.push(document.mistake(path, problem, remedy));
  };

  const readable = async (path: SettingPath, name: string | undefined): Promise<void> => {
    if (name === undefined) return;
    await access(absolute(name), constants.R_OK).catch((error: unknown) => add(path, ...cannotRead(absolute(name), error)));
  };
  const text = async (path: SettingPath, name: string): Promise<string | undefined> => {
    try {
      return await readFile(absolute(name), 'utf8');
    } catch (error) {
      add(path, ...cannotRead(absolute(name), error));
      return undefined;
    }
  };
  const pair = async (path: SettingPath, certificate: string | undefined, key: string | undefined): Promise<void> => {
    if (certificate === undefined || key === undefined) return;
    const certificateText = await text([...path, 'certificate'], certificate);
    const keyText = await text([...path, 'key'], key);
    if (certificateText === undefined || keyText === undefined) return;
    checkPair(path, certificateText, keyText, add);
    await secret([...path, 'key'], key, 'the private key');
  };
  const secret = async (path: SettingPath, name: string | undefined, what: string): Promise<void> => {
    const wrong = name === undefined ? undefined : await tooOpen(absolute(name), what);
    if (wrong === undefined) return;
    (wrong.severity === 'note' ? notes : mistakes).push(document.mistake(path, wrong.problem, wrong.remedy));
  };

  const { certificate, key } = raw.tls;
  if ((certificate === undefined) !== (key === undefined)) {
    add(
      ['tls', certificate === undefined ? 'key' : 'certificate'],
      `\`${certificate === undefined ? 'certificate' : 'key'}\` is missing beside it`,
      'A certificate and its private key go together; name both',
    );
  }
  await pair(['tls'], certificate, key);
  for (const [index, { 'client-ca-file': ca }] of raw.listeners.entries()) {
    const at = ['listeners', index, 'client-ca-file'] as const;
    const authority = ca === undefined ? undefined : await text(at, ca);
    if (authority !== undefined) checkAuthority(at, authority, add);
  }
  for (const [index, connector] of raw.connectors.entries()) {
    const at = ['connectors', index, 'tls'] as const;
    await pair(at, connector.tls.certificate, connector.tls.key);
    const authorities = connector.tls['ca-file'];
    const written = authorities === undefined ? undefined : await text([...at, 'ca-file'], authorities);
    if (written !== undefined && !isCertificate(written))
      add([...at, 'ca-file'], 'the file holds no certificate in PEM', 'It begins with -----BEGIN CERTIFICATE-----');
  }
  await pair(['admin', 'tls'], raw.admin.tls?.certificate, raw.admin.tls?.key);
  const hook = raw.tls['renewal-hook']?.[0];
  if (hook !== undefined)
    await access(absolute(hook), constants.X_OK).catch((error: unknown) => {
      const [problem, remedy] = cannotRun(absolute(hook), error);
      add(['tls', 'renewal-hook', 0], problem, remedy);
    });
  const webhook = raw.alerts['webhook-file'];
  const url = webhook === undefined ? undefined : await text(['alerts', 'webhook-file'], webhook);
  // an empty one is to be filled later
  if (url !== undefined && url.trim() !== '' && !/^https?:\/\/\S+$/.test(url.trim()))
    add(['alerts', 'webhook-file'], 'the file holds no http(s) URL', 'It has one line, like https://hooks.example.net/T1/B2');
  await secret(['alerts', 'webhook-file'], raw.alerts['webhook-file'], 'the URL');
  for (const [index, { wait }] of raw.probes.entries()) {
    for (const name of ['ca-file', 'password-file', 'access-token-file'] as const)
      await readable(['probes', index, 'wait', 'imap', name], wait.imap?.[name]);
  }
  for (const [index, source] of raw.directory.sources.entries()) {
    const at = ['directory', 'sources', index] as const;
    await readable([...at, 'file'], source.file);
    await readable([...at, 'ldap', 'password-file'], source.ldap?.['password-file']);
    await secret([...at, 'ldap', 'password-file'], source.ldap?.['password-file'], 'the password');
    await readable([...at, 'ldap', 'ca-file'], source.ldap?.['ca-file']);
    await pair([...at, 'graph'], source.graph?.certificate, source.graph?.key);
    await readable([...at, 'graph', 'secret-file'], source.graph?.['secret-file']);
    await secret([...at, 'graph', 'secret-file'], source.graph?.['secret-file'], 'the secret');
  }
  const tokenFile = raw.admin['token-file'];
  if (tokenFile !== undefined) {
    await secret(['admin', 'token-file'], tokenFile, 'the token');
    const token = await text(['admin', 'token-file'], tokenFile);
    if (token !== undefined && token.trim().length < 16)
      add(['admin', 'token-file'], 'the token in this file is shorter than 16 characters', 'Make one with: openssl rand -hex 32');
  }
  const networksOf = async (peer: 'on-premises' | 'cloud' | 'gateway'): Promise<string[]> => {
    const name = raw.peers[peer]?.['networks-file'];
    if (name === undefined) return [];
    const path = ['peers', peer, 'networks-file'];
    return readNetworks((await text(path, name)) ?? '', absolute(name), mistakes, path.join('.'));
  };
  const networks = {
    'on-premises': await networksOf('on-premises'),
    cloud: await networksOf('cloud'),
    gateway: await networksOf('gateway'),
  };
  return { mistakes, notes, networks };
}

function cannotRead(file: string, error: unknown): [problem: string, remedy: string] {
  const code = (error as NodeJS.ErrnoException).code;
  if (code === 'ENOENT')
    return [`there is no file ${file}`, 'Create it, or mend the path; relative paths count from the settings file'];
  return [`${file} cannot be read (${code ?? 'unknown error'})`, 'Let the user of the relay read it'];
}

function cannotRun(file: string, error: unknown): [problem: string, remedy: string] {
  if ((error as NodeJS.ErrnoException).code === 'ENOENT') return cannotRead(file, error);
  return [`${file} may not be run by the relay`, `Make it executable: chmod +x ${file}`];
}

type Add = (path: SettingPath, problem: string, remedy: string) => void;

function isCertificate(text: string): boolean {
  try {
    return new X509Certificate(text) instanceof X509Certificate;
  } catch {
    return false;
  }
}

function checkAuthority(path: SettingPath, text: string, add: Add): void {
  try {
    if (new X509Certificate(text).ca) return;
    add(
      path,
      'the certificate in this file is not one of an authority',
      'Name the certificate that signed those of your servers',
    );
  } catch {
    add(path, 'the file holds no certificate in PEM', 'It begins with -----BEGIN CERTIFICATE-----');
  }
}

function checkPair(path: SettingPath, certificateText: string, keyText: string, add: Add): void {
  let certificate: X509Certificate;
  try {
    certificate = new X509Certificate(certificateText);
  } catch {
    return add(
      [...path, 'certificate'],
      'the file holds no certificate in PEM',
      'It begins with -----BEGIN CERTIFICATE-----; our own one stands first',
    );
  }
  try {
    const key = createPrivateKey(keyText);
    if (certificate.checkPrivateKey(key)) return;
  } catch {
    return add(
      [...path, 'key'],
      'the file holds no private key in PEM without a passphrase',
      'It begins with -----BEGIN PRIVATE KEY-----',
    );
  }
  add(
    [...path, 'key'],
    'the key does not belong to the certificate',
    'Our own certificate must stand first in its file, before the intermediates',
  );
}

/** A networks-file: one network a line, `#` begins a comment. */
function readNetworks(text: string, file: string, mistakes: Mistake[], path: string): string[] {
  const networks: string[] = [];
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    const written = line.replace(/#.*/, '').trim();
    if (written === '') continue;
    const network = parseNetwork(written);
    const at = { file, line: index + 1, column: 1, path };
    if (network === undefined)
      mistakes.push({
        ...at,
        problem: `"${written.slice(0, 60)}" is not a network`,
        remedy: 'Write one network a line, like 40.92.0.0/15',
      });
    else if (isEverybody(network))
      mistakes.push({ ...at, problem: `${network} is everybody`, remedy: 'Name the networks of these clients alone' });
    else networks.push(network);
  }
  return networks;
}
