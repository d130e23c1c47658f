import { describe, expect, it } from 'vitest';
import { DOCTOR_AREAS } from '../../../../src/admin/doctor-contract.ts';
import { judgePeers } from '../../../../src/checks/doctor/access.ts';
import { isIn, isPrivate, pointerName } from '../../../../src/checks/doctor/addresses.ts';
import { judgeAccess } from '../../../../src/checks/doctor/certificates.ts';
import { cloudCommands } from '../../../../src/checks/doctor/cloud-commands.ts';
import { AREAS, Report } from '../../../../src/checks/doctor/finding.ts';
import { judgeNode, judgeProcess } from '../../../../src/checks/doctor/machine.ts';
import type { DoctorSettings, RelayStatus } from '../../../../src/checks/doctor/ports.ts';
import { judgeAlerts, judgeDirectory, judgeRole, judgeSides, judgeStatus } from '../../../../src/checks/doctor/relay-state.ts';
import type { Connector } from '../../../../src/mail/route.ts';

const NOW = Date.parse('2026-11-22T12:00:00Z');

const connector = (name: string, more: Partial<Connector> = {}): Connector => ({
  name,
  side: 'cloud',
  addressSpaces: [{ pattern: 'contoso.mail.onmicrosoft.com', cost: 1 }],
  nextHop: { kind: 'mx' },
  tls: { mode: 'opportunistic', profile: 'intermediate' },
  origin: 'any',
  ip: 4,
  connections: 20,
  ...more,
});

const settings = (more: { routing?: object; reception?: object } = {}): DoctorSettings =>
  ({
    file: '/etc/bridgehead.yaml',
    hostname: 'mx1.contoso.com',
    relayNames: ['mx1.contoso.com'],
    dataDirectory: '/var/lib/bridgehead',
    alerts: { mailTo: [] },
    tls: { certificate: 'mx.pem', key: 'mx.key', selfSigned: false },
    reception: {
      listeners: [],
      peers: [],
      tenantHeaders: {},
      messageSize: 1,
      limits: { connections: { most: 1000 } },
      ...more.reception,
    },
    routing: {
      domains: [
        { name: 'contoso.com', includeSubdomains: true, type: 'internal-relay', unknownRecipients: 'reject', mx: 'relay' },
      ],
      connectors: [connector('cloud')],
      routingDomains: ['contoso.mail.onmicrosoft.com'],
      relayTo: { 'on-premises': ['own', 'cloud'], gateway: ['own'] },
      messageSize: 1,
      ...more.routing,
    },
    delivery: { dnsServers: [], warnAfter: 14_400_000 },
    directory: { live: [] },
    domainProof: { domains: [] },
    admin: {},
  }) as DoctorSettings;

const said = (judge: (report: Report) => void): string[] => {
  const report = new Report('relay');
  judge(report);
  return report.findings.map(({ severity, code }) => `${severity} ${code}`);
};

const status = (more: Partial<RelayStatus>): RelayStatus => ({
  running: true,
  accepting: true,
  why: null,
  queue: { messages: 0, oldest: null },
  connectors: [],
  findings: [],
  ...more,
});

describe('doctor > areas', () => {
  it('are the same over HTTP', () => expect(DOCTOR_AREAS).toEqual([...AREAS]));
});

describe('doctor > addresses', () => {
  it('writes the name of a PTR record', () => {
    expect(pointerName('203.0.113.5')).toBe('5.113.0.203.in-addr.arpa');
    expect(pointerName('2001:db8::1')).toBe('1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa');
  });

  it('tells addresses that others cannot see', () => {
    expect(
      ['10.1.2.3', '172.20.0.1', '192.168.1.1', '100.64.0.1', 'fd00::1', 'fe80::1'].filter((one) => !isPrivate(one)),
    ).toEqual([]);
    expect(['203.0.113.5', '127.0.0.1', '2001:db8::1', 'mail.test'].filter(isPrivate)).toEqual([]);
  });

  it('compares within one family', () => {
    expect(isIn(['40.92.0.0/15', '2001:db8::/32'], '40.93.1.1')).toBe(true);
    expect(isIn(['40.92.0.0/15', '2001:db8::/32'], '2001:db8::9')).toBe(true);
    expect(isIn(['0.0.0.0/0'], '2001:db8::9')).toBe(false);
  });
});

describe('doctor > peers', () => {
  const peers = (network: string, relayTo = ['own', 'cloud']): string[] =>
    said((report) =>
      judgePeers(
        report,
        settings({
          reception: { peers: [{ peer: 'on-premises', networks: [network], certificateNames: [], match: 'any' }] },
          routing: { relayTo: { 'on-premises': relayTo, gateway: ['own'] } },
        }),
      ),
    );

  it.each([
    ['10.1.0.5/32', []],
    ['198.51.100.0/28', []],
    ['10.0.0.0/8', ['note peer-network-wide']],
    ['192.168.0.0/16', ['note peer-network-wide']],
    ['198.51.0.0/16', ['warning peer-network-wide']],
    ['128.0.0.0/1', ['error peer-network-wide']],
    ['2001:db8::/32', ['warning peer-network-wide']],
  ])('judges %s', (network, expected) => expect(peers(network)).toEqual(expected));

  it('judges harder where they may send to the Internet', () => {
    expect(peers('10.0.0.0/8', ['own', 'internet'])).toEqual(['warning peer-network-wide']);
    expect(peers('198.51.0.0/16', ['own', 'internet'])).toEqual(['error peer-network-wide']);
  });
});

