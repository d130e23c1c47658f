import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { splitAddresses } from '../../../../src/directory/readers/exchange-csv.ts';
import { csv, lines, PILAR_X500, REMOTE_MAILBOXES, read, told, useFolder } from './samples.ts';

useFolder();

const PILAR = 'pilarp@contoso.com | cloud | pilarp@contoso.mail.onmicrosoft.com | pp@contoso.com | remote-mailbox';
const ROOM = 'raum.koeln@contoso.com | cloud | raumkoeln@contoso.mail.onmicrosoft.com | - | room';
const utf16be = (text: string): Buffer => Buffer.from(text, 'utf16le').swap16();

describe('R17 an export of Get-RemoteMailbox', () => {
  for (const [delimiter, name] of [
    [',', 'comma'],
    [';', 'semicolon'],
    ['\t', 'tab'],
  ] as const) {
    const text = csv(REMOTE_MAILBOXES, delimiter);
    for (const [encoding, octets] of [
      ['UTF-8', Buffer.from(text)],
      ['UTF-8 with a byte order mark', Buffer.from(`\ufeff${text}`)],
      ['UTF-16LE with a byte order mark', Buffer.from(`\ufeff${text}`, 'utf16le')],
      ['UTF-16LE without one', Buffer.from(text, 'utf16le')],
      ['UTF-16BE with a byte order mark', utf16be(`\ufeff${text}`)],
      ['gzip', gzipSync(text)],
    ] as const) {
      it(`is read with ${name} in ${encoding}`, async () => {
        const result = await read(octets);
        expect(result.format).toBe('exchange-csv');
        expect(lines(result)).toEqual([PILAR, ROOM]);
        expect(result.findings).toEqual([]);
        expect(result.records[0]).toMatchObject({ line: 3, x500: [PILAR_X500] });
        expect(result.records[1]).toMatchObject({ line: 4 });
      });
    }
  }

  it('is read without the #TYPE line, with line feeds alone, and twice from one source', async () => {
    expect(lines(await read(csv(REMOTE_MAILBOXES, ',', false).replaceAll('\r\n', '\n')))).toEqual([PILAR, ROOM]);
  });

  it('is known as remote mailboxes where it has no column for the type', async () => {
    const rows = REMOTE_MAILBOXES.map((row) => row.slice(0, 5));
    expect(lines(await read(csv(rows)))).toEqual([PILAR, ROOM.replace('room', 'remote-mailbox')]);
  });

  it.each(['; ', ',', '|', ' | ', '+', ' ', '\n', '\r\n', ''])(
    'splits EmailAddresses that were joined with %j, and keeps the line numbers',
    async (joiner) => {
      const rows = REMOTE_MAILBOXES.map((row, index) =>
        row.map((cell, column) => (index > 0 && column === 4 ? cell.replaceAll(';', joiner) : cell)),
      );
      const result = await read(csv(rows));
      expect(lines(result)).toEqual([PILAR, ROOM]);
      expect(result.records.map((record) => record.line)).toEqual([3, joiner.includes('\n') ? 7 : 4]);
      expect(result.records[0]?.x500).toEqual([PILAR_X500]);
    },
  );

  it.each([
    'System.Collections.ArrayList',
    'Microsoft.Exchange.Data.ProxyAddressCollection',
    'Deserialized.Microsoft.Exchange.Data.ProxyAddressCollection',
    'System.String[]',
    '{SMTP:pilarp@contoso.com, smtp:pp@contoso.com...}',
  ])('is refused with the corrected PowerShell where a cell is %s', async (lost) => {
    const rows = REMOTE_MAILBOXES.map((row, index) => row.map((cell, column) => (index > 0 && column === 4 ? lost : cell)));
    const result = await read(csv(rows));
    expect(result.records).toEqual([]);
    expect(result.findings).toHaveLength(1);
    expect(result.findings[0]).toMatchObject({ severity: 'error', line: 3 });
    expect(result.findings[0]?.problem).toContain('has lost its data: the column EmailAddresses holds');
    expect(result.findings[0]?.remedy).toContain("@{n='EmailAddresses';e={$_.EmailAddresses -join ';'}}");
  });

  it('tells a file that was cut short', async () => {
    const text = csv(REMOTE_MAILBOXES);
    expect(told(await read(text.slice(0, -40)))).toEqual([
      'error 4 : this is no CSV: a quote is opened in this row and never closed; the file may be cut short',
    ]);
    expect(told(await read(text.slice(0, text.lastIndexOf(',"'))))).toEqual(['error 4 : 5 cells under 6 columns']);
  });
});

