/**
 * The shape of src/: who may import whom, and where each package has its one home. A change of either table is a
 * decision: make it here first.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { isBuiltin } from 'node:module';
import { dirname, join, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const SRC = fileURLToPath(new URL('../src', import.meta.url));

const STAGES = [
  'reception',
  'spool',
  'directory',
  'routing',
  'authentication',
  'delivery',
  'bounce',
  'evidence',
  'checks',
  'admin',
];

/** Folder → what it may import besides itself: folders of ours, or single files. `main.ts` may import everything. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  mail: [],
  platform: ['mail/tls.ts'], // the TLS facts of a socket are stated in the vocabulary's words
  settings: ['mail', 'platform'],
  ...Object.fromEntries(STAGES.map((stage) => [stage, ['mail', 'platform']])),
  cli: [
    'mail',
    'platform',
    'settings',
    'admin/contract.ts',
    'admin/directory-contract.ts',
    'admin/doctor-contract.ts',
    'admin/probe-contract.ts',
    'admin/report-contract.ts',
    'admin/wave-contract.ts',
  ],
  demo: ['mail', 'platform'],
};

/** The files that join the parts; they may import everything, and nothing but main.ts imports them. */
const JOINING = [
  'main.ts',
  'bridgehead.ts',
  'relay.ts',
  'administration.ts',
  'offline.ts',
  'operating.ts',
  'past-mail.ts',
  'settings-parts.ts',
];

/** Package → the folders that may import it. A package that is not named here has no home yet. */
const HOMES: Readonly<Record<string, readonly string[]>> = {
  'smtp-server': ['reception', 'demo'],
  mailauth: ['authentication'],
  lmdb: ['spool'],
  nodemailer: ['delivery', 'checks', 'demo'],
  'mx-connect': ['delivery'],
  imapflow: ['checks'],
  mailparser: ['evidence'],
  fastify: ['admin'],
  'prom-client': ['admin'],
  pino: ['platform'],
  'pino-pretty': ['platform'],
  selfsigned: ['platform'],
  pg: ['platform'],
  yaml: ['settings'],
  zod: ['settings', 'admin', 'cli'],
  ldapts: ['directory'],
  'csv-parse': ['directory'],
  'ipaddr.js': ['reception', 'settings', 'checks'],
};

interface Import {
  /** `delivery/pool.ts` */
  readonly file: string;
  readonly specifier: string;
}

/** Static, type-only, re-exporting and dynamic imports alike; also `import('x').Type` in types. */
const IMPORT =
  /(?:^|[\s;{}(=:<,|&])(?:(?:import|export)\s(?:[^'"`;]*?\sfrom\s*)?|import\(\s*|require\(\s*|createRequire\([^)]*\)\(\s*)(['"])([^'"\n]+)\1/g;

function importsOf(file: string): Import[] {
  const text = readFileSync(join(SRC, file), 'utf8').replace(/^\s*(?:\/\/|\*|\/\*).*$/gm, '');
  return [...text.matchAll(IMPORT)].map((match) => ({ file, specifier: match[2] ?? '' }));
}

const files = readdirSync(SRC, { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.ts') && !file.includes('node_modules'))
  .map((file) => file.split(sep).join('/'));
const imports = files.flatMap(importsOf);

const folderOf = (file: string): string => (file.includes('/') ? (file.split('/')[0] ?? '') : file);
const targetOf = ({ file, specifier }: Import): string => relative('/', join('/', dirname(file), specifier));
const packageOf = (specifier: string): string =>
  specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/');
const isOurs = ({ specifier }: Import): boolean => specifier.startsWith('.');
const show = ({ file, specifier }: Import): string => `src/${file} imports ${specifier}`;

describe('architecture', () => {
  it('reads the imports that are there', () => {
    expect(imports.length).toBeGreaterThan(files.length / 2);
    expect(imports.map(({ specifier }) => specifier)).toContain('../mail/event.ts');
  });

  it('has only the folders that the table names', () => {
    const folders = new Set(files.filter((file) => file.includes('/')).map(folderOf));
    expect([...folders].filter((folder) => !(folder in MAY_IMPORT))).toEqual([]);
    expect(files.filter((file) => !file.includes('/') && !JOINING.includes(file))).toEqual([]);
  });

  it('lets each folder import only what it may', () => {
    const offenders = imports.filter(isOurs).filter((one) => {
      const folder = folderOf(one.file);
      const target = targetOf(one);
      if (JOINING.includes(folder) || folderOf(target) === folder) return false;
      return !(MAY_IMPORT[folder] ?? []).some((allowed) => target === allowed || target.startsWith(`${allowed}/`));
    });
    expect(offenders.map(show)).toEqual([]);
  });

  it('lets no part import a file that joins them', () => {
    expect(
      imports
        .filter(isOurs)
        .filter((one) => JOINING.includes(targetOf(one)) && !JOINING.includes(one.file))
        .map(show),
    ).toEqual([]);
  });

  it('names every file of ours with its extension, and never leaves src', () => {
    const offenders = imports.filter(isOurs).filter((one) => !files.includes(targetOf(one)));
    expect(offenders.map(show)).toEqual([]);
  });

  it('keeps each package in its home', () => {
    const packages = imports.filter((one) => !isOurs(one) && !isBuiltin(one.specifier));
    const offenders = packages.filter((one) => !(HOMES[packageOf(one.specifier)] ?? []).includes(folderOf(one.file)));
    expect(offenders.map(show)).toEqual([]);
  });

  it('starts no program and knows no shell, but for the renewal hook and the demo, which starts the relay and two servers', () => {
    const users = imports.filter(({ specifier }) => specifier === 'node:child_process').map(({ file }) => file);
    expect(users.filter((file) => !file.startsWith('demo/'))).toEqual(['platform/run-program.ts']);
    const shells = files.filter((file) => {
      const text = readFileSync(join(SRC, file), 'utf8');
      return /\bshell:|\bexecSync\b|import\s*\{[^}]*\bexec\b[^}]*\}\s*from 'node:child_process'/.test(text);
    });
    expect(shells).toEqual([]);
  });

  it('imports the parts of Node by their node: names', () => {
    const offenders = imports.filter((one) => isBuiltin(one.specifier) && !one.specifier.startsWith('node:'));
    expect(offenders.map(show)).toEqual([]);
  });
});