describe('doctor > files', () => {
  const file = (mode: number, more: object = {}): string[] =>
    said((report) =>
      judgeAccess(report, [{ file: '/etc/mx.key', role: 'the key', mode, owner: 1000, isDirectory: false, ...more }], 1000),
    );

  it('lets nobody else read a secret', () => {
    expect(file(0o600)).toEqual([]);
    expect(file(0o400)).toEqual([]);
    expect(file(0o640)).toEqual(['note secret-group']);
    expect(file(0o660)).toEqual(['warning secret-group']);
    expect(file(0o644)).toEqual(['error secret-readable']);
    expect(file(0o750, { isDirectory: true })).toEqual(['note directory-group']);
    expect(file(0o755, { isDirectory: true })).toEqual(['error directory-open']);
  });

  it('wants them to belong to the relay or to root', () => {
    expect(file(0o600, { owner: 0 })).toEqual([]);
    expect(file(0o600, { owner: 1001 })).toEqual(['warning file-owner']);
  });

  it('says what it cannot see', () => {
    const report = new Report('certificates');
    judgeAccess(
      report,
      [{ file: '/etc/mx.key', role: 'the key', mode: undefined, owner: undefined, isDirectory: false, why: 'EACCES' }],
      1000,
    );
    expect(report.unchecked).toEqual([{ area: 'certificates', what: 'who can read the key (/etc/mx.key)', why: 'EACCES' }]);
  });
});

describe('doctor > the process', () => {
  const process = (openFiles: number | undefined, userId: number | undefined): string[] =>
    said((report) => judgeProcess(report, settings(), { openFiles, userId }));

  it('needs a file for each session', () => {
    expect(process(1276, 1000)).toEqual([]);
    expect(process(1024, 1000)).toEqual(['warning open-files-low']);
    expect(process(Number.POSITIVE_INFINITY, undefined)).toEqual([]);
  });

  it('is not root', () => expect(process(65_536, 0)).toEqual(['warning running-as-root']));

  it('is run by a Node that it knows', () => {
    expect(said((report) => judgeNode(report, '24.12.0'))).toEqual([]);
    expect(said((report) => judgeNode(report, '25.0.0'))).toEqual([]);
    expect(said((report) => judgeNode(report, '24.11.1'))).toEqual(['error node-old']);
  });
});

describe('doctor > the relay', () => {
  const of = (more: Partial<RelayStatus>): string[] => said((report) => judgeStatus(report, settings(), status(more), NOW));

  it('takes mail', () => {
    expect(of({})).toEqual([]);
    expect(of({ accepting: false, why: 'the disk is full' })).toEqual(['error not-accepting']);
  });

  it('lets no mail grow old', () => {
    expect(of({ queue: { messages: 1, oldest: '2026-11-22T11:00:00Z' } })).toEqual([]);
    expect(of({ queue: { messages: 1, oldest: '2026-11-22T07:00:00Z' } })).toEqual(['warning queue-old']);
  });

  it('hands on what it says of itself, once', () => {
    const finding = (problem: string, more: object = {}) => ({ severity: 'warning', problem, remedy: null, ...more });
    expect(of({ findings: [finding('a hold is full'), finding('all is well', { severity: 'info' })] })).toEqual([
      'warning status-finding',
    ]);
    expect(of({ findings: [finding('contoso.com is not verified yet')] })).toEqual([]);
    expect(of({ findings: [finding('it ends', { code: 'certificate-expiry:listener#7' })] })).toEqual([]);
  });

  it('is told apart from one that does not run', () => {
    const report = new Report('relay');
    judgeStatus(report, settings(), status({ running: false, accepting: false, why: 'no relay runs' }), NOW);
    expect(report.findings).toEqual([]);
    expect(report.unchecked).toHaveLength(1);
  });

  it('has a directory that is alive', () => {
    const source = { name: 'ad', kind: 'live', state: 'ok', 'last-success': '2026-11-22T11:59:00Z', error: null } as const;
    const directory = { version: 3, recipients: 9, counts: { 'on-premises': 5, cloud: 4 }, sources: [source] };
    const judged = (more: object): string[] => said((report) => judgeDirectory(report, settings(), { ...directory, ...more }));
    expect(judged({})).toEqual([]);
    expect(judged({ recipients: 0 })).toEqual(['warning directory-empty']);
    expect(judged({ counts: { 'on-premises': 9, cloud: 0 } })).toEqual(['note directory-nobody-moved']);
    expect(judged({ sources: [{ ...source, state: 'failing' }] })).toEqual(['warning source-failing']);
    expect(judged({ sources: [{ ...source, state: 'never', 'last-success': null }] })).toEqual(['error source-failing']);
  });

  it('knows both sides, and of late', () => {
    const judged = (severities: { error: number; warning: number }, taken: string | null): string[] =>
      said((report) => judgeSides(report, { severities, sides: { cloud: { 'taken-at': taken } } }, NOW));
    expect(judged({ error: 0, warning: 0 }, '2026-11-20T00:00:00Z')).toEqual([]);
    expect(judged({ error: 0, warning: 0 }, '2026-11-01T00:00:00Z')).toEqual(['note cloud-side-old']);
    expect(judged({ error: 0, warning: 2 }, null)).toEqual(['warning sides-disagree']);
    expect(judged({ error: 1, warning: 2 }, null)).toEqual(['error sides-disagree']);
  });

  it('has a postmaster, and somebody to tell', () => {
    const refused = { reply: '550 5.1.1 Unknown', reason: 'directory' };
    expect(said((report) => judgeRole(report, 'postmaster@contoso.com', refused))).toEqual(['error postmaster-refused']);
    expect(said((report) => judgeRole(report, 'abuse@contoso.com', refused))).toEqual(['warning abuse-refused']);
    expect(said((report) => judgeRole(report, 'abuse@contoso.com', { reply: '250 2.1.5 Ok', reason: '' }))).toEqual([]);
    expect(said((report) => judgeAlerts(report, settings()))).toEqual(['note alerts-unset']);
  });
});

