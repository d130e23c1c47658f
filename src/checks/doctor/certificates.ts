/** Our certificates as a server and as a client, and who may read the secrets beside them (R14). Pure. */
import type { Connector } from '../../mail/route.ts';
import type { CertificateFacts, FileAccess, OneCertificate } from './certificate-facts.ts';
import type { Report } from './finding.ts';
import type { DoctorSettings } from './ports.ts';

const DAY = 86_400_000;
const SOON = 30 * DAY;

type Read = Extract<CertificateFacts, { kind: 'read' }>;

/** `mxNames`: the names by which DNS leads mail to us. */
export function judgeListenerCertificate(
  report: Report,
  settings: DoctorSettings,
  facts: CertificateFacts,
  mxNames: readonly string[],
  now: number,
): void {
  const setting = settings.tls.selfSigned ? 'tls: { certificate: FILE, key: FILE }' : `tls.certificate (${facts.file})`;
  if (facts.kind === 'unreadable') {
    // made at the first start
    if (settings.tls.selfSigned)
      report.unknown(
        'the self-signed certificate of the listener',
        `${facts.file}: ${facts.why}; the relay makes it at its first start`,
      );
    else unreadable(report, facts, 'the listener');
    return;
  }
  const [own] = facts.chain;
  if (own === undefined) return;
  judgeTime(report, facts, 'the listener', now);
  judgeStrength(report, facts);
  if (facts.ends === 'self-signed')
    report.warning('certificate-self-signed', facts.file, {
      what: `the certificate of the listener is self-signed (${own.subject})`,
      why: 'It encrypts, and proves nothing: a connector of Exchange Online that validates certificates refuses it (450 4.4.317, 5.7.321-325), and it can never satisfy an inbound connector by certificate',
      remedy: [
        `have a certificate made by a public authority for ${[settings.hostname, ...mxNames.filter((name) => name !== settings.hostname)].join(', ')}`,
        `${setting} and reload`,
      ],
    });
  else judgeChain(report, facts, 'Exchange Online does not fetch missing intermediates (450 4.4.317 UntrustedRoot)');
  const missing = [...new Set([settings.hostname, ...mxNames])].filter((name) => !own.covers(name));
  if (missing.length > 0)
    report.warning('certificate-name', facts.file, {
      what: `the certificate of the listener is for ${own.names.join(', ') || 'no name'}, and not for ${missing.join(', ')}`,
      why: 'Exchange Online (DomainValidation), MTA-STS and every sender that verifies compare the name that they connect to',
      remedy: [`have a certificate made that names ${[...new Set([settings.hostname, ...mxNames])].join(', ')}`],
    });
}

/**
 * The identity of a connector: the cloud attributes mail to the tenant by it (1.1 "Inbound connector", R14).
 * `isJudged`: the same file was judged before, for the listener or another connector.
 */
export function judgeClientCertificate(
  report: Report,
  settings: DoctorSettings,
  connector: Connector,
  facts: CertificateFacts,
  { now, isJudged }: { readonly now: number; readonly isJudged: boolean },
): void {
  const whose = `connector ${connector.name}`;
  if (facts.kind === 'unreadable') return unreadable(report, facts, whose);
  const [own] = facts.chain;
  if (own === undefined) return;
  if (!isJudged) {
    judgeTime(report, facts, whose, now);
    judgeStrength(report, facts);
  }
  if (facts.ends === 'self-signed')
    report.error('client-certificate-self-signed', connector.name, {
      what: `the certificate of ${whose} (${facts.file}) is self-signed`,
      why: 'The cloud attributes mail by a certificate of a public authority alone: without one it is anonymous (550 5.7.64 TenantAttribution)',
      remedy: [
        'have a certificate made by a public authority for a name in one of your accepted domains',
        `connectors: ${connector.name}: tls: { certificate: FILE, key: FILE }`,
      ],
    });
  else if (!isJudged)
    judgeChain(
      report,
      facts,
      'The cloud does not fetch missing intermediates, cannot trust the certificate, and takes the mail for anonymous (550 5.7.64 ATTR36)',
    );
  if (!own.forClients)
    report.error('client-certificate-usage', connector.name, {
      what: `the certificate of ${whose} (${facts.file}) may not be used by a TLS client: its extended key usage has no clientAuth`,
      why: 'Servers refuse it in the handshake, or take the client for anonymous; public authorities leave clientAuth out unless asked',
      remedy: ['have it made with extendedKeyUsage = serverAuth, clientAuth'],
    });
  const accepted = settings.routing.domains.map(({ name }) => name);
  if (connector.side === 'cloud' && !own.names.some((name) => accepted.some((domain) => isUnder(name, domain))))
    report.error('client-certificate-name', connector.name, {
      what: `the certificate of ${whose} is for ${own.names.join(', ') || 'no name'}: no name in an accepted domain (${accepted.join(', ')})`,
      why: 'The cloud finds the tenant by the domain in the certificate; without a match relaying is refused (550 5.7.64 TenantAttribution; Relay Access Denied)',
      remedy: [`have a certificate made for a name such as ${settings.hostname.split('.')[0]}.${accepted[0] ?? 'DOMAIN'}`],
    });
}

/** The domain itself, or a name with one label more. */
const isUnder = (name: string, domain: string): boolean => name === domain || name.slice(name.indexOf('.') + 1) === domain;