describe('an export of Get-Recipient', () => {
  const HEADER = [
    'Name',
    'PrimarySmtpAddress',
    'EmailAddresses',
    'ExternalEmailAddress',
    'RecipientType',
    'RecipientTypeDetails',
  ];
  const one = (name: string, type: string, target = '', details = type): string[] => [
    name,
    `${name}@contoso.com`,
    `SMTP:${name}@contoso.com`,
    target,
    type,
    details,
  ];

  it('gives each type its kind and its side, by name and by number', async () => {
    const result = await read(
      csv([
        HEADER,
        one('a', 'UserMailbox'),
        one('b', 'UserMailbox', '', 'SharedMailbox'),
        one('c', 'UserMailbox', '', '16'),
        one('d', 'UserMailbox', '', 'EquipmentMailbox'),
        one('e', 'MailUser', 'SMTP:e1@domain1.microsoftonline.com'),
        one('f', 'MailUser', 'SMTP:f@elsewhere.example'),
        one('g', 'MailContact', 'smtp:g@contoso.mail.onmicrosoft.com'),
        one('h', 'MailUser', 'SMTP:h@contoso.mail.onmicrosoft.com', 'RemoteSharedMailbox'),
        one('i', 'MailUniversalDistributionGroup'),
        one('j', 'DynamicDistributionGroup'),
        one('k', 'PublicFolder'),
        one('l', 'MailUser', '', '8589934592'),
        one('m', 'User'),
        one('n', 'UserMailbox', '', ''),
      ]),
    );
    expect(lines(result)).toEqual([
      'a@contoso.com | on-premises | - | - | mailbox',
      'b@contoso.com | on-premises | - | - | shared',
      'c@contoso.com | on-premises | - | - | room',
      'd@contoso.com | on-premises | - | - | equipment',
      'e@contoso.com | cloud | e1@domain1.microsoftonline.com | - | mail-user',
      'f@contoso.com | on-premises | - | - | mail-user',
      'g@contoso.com | cloud | g@contoso.mail.onmicrosoft.com | - | contact',
      'h@contoso.com | cloud | h@contoso.mail.onmicrosoft.com | - | shared',
      'i@contoso.com | on-premises | - | - | group',
      'j@contoso.com | on-premises | - | - | group',
      'k@contoso.com | on-premises | - | - | public-folder',
      'l@contoso.com | cloud | - | - | room',
      'n@contoso.com | on-premises | - | - | mailbox',
    ]);
    expect(told(result)).toEqual([
      expect.stringContaining('warning 14 l@contoso.com: its mailbox is in the cloud, and it has no'),
    ]);
  });

  it("takes mailboxes as the cloud's in the cloud's own export", async () => {
    const text = csv([HEADER, one('a', 'UserMailbox'), one('e', 'MailUser', 'SMTP:e@elsewhere.example')]);
    expect(lines(await read(text, { side: 'cloud' }))).toEqual([
      'a@contoso.com | cloud | - | - | mailbox',
      'e@contoso.com | on-premises | - | - | mail-user',
    ]);
  });

  it('has the address of the routing domain as routing address before the move, whatever its local part', async () => {
    const row = one('pilar.pinilla', 'UserMailbox');
    row[2] = 'SMTP:pilar.pinilla@contoso.com;smtp:pp@contoso.com;smtp:pilarp@domain1.microsoftonline.com';
    expect(lines(await read(csv([HEADER, row])))).toEqual([
      'pilar.pinilla@contoso.com | on-premises | pilarp@domain1.microsoftonline.com | pp@contoso.com | mailbox',
    ]);
  });

  it('leaves out what has no address of ours and says how many', async () => {
    const contact = [
      'x',
      'x@elsewhere.example',
      'SMTP:x@elsewhere.example',
      'SMTP:x@elsewhere.example',
      'MailContact',
      'MailContact',
    ];
    const result = await read(csv([HEADER, contact, contact, one('a', 'UserMailbox')]));
    expect(lines(result)).toHaveLength(1);
    expect(told(result)).toEqual([
      'warning 3 : 2 objects have no address in any of our domains and were left out (the first stands here)',
    ]);
  });

  it('refuses an address that deceives the eye, and names the character', async () => {
    const row = one('a', 'UserMailbox');
    row[2] = 'SMTP:a@contoso.com;smtp:p\u0430ypal@contoso.com;smtp:info\u200b@contoso.com;smtp:\uff41b@contoso.com';
    const result = await read(csv([HEADER, row]));
    expect(result.records).toEqual([]);
    expect(told(result)).toEqual([
      'error 3 p\u0430ypal@contoso.com: the address p\u0430ypal@contoso.com mixes Latin letters with the Cyrillic letter "\u0430" (U+0430), which looks like "a"',
      'error 3 info\\u200b@contoso.com: the address info\\u200b@contoso.com holds the invisible character U+200B (zero width space)',
      'error 3 \uff41b@contoso.com: the address \uff41b@contoso.com holds "\uff41" (U+FF41), which looks like "a"',
    ]);
  });

  it('takes an address in one foreign script as it is', async () => {
    const row = one('a', 'UserMailbox');
    row[2] = 'SMTP:a@contoso.com;smtp:\u0438\u0432\u0430\u043d@contoso.com;smtp:j\u00f6rg@contoso.com';
    expect((await read(csv([HEADER, row]))).records[0]?.aliases).toHaveLength(2);
  });

  it('only warns of an alias that is none', async () => {
    const row = one('a', 'UserMailbox');
    row[2] = 'SMTP:a@contoso.com;smtp:a b@contoso..com;smtp:c@contoso.com';
    const result = await read(csv([HEADER, row]));
    expect(lines(result)).toEqual(['a@contoso.com | on-premises | - | c@contoso.com | mailbox']);
    expect(told(result)).toEqual([expect.stringContaining('warning 3 a@contoso.com: the address "a b@contoso..com" is no')]);
  });

  it('asks for a column that tells where a mailbox stands', async () => {
    const result = await read(
      csv(
        [
          ['Name', 'PrimarySmtpAddress', 'EmailAddresses'],
          ['a', 'a@contoso.com', 'SMTP:a@contoso.com'],
        ],
        ',',
        false,
      ),
    );
    expect(result.findings).toMatchObject([
      { severity: 'error', line: 1, remedy: expect.stringContaining('RecipientTypeDetails') },
    ]);
  });
});

describe('the addresses of one cell', () => {
  it('are found behind any type, and a plus inside an address stays', () => {
    expect(splitAddresses('SMTP:a+tag@x.com+smtp:b@x.com+NOTES:b/x@y+X400:C=US;A= ;P=x;S=b;+sip:a@x.com')).toEqual([
      'SMTP:a+tag@x.com',
      'smtp:b@x.com',
      'NOTES:b/x@y',
      'X400:C=US;A= ;P=x;S=b',
      'sip:a@x.com',
    ]);
    expect(splitAddresses('{SMTP:a@x.com, smtp:b@x.com}')).toEqual(['SMTP:a@x.com', 'smtp:b@x.com']);
  });

  it('are found without types', () => {
    expect(splitAddresses('a@x.com, b+t@x.com;c@x.com d@x.com')).toEqual(['a@x.com', 'b+t@x.com', 'c@x.com', 'd@x.com']);
    expect(splitAddresses('a+t@x.com+b@x.com')).toEqual(['a+t@x.com', 'b@x.com']);
    expect(splitAddresses('')).toEqual([]);
  });
});