describe('doctor > in Exchange Online', () => {
  const unreadable = { kind: 'unreadable', file: 'mx.pem', why: '' } as const;
  const certificate = {
    kind: 'read',
    file: 'mx.pem',
    chain: [{ names: ['mx1.contoso.com'], covers: (host: string) => host === 'mx1.contoso.com' }],
    strays: [],
    ends: 'trusted',
    keyFits: true,
  } as never;
  const outgoing = [{ address: '203.0.113.5', connectors: ['cloud', 'outside'] }];
  const lines = (more: object, listener: typeof unreadable = unreadable, own = new Map()): string[] =>
    cloudCommands(settings({ routing: more }), outgoing, { listener, connectors: own }).flatMap((one) => one.lines);

  it('names the relay by its address where it has no certificate of its own', () => {
    expect(lines({})).toEqual([
      "New-InboundConnector -Name 'Bridgehead mx1.contoso.com (cloud)' -ConnectorType OnPremises -SenderDomains '*' -RequireTls $false -SenderIPAddresses '203.0.113.5'",
      "Set-InboundConnector -Identity 'Bridgehead mx1.contoso.com (cloud)' -EFSkipLastIP $false -EFSkipIPs '203.0.113.5'",
      "Set-AcceptedDomain -Identity 'contoso.com' -DomainType InternalRelay -MatchSubDomains $true",
      "New-OutboundConnector -Name 'To on-premises by mx1.contoso.com' -ConnectorType OnPremises -RecipientDomains 'contoso.com','*.contoso.com' -UseMXRecord $false -SmartHosts 'mx1.contoso.com' -TlsSettings EncryptionOnly",
      "Get-MessageTraceV2 -RecipientAddress 'USER@contoso.com' -StartDate (Get-Date).AddHours(-24) -EndDate (Get-Date)",
    ]);
  });

  it('names it by its certificate where it has one, and gives outsiders no rights', () => {
    const inside = connector('cloud', {
      origin: 'internal',
      tls: { mode: 'verified', profile: 'intermediate', certificate: 'mx.pem' },
    });
    const outside = connector('outside', { origin: 'external', tls: { mode: 'verified', profile: 'intermediate' } });
    const typed = lines({ connectors: [inside, outside] }, certificate, new Map([['cloud', certificate]]));
    expect(typed.slice(0, 3)).toEqual([
      "New-InboundConnector -Name 'Bridgehead mx1.contoso.com (cloud)' -ConnectorType OnPremises -SenderDomains '*' -RequireTls $true -TlsSenderCertificateName 'mx1.contoso.com'",
      "New-InboundConnector -Name 'Bridgehead mx1.contoso.com (outside)' -ConnectorType Partner -SenderDomains '*' -RequireTls $true -SenderIPAddresses '203.0.113.5'",
      "Set-InboundConnector -Identity 'Bridgehead mx1.contoso.com (outside)' -EFSkipLastIP $false -EFSkipIPs '203.0.113.5'",
    ]);
    expect(typed.find((line) => line.startsWith('New-Outbound'))).toContain(
      "-TlsSettings DomainValidation -TlsDomain 'mx1.contoso.com'",
    );
  });

  it('keeps quotes in names from ending the string', () => {
    expect(lines({ connectors: [connector("o'hara")] })[0]).toContain("(o''hara)'");
  });

  it('says nothing where there is no tenant', () => {
    expect(lines({ routingDomains: [] })).toEqual([]);
  });
});