function unreadable(report: Report, { file, why }: Extract<CertificateFacts, { kind: 'unreadable' }>, whose: string): void {
  report.error('certificate-unreadable', file, {
    what: `the certificate of ${whose} cannot be read: ${file}: ${why}`,
    why: 'What was read before serves until the next start, which then fails',
    remedy: [`ls -l ${file}`, 'put a PEM file there: our certificate first, then its intermediates'],
  });
}

function judgeTime(report: Report, { file, chain, keyFits }: Read, whose: string, now: number): void {
  for (const one of chain.slice(0, chain.length > 1 && chain.at(-1)?.isSelfSigned === true ? -1 : undefined))
    judgeDates(report, file, whose, one, now);
  if (keyFits === false)
    report.error('certificate-key', file, {
      what: `the key of ${whose} does not belong to its certificate (${file})`,
      why: 'No TLS handshake can succeed with them; they were changed after the start, perhaps only one of the two',
      remedy: ['put certificate and key of one pair in place, and reload (SIGHUP)'],
    });
}

function judgeDates(
  report: Report,
  file: string,
  whose: string,
  { subject, validFrom, validTo }: OneCertificate,
  now: number,
): void {
  const until = new Date(validTo).toISOString();
  const words = {
    why: 'Every peer that verifies it then refuses the session, and mail waits',
    remedy: ['renew it, put it in place, and reload (SIGHUP)'],
  };
  if (validTo <= now)
    report.error('certificate-expired', file, { what: `the certificate ${subject} of ${whose} ended on ${until}`, ...words });
  else if (validFrom > now)
    report.error('certificate-not-yet', file, {
      what: `the certificate ${subject} of ${whose} begins only on ${new Date(validFrom).toISOString()}`,
      ...words,
      remedy: ['look at the clock of this machine: timedatectl', ...words.remedy],
    });
  else if (validTo - now < SOON)
    report.warning('certificate-expiring', file, {
      what: `the certificate ${subject} of ${whose} ends on ${until}, in ${Math.floor((validTo - now) / DAY)} days`,
      ...words,
    });
}

function judgeStrength(report: Report, { file, chain }: Read): void {
  for (const { subject, weakness } of chain) {
    if (weakness === undefined) continue;
    report.warning('certificate-weak', file, {
      what: `the certificate ${subject} has ${weakness}`,
      why: 'Peers with the security level of today refuse it, and it can be forged',
      remedy: ['have one made with an RSA key of 2048 bits or an elliptic curve, signed with SHA-256'],
    });
  }
}

function judgeChain(report: Report, { file, chain, ends, strays }: Read, why: string): void {
  const last = chain.at(-1);
  if (last === undefined) return;
  if (ends === 'incomplete')
    report.error('certificate-chain', file, {
      what: `${file} ends with ${last.subject}; the certificate of its issuer, ${last.issuer}, is missing${strays.length > 0 ? ` (what else is in the file belongs to nothing: ${strays.join('; ')})` : ''}`,
      why,
      remedy: [
        last.issuerAt === undefined
          ? `ask who signed ours for the certificate of ${last.issuer}, and append it to ${file}`
          : `curl -s ${last.issuerAt} | openssl x509 -inform der >> ${file}`,
        'then reload (SIGHUP)',
      ],
    });
  if (ends === 'private-root')
    report.warning('certificate-private', file, {
      what: `${file} ends in ${last.subject}, which is no public authority that this machine trusts`,
      why: 'Whoever does not have that root refuses the certificate where it verifies; Exchange Online has public roots alone',
      remedy: [
        'have a certificate made by a public authority',
        'or, where all peers have the root: NODE_EXTRA_CA_CERTS=ROOT.pem for the relay, so that it trusts it too',
      ],
    });
}

/** `userId`: whose process reads them; unknown where no relay runs. */
export function judgeAccess(report: Report, files: readonly FileAccess[], userId: number | undefined): void {
  for (const { file, role, mode, owner, isDirectory, why } of files) {
    if (mode === undefined) {
      if (why !== undefined) report.unknown(`who can read ${role} (${file})`, why);
      continue;
    }
    const octal = mode.toString(8).padStart(4, '0');
    const mend = [`chmod ${isDirectory ? '0700' : '0600'} ${file}`];
    if ((mode & (isDirectory ? 0o007 : 0o006)) !== 0)
      report.error(isDirectory ? 'directory-open' : 'secret-readable', file, {
        what: `everybody on this machine can ${isDirectory ? 'enter' : (mode & 0o002) === 0 ? 'read' : 'read or change'} ${role} (${file}, mode ${octal})`,
        why: isDirectory
          ? 'Queued mail and who writes to whom lie in it'
          : 'Whoever has it can be the relay: to the cloud, to clients, or over the admin API',
        remedy: mend,
      });
    else if ((mode & (isDirectory ? 0o070 : 0o060)) !== 0)
      report.add((mode & 0o020) === 0 ? 'note' : 'warning', isDirectory ? 'directory-group' : 'secret-group', file, {
        what: `a group can ${(mode & 0o020) === 0 ? 'read' : 'change'} ${role} (${file}, mode ${octal})`,
        why: 'That is right where the group is made for it, and wide where it is users',
        remedy: mend,
      });
    if (userId !== undefined && owner !== undefined && owner !== userId && owner !== 0)
      report.warning('file-owner', file, {
        what: `${role} (${file}) belongs to the user ${owner}, and the relay runs as ${userId}`,
        why: 'That user can change it whenever it likes',
        remedy: [`chown ${userId} ${file}`],
      });
  }
}
