/** Debian's slapd with objects as Active Directory has them: its own schema, StartTLS, a reader who may not see all at once. */
import { existsSync, writeFileSync } from 'node:fs';
import { Attribute, Change, Client } from 'ldapts';
import { freePorts, run, selfSigned, stop, until, type Workspace } from './workspace.ts';

const PROGRAM = '/usr/sbin/slapd';
const SUFFIX = 'dc=contoso,dc=com';
const ROOT = { dn: `cn=root,${SUFFIX}`, password: 'root of the test' };

/** Whether the machine has one: `apt-get install slapd` (it needs no service). */
export const hasSlapd = existsSync(PROGRAM);

/** Names and numbers of Exchange's schema; strings are compared without case, as Active Directory does. */
const SCHEMA = `
objectidentifier Test 1.3.6.1.4.1.99999.1
${['proxyAddresses', 'targetAddress', 'legacyExchangeDN', 'homeMDB', 'msExchHomeServerName', 'msExchRecipientTypeDetails']
  .map(
    (name, index) =>
      `attributetype ( Test:${index + 1} NAME '${name}' EQUALITY caseIgnoreMatch SUBSTR caseIgnoreSubstringsMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 )`,
  )
  .join('\n')}
objectclass ( Test:20 NAME 'user' SUP top STRUCTURAL MUST cn MAY ( mail $ proxyAddresses $ targetAddress $ legacyExchangeDN $ homeMDB $ msExchHomeServerName $ msExchRecipientTypeDetails $ userPassword ) )
objectclass ( Test:21 NAME 'group' SUP top STRUCTURAL MUST cn MAY ( mail $ proxyAddresses $ member $ msExchRecipientTypeDetails ) )
`;

export interface AdObject {
  readonly dn: string;
  readonly [attribute: string]: string | readonly string[];
}

export class Slapd {
  readonly url: string;
  readonly base = SUFFIX;
  /** Who reads: sees 500 objects in one answer, and all of them by pages. */
  readonly reader = { dn: `cn=relay,${SUFFIX}`, password: 'reader of the test' };
  readonly #workspace: Workspace;
  readonly #port: number;
  #child: ReturnType<Workspace['start']> | undefined;

  private constructor(workspace: Workspace, port: number) {
    this.#workspace = workspace;
    this.#port = port;
    this.url = `ldap://localhost:${port}`;
  }

  static async start(workspace: Workspace): Promise<Slapd> {
    const [port = 0] = await freePorts(1);
    const slapd = new Slapd(workspace, port);
    slapd.#configure();
    await slapd.start();
    await slapd.#write(async (client) => {
      await client.add(SUFFIX, { objectClass: ['dcObject', 'organization'], o: 'Contoso', dc: 'contoso' });
      await client.add(slapd.reader.dn, { objectClass: 'user', cn: 'relay', userPassword: slapd.reader.password });
    });
    return slapd;
  }

  /** The file of the one who signed its certificate: itself. */
  get caFile(): string {
    return this.#workspace.path('localhost.crt');
  }

  async start(): Promise<void> {
    const file = this.#workspace.path('slapd', 'slapd.conf');
    // -d keeps it in the foreground
    this.#child = this.#workspace.start('slapd', PROGRAM, ['-f', file, '-h', `ldap://127.0.0.1:${this.#port}`, '-d', '0']);
    await until('slapd answers', async () => {
      const client = new Client({ url: this.url, connectTimeout: 1_000 });
      return client.bind(ROOT.dn, ROOT.password).then(
        () => client.unbind().then(() => true),
        () => false,
      );
    });
  }

  /** As a power cut ends it. */
  async kill(): Promise<void> {
    if (this.#child !== undefined) await stop(this.#child, 'SIGKILL', 5_000);
  }

  async add(...objects: readonly AdObject[]): Promise<void> {
    await this.#write(async (client) => {
      for (const { dn, ...attributes } of objects)
        await client.add(
          dn,
          Object.fromEntries(
            Object.entries(attributes).map(([name, value]) => [name, typeof value === 'string' ? value : [...value]]),
          ),
        );
    });
  }

  /** Puts values in the place of what an attribute had; none removes it. */
  async set(dn: string, attributes: Readonly<Record<string, readonly string[]>>): Promise<void> {
    await this.#write((client) =>
      client.modify(
        dn,
        Object.entries(attributes).map(
          ([type, values]) => new Change({ operation: 'replace', modification: new Attribute({ type, values: [...values] }) }),
        ),
      ),
    );
  }

  async remove(...names: readonly string[]): Promise<void> {
    await this.#write(async (client) => {
      for (const dn of names) await client.del(dn);
    });
  }

  async #write(work: (client: Client) => Promise<void>): Promise<void> {
    const client = new Client({ url: this.url });
    await client.bind(ROOT.dn, ROOT.password);
    try {
      await work(client);
    } finally {
      await client.unbind();
    }
  }

  #configure(): void {
    const { certificate, key } = selfSigned(this.#workspace, 'localhost');
    const folder = this.#workspace.folder('slapd');
    const data = this.#workspace.folder('slapd', 'data');
    writeFileSync(`${folder}/exchange.schema`, SCHEMA);
    writeFileSync(
      `${folder}/slapd.conf`,
      `include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include ${folder}/exchange.schema
pidfile ${folder}/slapd.pid
modulepath /usr/lib/ldap
moduleload back_mdb
TLSCertificateFile ${certificate}
TLSCertificateKeyFile ${key}
database mdb
suffix "${SUFFIX}"
rootdn "${ROOT.dn}"
rootpw "${ROOT.password}"
directory ${data}
maxsize 67108864
access to attrs=userPassword by anonymous auth by * none
access to * by users read by * none
limits dn.exact="${this.reader.dn}" size.soft=500 size.hard=500 size.pr=500 size.prtotal=unlimited
`,
    );
    const tested = run('/usr/sbin/slaptest', ['-u', '-f', `${folder}/slapd.conf`]);
    if (tested.status !== 0) throw new Error(`slaptest: ${tested.stderr}`);
  }
}
