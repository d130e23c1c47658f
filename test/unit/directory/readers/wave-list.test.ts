import { describe, expect, it } from 'vitest';
import { isFormat } from '../../../../src/directory/readers/open-source.ts';
import { FORMATS } from '../../../../src/directory/readers/recognise.ts';
import { readWaveList } from '../../../../src/directory/readers/wave-list.ts';
import { BATCH, csv, file, LDIF, PASSWORDS, REMOTE_MAILBOXES, read, told, useFolder } from './samples.ts';

useFolder();

const list = async (content: string | Buffer): Promise<{ readonly addresses: string[]; readonly told: string[] }> => {
  const { addresses, findings } = await readWaveList(await file(content));
  const all = {
    addresses: addresses.map(({ mailbox, line }) => `${line} ${mailbox.address}`),
    told: told({ records: [], findings }),
  };
  expect(JSON.stringify({ addresses, findings })).not.toMatch(PASSWORDS);
  return all;
};

describe('a migration batch file', () => {
  it.each([
    ['UTF-8', Buffer.from(BATCH)],
    ['UTF-16LE', Buffer.from(`\ufeff${BATCH}`, 'utf16le')],
    ['semicolons', Buffer.from(BATCH.replaceAll('"', '').replace('Hidd3n,Two', 'Hidd3n-Two').replaceAll(',', ';'))],
  ])('is a list of mailboxes in %s, and its passwords are nowhere', async (_, octets) => {
    expect(await list(octets)).toEqual({ addresses: ['2 pilarp@contoso.com', '3 bobk@contoso.com'], told: [] });
  });

  it.each([
    ['remote move', 'EmailAddress,MailboxType\na@contoso.com,PrimaryOnly\n'],
    ['IMAP', 'EmailAddress,UserName,Password\na@contoso.com,a.login,Hidd3n\n'],
    ['one column', 'EmailAddress\na@contoso.com\n'],
    [
      'Google',
      'First Name [Required],Last Name [Required],Email Address [Required],Password [Required]\nA,B,a@contoso.com,Hidd3n\n',
    ],
    ['Entra', 'userPrincipalName,displayName,surname,mail\na@contoso.com,A,B,\n'.replace('mail', 'mobile')],
    ['our own', '# wave\naddress,route\na@contoso.com,cloud\n'.replace('# wave\n', '')],
  ])('%s is read', async (_, content) => {
    expect((await list(content)).addresses).toEqual(['2 a@contoso.com']);
  });

  it('an export of Exchange and a list of addresses do as well', async () => {
    expect((await list(csv(REMOTE_MAILBOXES))).addresses).toEqual(['3 pilarp@contoso.com', '4 raum.koeln@contoso.com']);
    expect(await list('# pilot\n\npilarp@contoso.com\n<bobk@contoso.com>\nPilarP@contoso.com\nnobody\n')).toEqual({
      addresses: ['3 pilarp@contoso.com', '4 bobk@contoso.com'],
      told: ['warning 5 PilarP@contoso.com: it stands in line 3 already', 'error 6 : this is no e-mail address'],
    });
  });

  it.each([
    ['a row that slipped', `${BATCH}carl@contoso.com Hidd3n,True\n`, '4 cells|2 cells'],
    ['a password in front', `${BATCH}Hidd3n,dora@contoso.com,True\n`, 'this is no e-mail address'],
    ['an unquoted quote', `${BATCH}e@contoso.com,"Hidd3n"x,True\n`, 'this is no CSV'],
    ['an open quote', `${BATCH}e@contoso.com,"Hidd3n,True\n`, 'this is no CSV'],
    ['no header', BATCH.slice(BATCH.indexOf('\n') + 1), 'no list of mailboxes'],
    ['another header', BATCH.replace('EmailAddress', 'Who'), 'no column of addresses'],
  ])('%s is told by its line, and no finding shows what stood there', async (_, content, problem) => {
    const result = await list(content);
    expect(result.told).toEqual([expect.stringMatching(problem)]);
  });

  it('is refused as a directory, with the command that takes it, whatever format is claimed', async () => {
    for (const format of [undefined, ...FORMATS]) {
      const result = await read(BATCH, format === undefined ? {} : { format });
      expect(result.records).toEqual([]);
      expect(result.findings).toMatchObject([{ severity: 'error', remedy: expect.stringContaining('wave create') }]);
      expect(JSON.stringify(result)).not.toMatch(PASSWORDS);
    }
    expect((await read('a@contoso.com\nb@contoso.com\n')).findings[0]?.remedy).toContain('wave create');
  });

  it('without its header is refused under every format, and nothing of it is shown', async () => {
    for (const format of [undefined, ...FORMATS]) {
      const result = await read(BATCH.slice(BATCH.indexOf('\n') + 1), format === undefined ? {} : { format });
      expect(result.findings.some(({ severity }) => severity === 'error')).toBe(true);
      expect(JSON.stringify(result)).not.toMatch(PASSWORDS);
    }
  });

  it('says what is no list', async () => {
    expect((await list(LDIF)).told).toEqual([expect.stringContaining('is ldif, and no list of mailboxes')]);
    expect((await list('')).told).toEqual(['error 1 : this is no list of mailboxes']);
    expect((await list('EmailAddress\n')).told).toEqual(['error 1 : there is no address in this list']);
    expect((await readWaveList('/nonexistent/list.csv')).findings).toMatchObject([
      { problem: 'the file cannot be read (ENOENT)' },
    ]);
  });
});

describe('formats', () => {
  it('are known by their words', () => {
    expect(isFormat('ldif')).toBe(true);
    expect(isFormat('xlsx')).toBe(false);
  });
});
