import { writeFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { openFileSource } from '../../../../src/directory/readers/open-source.ts';
import { CHECKS, CLOUD_CSV, file, GRAPH_USERS, LDIF, lines, PILAR_X500, read, told, useFolder } from './samples.ts';

useFolder();

describe("R17 Microsoft's cloud.csv", () => {
  const EXPECTED = [
    'pilarp@contoso.com | cloud | pilarp@domain1.microsoftonline.com | - | remote-mailbox',
    'bobk@contoso.com | cloud | bobk@domain1.microsoftonline.com | - | remote-mailbox',
  ];

  it.each([
    ['UTF-16LE, as the script writes it', Buffer.from(`\ufeff${CLOUD_CSV}`, 'utf16le')],
    ['UTF-8', Buffer.from(CLOUD_CSV)],
  ])('is read from the right in %s, so that commas in the LegacyExchangeDN do not shift it', async (_, octets) => {
    const result = await read(octets);
    expect(result.format).toBe('cloud-csv');
    expect(lines(result)).toEqual(EXPECTED);
    expect(result.findings).toEqual([]);
    expect(result.records[0]?.x500).toEqual([
      '/o=ExchangeLabs/ou=Exchange Administrative Group (FYDIBOHF23SPDLT)/cn=Recipients/cn=Pinilla, Pilar, Sales',
    ]);
  });

  it('tells a row that is cut and one without the address on-premises', async () => {
    const result = await read(
      `${CLOUD_CSV}/o=x/cn=cut,cut@domain1.microsoftonline.com,cut@contoso.com,6fd2f1a5\r\n`.replace('bobk@contoso.com', ''),
    );
    expect(told(result)).toEqual([
      'error 3 : the OnPremiseEmailAddress "" is no e-mail address',
      'error 4 : the row does not end with a MailboxGUID; it may be cut short',
    ]);
  });
});

describe('R17 LDIF', () => {
  const EXPECTED = [
    'pilarp@contoso.com | cloud | pilarp@contoso.mail.onmicrosoft.com | pp@contoso.com pi\u00f1a@contoso.com | remote-mailbox',
    'joerg@contoso.com | on-premises | - | - | mailbox',
    'info@contoso.com | cloud | info@contoso.mail.onmicrosoft.com | - | shared',
    'old@contoso.com | on-premises | - | - | mailbox',
    'team@contoso.com | on-premises | - | - | group',
  ];
  const STARTS = LDIF.split('\n').flatMap((row, index) => (row.startsWith('dn:') ? [index + 1] : []));
  const text = LDIF.replace('c210cDpww6RAY29udG9zby5jb20=', Buffer.from('smtp:pi\u00f1a@contoso.com').toString('base64'));

  it.each([
    ['UTF-8', Buffer.from(text)],
    ['UTF-16LE (ldifde -u)', Buffer.from(`\ufeff${text}`, 'utf16le')],
    ['CRLF', Buffer.from(text.replaceAll('\n', '\r\n'))],
  ])('is read with folded lines, base64, 64-bit types and members by their names in %s', async (_, octets) => {
    const result = await read(octets);
    expect(result.format).toBe('ldif');
    expect(lines(result)).toEqual(EXPECTED);
    expect(result.records.map((record) => record.line)).toEqual(STARTS.slice(0, 5));
    expect(result.records[0]?.x500).toEqual([PILAR_X500]);
    expect(result.records[4]?.members?.map((member) => member.address)).toEqual(['pilarp@contoso.com', 'joerg@contoso.com']);
    expect(told(result)).toEqual([`warning ${STARTS[4]} team@contoso.com: 1 of its 3 members have no address in this file`]);
  });

  const entry = (attributes: string): string =>
    `dn: CN=A,DC=contoso,DC=com\nobjectClass: user\nmail: a@contoso.com\n${attributes}\n`;
  it.each([
    ['msExchRecipientDisplayType: -2147481850', 'a@contoso.com | cloud | - | - | room'],
    ['msExchRemoteRecipientType: 100', 'a@contoso.com | cloud | - | - | shared'],
    ['msExchRemoteRecipientType: 65', 'a@contoso.com | cloud | - | - | equipment'],
    [
      'targetAddress: SMTP:a@domain1.microsoftonline.com',
      'a@contoso.com | cloud | a@domain1.microsoftonline.com | - | mail-user',
    ],
    ['targetAddress: SMTP:a@elsewhere.example', 'a@contoso.com | on-premises | - | - | mail-user'],
    ['msExchRecipientTypeDetails: 17179869184', 'a@contoso.com | cloud | - | - | equipment'],
    [
      'msExchRecipientTypeDetails: 1\ntargetAddress: SMTP:a@domain1.microsoftonline.com',
      'a@contoso.com | on-premises | - | - | mailbox',
    ],
  ])('takes %j as %s', async (attributes, expected) => {
    expect(lines(await read(entry(attributes)))).toEqual([expected]);
  });

  it('asks about a mailbox on-premises that forwards to the cloud', async () => {
    const result = await read(entry('msExchRecipientTypeDetails: 1\ntargetAddress: SMTP:a@domain1.microsoftonline.com'));
    expect(told(result)).toEqual([expect.stringContaining('a staged migration')]);
  });

  it.each([
    ['changetype: modify\nreplace: mail\nmail: b@contoso.com\n-', 'changetype: modify'],
    ['changetype: delete', 'changetype: delete'],
    ['mail:< file:///etc/passwd', 'a URL'],
    ['proxyAddresses:: $$$', 'no base64'],
    ['msExchRecipientTypeDetails: 0x80', 'is no number'],
    ['just some text', 'no "attribute: value"'],
    ['dn: CN=B', 'a second "dn:"'],
  ])('refuses %j', async (attributes, problem) => {
    const result = await read(entry(attributes));
    expect(result.records).toEqual([]);
    expect(told(result)).toEqual([expect.stringContaining(problem)]);
    expect(result.findings[0]?.severity).toBe('error');
  });

  it('takes what ldapsearch writes around the entries, and refuses an entry without its dn', async () => {
    expect((await read(`${entry('homeMDB: CN=DB')}\n# search result\nsearch: 2\nresult: 0 Success\n`)).findings).toEqual([]);
    expect(told(await read(`${entry('homeMDB: CN=DB')}\nmail: b@contoso.com\n`))).toEqual([
      'error 6 : an entry does not begin with its "dn:"',
    ]);
  });

  it('says where Active Directory gave the first members alone', async () => {
    const group = `dn: CN=G,DC=contoso,DC=com\nobjectClass: group\nmail: g@contoso.com\nmember;range=0-1499: CN=X\n`;
    expect(told(await read(group))).toEqual([expect.stringContaining('first part of its members')]);
  });
});

describe('R17 Microsoft Graph', () => {
  const page = JSON.stringify(GRAPH_USERS, null, 1);
  const SECOND = page.split('\n').findIndex((row) => row.includes('"id": "2"'));
  const PILAR = 'pilarp@contoso.com | cloud | pilarp@contoso.mail.onmicrosoft.com | - | mailbox';
  const NOT_YET = 'notyet@contoso.com | on-premises | notyet1@contoso.mail.onmicrosoft.com | - | mail-user';

  it('a page is read, the space behind SMTP: taken away; a routing alias and a plan without mailbox prove nothing', async () => {
    const result = await read(page);
    expect(result.format).toBe('graph-json');
    expect(lines(result)).toEqual([PILAR, NOT_YET]);
    expect(result.records.map((record) => record.line)).toEqual([5, SECOND]);
    expect(told(result)).toEqual([
      expect.stringContaining(`warning ${SECOND} : 1 synchronised users without an enabled Exchange plan`),
    ]);
  });

  it('a list of mailboxes is a proof', async () => {
    const result = await read(page, { cloudMailboxes: new Set(['notyet@contoso.com']) });
    expect(lines(result)[1]).toBe('notyet@contoso.com | cloud | notyet1@contoso.mail.onmicrosoft.com | - | mailbox');
    expect(result.findings).toEqual([]);
  });

  it.each([
    ['pages one behind the other', `${page}\n${JSON.stringify({ value: [] })}`],
    ['an array of pages', `[${page},{"value":[]}]`],
    ['a bare array', JSON.stringify(GRAPH_USERS.value)],
    ['one object a line', GRAPH_USERS.value.map((user) => JSON.stringify(user)).join('\n')],
    ['UTF-16', Buffer.from(`\ufeff${page}`, 'utf16le')],
  ])('is read as %s', async (_, content) => {
    expect(lines(await read(content))).toEqual([PILAR, NOT_YET]);
  });

  it('has groups with their members, contacts, and leaves guests and people without mail out', async () => {
    const value = [
      {
        id: '1',
        groupTypes: ['Unified'],
        mailEnabled: true,
        mail: 'team@contoso.com',
        proxyAddresses: ['SMTP:team@contoso.com'],
        members: [{ mail: 'a@contoso.com' }, { id: 'x' }],
      },
      {
        id: '2',
        groupTypes: [],
        mailEnabled: true,
        onPremisesSyncEnabled: true,
        mail: 'all@contoso.com',
        proxyAddresses: ['SMTP:all@contoso.com'],
      },
      { id: '3', groupTypes: [], mailEnabled: false, securityEnabled: true, mail: null, proxyAddresses: [] },
      {
        '@odata.type': '#microsoft.graph.orgContact',
        mail: 'q@domain1.microsoftonline.com',
        proxyAddresses: ['SMTP:q@contoso.com'],
      },
      { '@odata.type': '#microsoft.graph.orgContact', mail: 'q@elsewhere.example', proxyAddresses: ['SMTP:q@elsewhere.example'] },
      { userPrincipalName: 'g_x#EXT#@contoso', userType: 'Guest', mail: 'g@contoso.com', proxyAddresses: ['SMTP:g@contoso.com'] },
      { userPrincipalName: 'nomail@contoso.com', userType: 'Member', mail: null, proxyAddresses: [] },
      {
        userPrincipalName: 'shared@contoso.com',
        userType: 'Member',
        mail: 'shared@contoso.com',
        proxyAddresses: ['SMTP:shared@contoso.com'],
      },
    ];
    const result = await read(JSON.stringify({ value }));
    expect(lines(result)).toEqual([
      'team@contoso.com | cloud | - | - | group',
      'all@contoso.com | on-premises | - | - | group',
      'q@contoso.com | cloud | - | - | contact',
    ]);
    expect(result.records[0]?.members).toMatchObject([{ address: 'a@contoso.com' }]);
    expect(told(result)).toEqual([
      expect.stringContaining('1 users of the cloud alone, without proof of a mailbox, were left out'),
      expect.stringContaining('1 objects have no address in any of our domains'),
    ]);
  });

  it('tells a file that is cut, one that is broken, and an answer that is an error', async () => {
    expect(told(await read(page.slice(0, -30)))).toContainEqual(
      `error ${SECOND} : the file ends in the middle of an object or a list`,
    );
    expect(told(await read(page.replace('"id": "2",', '"id": "2"')))).toContainEqual(
      `error ${SECOND} : the object that begins here is no JSON`,
    );
    expect(told(await read('{"error":{"code":"InvalidAuthenticationToken","message":"x"}}'))).toEqual([
      "error 1 : this is an answer of Graph's that refuses the question, and no list",
    ]);
    expect(told(await read('{"value":[]}'))).toEqual(['error 1 : there is no object in this file']);
  });
});

describe('Postfix tables', () => {
  it('transport: a host at or under a routing domain, or of Microsoft, means the cloud', async () => {
    const result = await read(`# moved
pilarp@contoso.com\tsmtp:[domain1.microsoftonline.com]
a@contoso.com  relay:mx.domain1.microsoftonline.com:25
b@contoso.com smtp:[contoso-com.mail.protection.outlook.com]:25
c@contoso.com
  smtp:[10.1.0.5]
d@contoso.com :
e@contoso.com error:5.1.1 gone
contoso.com smtp:[10.1.0.5]
.contoso.com smtp:[10.1.0.5]
bad..address@contoso.com smtp:[10.1.0.5]
`);
    expect(result.format).toBe('postfix-transport');
    expect(lines(result)).toEqual([
      'pilarp@contoso.com | cloud | - | - | -',
      'a@contoso.com | cloud | - | - | -',
      'b@contoso.com | cloud | - | - | -',
      'c@contoso.com | on-premises | - | - | -',
      'd@contoso.com | on-premises | - | - | -',
    ]);
    expect(result.records[3]?.line).toBe(5);
    expect(told(result)).toEqual([
      'warning 8 e@contoso.com: its transport is error: it was left out',
      'error 11 bad..address@contoso.com: the address "bad..address@contoso.com" is no e-mail address',
      'warning 9 : 2 rows for whole domains are no recipients and were left out (the first stands here)',
    ]);
  });

  it('virtual: routing addresses, aliases of aliases, both sides, groups', async () => {
    const result = await read(`contoso.com anything
pilarp@contoso.com pilarp@domain1.microsoftonline.com
pp@contoso.com pilarp@contoso.com
p@contoso.com pp@contoso.com
info@contoso.com old@contoso.com
both@contoso.com both@contoso.com, both@domain1.microsoftonline.com
team@contoso.com pilarp@contoso.com,old@contoso.com
local@contoso.com localuser
@contoso.com catchall@contoso.com
`);
    expect(result.format).toBe('postfix-virtual');
    expect(lines(result)).toEqual([
      'pilarp@contoso.com | cloud | pilarp@domain1.microsoftonline.com | pp@contoso.com p@contoso.com | -',
      'old@contoso.com | on-premises | - | info@contoso.com | -',
      'both@contoso.com | both | both@domain1.microsoftonline.com | - | -',
      'team@contoso.com | on-premises | - | - | group',
      'local@contoso.com | on-premises | - | - | -',
    ]);
    expect(told(result)).toEqual(['warning 9 : @contoso.com is for a whole domain and was left out']);
  });

  it('virtual: a circle and a row that stands twice are told', async () => {
    const result = await read(
      'a@contoso.com b@contoso.com\nb@contoso.com a@contoso.com\nc@contoso.com x@contoso.com\nC@contoso.com y@contoso.com\n',
    );
    expect(told(result)).toEqual([
      'error 4 C@contoso.com: C@contoso.com stands here twice (line 3)',
      'error 1 a@contoso.com: it is an alias of itself over other rows',
      'error 2 b@contoso.com: it is an alias of itself over other rows',
    ]);
  });
});

describe('Zimbra', () => {
  it('accounts, aliases, transports, rooms and lists are read', async () => {
    const result = await read(`# name pilarp@contoso.com
mail: pilarp@contoso.com
mail: pp@contoso.com
objectClass: inetOrgPerson
objectClass: zimbraAccount
zimbraMailAlias: pp@contoso.com
zimbraMailDeliveryAddress: pilarp@contoso.com
zimbraMailTransport: smtp:mx.domain1.microsoftonline.com:25
zimbraPrefMailSignature: Pilar
# name nobody

# name room@contoso.com
mail: room@contoso.com
zimbraCalResType: Location
zimbraMailTransport: lmtp:zimbra.contoso.com:7025

# name team@contoso.com
objectClass: zimbraDistributionList
mail: team@contoso.com
zimbraMailForwardingAddress: pilarp@contoso.com
`);
    expect(result.format).toBe('zimbra');
    expect(lines(result)).toEqual([
      'pilarp@contoso.com | cloud | - | pp@contoso.com | mailbox',
      'room@contoso.com | on-premises | - | - | room',
      'team@contoso.com | on-premises | - | - | group',
    ]);
    expect(result.records[2]?.members).toMatchObject([{ address: 'pilarp@contoso.com' }]);
  });
});

describe('our own recipients.csv', () => {
  const text =
    '# who\naddress;route;aliases\n\npilarp@contoso.com;cloud;pp@contoso.com p@contoso.com\nbob@contoso.com;on-premises\n';
  it.each([
    ['UTF-8', Buffer.from(text)],
    ['UTF-16LE, as a spreadsheet saves it', Buffer.from(`\ufeff${text}`, 'utf16le')],
  ])('is read with semicolons in %s, exact to the line', async (_, octets) => {
    const result = await read(octets);
    expect(result.format).toBe('recipients-csv');
    expect(result.records.map((record) => record.line)).toEqual([4, 5]);
    expect(lines(result)).toEqual([
      'pilarp@contoso.com | cloud | - | pp@contoso.com p@contoso.com | -',
      'bob@contoso.com | on-premises | - | - | -',
    ]);
  });

  it('stops at a thousand errors', async () => {
    const result = await read(`address,route\n${'nobody,cloud\n'.repeat(5000)}`);
    expect(result.findings).toHaveLength(1000);
  });
});

describe('a file that is none of these', () => {
  it.each([
    ['', 'the file is empty'],
    ['PK\u0003\u0004xl/workbook', 'this is an Excel workbook or a ZIP archive'],
    ['ab\0cd', 'this is no text file'],
    ['Dear all,\nplease find attached', 'what kind of file this is cannot be told from its content'],
  ])('%j is told in words', async (content, problem) => {
    expect(told(await read(content))).toEqual([`error 1 : ${problem}`]);
  });

  it('the format may be named, and a file may be missing, damaged or gone', async () => {
    expect(told(await read('name,mail\nx,y@contoso.com\n', { format: 'exchange-csv' }))).toEqual([
      expect.stringContaining('no column tells where a mailbox stands'),
    ]);
    expect(await openFileSource({ name: 'x', file: '/nonexistent/r.csv', checks: CHECKS })).toMatchObject({
      ok: false,
      findings: [{ file: 'r.csv', problem: 'the file cannot be read (ENOENT)' }],
    });
    expect(told(await read(Buffer.from([0x1f, 0x8b, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11])))).toEqual([
      expect.stringContaining('the compressed file is damaged'),
    ]);
    const path = await file('address,route\na@contoso.com,cloud\n');
    const opened = await openFileSource({ name: 'x', file: path, checks: CHECKS });
    if (!opened.ok) throw new Error('refused');
    const found: string[] = [];
    const sink = { record: () => undefined, finding: ({ problem }: { problem: string }) => found.push(problem) };
    await opened.source.read(sink);
    await writeFile(path, '');
    await opened.source.read(sink);
    expect(found).toEqual(['the file is empty']);
  });
});
