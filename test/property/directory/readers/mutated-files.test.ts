/** Files that were cut, flipped and shuffled on their way: a reader answers with findings, and never with anything else. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Finding } from '../../../../src/directory/ports.ts';
import { openPastLog } from '../../../../src/directory/readers/past-logs.ts';
import { FORMATS } from '../../../../src/directory/readers/recognise.ts';
import { readWaveList } from '../../../../src/directory/readers/wave-list.ts';
import { parseMailbox } from '../../../../src/mail/address.ts';
import {
  BATCH,
  CLOUD_CSV,
  csv,
  file,
  GRAPH_USERS,
  LDIF,
  PASSWORDS,
  REMOTE_MAILBOXES,
  read,
  useFolder,
} from '../../../unit/directory/readers/samples.ts';

useFolder();

const TEXTS = {
  recipients:
    'address,route,routing-address,aliases\n# who\npilarp@contoso.com,cloud,p@domain1.microsoftonline.com,"pp@contoso.com p@contoso.com"\nbob@contoso.com,on-premises\n',
  exchange: csv(REMOTE_MAILBOXES),
  cloud: CLOUD_CSV,
  ldif: LDIF,
  graph: JSON.stringify(GRAPH_USERS, null, 1),
  transport: 'pilarp@contoso.com smtp:[domain1.microsoftonline.com]\nbob@contoso.com\n smtp:[10.1.0.5]\n',
  virtual:
    'pilarp@contoso.com pilarp@domain1.microsoftonline.com\npp@contoso.com pilarp@contoso.com\nteam@contoso.com pp@contoso.com, x@contoso.com\n',
  zimbra:
    '# name pilarp@contoso.com\nmail: pilarp@contoso.com\nzimbraMailTransport: smtp:x.domain1.microsoftonline.com:25\n\n# name t@contoso.com\nobjectClass: zimbraDistributionList\n',
  list: 'pilarp@contoso.com\nbobk@contoso.com\n',
  postfixLog:
    'Jan  9 10:00:01 mx postfix/qmgr[3]: 4bXYZ12abc: from=<x@example.net>, size=5120, nrcpt=2 (queue active)\nJan  9 10:00:02 mx postfix/smtp[4]: 4bXYZ12abc: to=<u1@contoso.com>, orig_to=<info@contoso.com>, relay=a[10.1.0.5]:25, delay=1, status=sent (x)\n',
  eximLog:
    '2026-01-09 10:00:00 1tVabc-000012-3X <= x@example.net H=client P=esmtps S=2332\n2026-01-09 10:00:01 1tVabc-000012-3X => bob <bob@contoso.com> R=localuser T=local\n',
  tracking:
    '#Software: x\r\n#Fields: date-time,event-id,message-id,recipient-address,total-bytes,sender-address\r\n2026-01-09T10:00:00Z,RECEIVE,<a@b>,u1@contoso.com;u2@contoso.com,5120,x@example.net\r\n',
  batch: BATCH,
} as const;

type Mutation = (octets: Buffer) => Buffer;
const at = fc.double({ min: 0, max: 1, noNaN: true });
const place = (octets: Buffer, where: number): number => Math.floor(where * Math.max(octets.length - 1, 0));

const mutation: fc.Arbitrary<Mutation> = fc.oneof(
  fc.tuple(at, fc.nat(255)).map(
    ([where, octet]): Mutation =>
      (octets) => {
        const flipped = Buffer.from(octets);
        if (flipped.length > 0) flipped[place(octets, where)] = octet;
        return flipped;
      },
  ),
  at.map(
    (where): Mutation =>
      (octets) =>
        octets.subarray(0, place(octets, where)),
  ),
  at.map(
    (where): Mutation =>
      (octets) =>
        octets.subarray(place(octets, where)),
  ),
  fc.tuple(at, fc.nat(30)).map(
    ([where, length]): Mutation =>
      (octets) => {
        const start = place(octets, where);
        return Buffer.concat([octets.subarray(0, start), octets.subarray(start + length)]);
      },
  ),
  fc.tuple(at, at).map(
    ([one, other]): Mutation =>
      (octets) => {
        const lines = octets.toString('latin1').split('\n');
        const [line = ''] = lines.splice(Math.floor(one * lines.length), 1);
        lines.splice(Math.floor(other * lines.length), 0, line);
        return Buffer.from(lines.join('\n'), 'latin1');
      },
  ),
  fc
    .tuple(
      at,
      fc.constantFrom('"', ',', ';', '\n', '\r', ' ', ':', '{', '}', '\\', '\u200b', '\ufeff', '\0', '\u0430', '\ud83d\ude00'),
    )
    .map(
      ([where, text]): Mutation =>
        (octets) =>
          Buffer.concat([octets.subarray(0, place(octets, where)), Buffer.from(text), octets.subarray(place(octets, where))]),
    ),
  fc.constant<Mutation>((octets) => Buffer.from(`\ufeff${octets.toString()}`, 'utf16le')),
);
const mutated = (names: readonly (keyof typeof TEXTS)[]): fc.Arbitrary<Buffer> =>
  fc
    .tuple(fc.constantFrom(...names), fc.array(mutation, { minLength: 1, maxLength: 5 }))
    .map(([name, mutations]) => mutations.reduce<Buffer>((octets, mutate) => mutate(octets), Buffer.from(TEXTS[name])));
const ALL = Object.keys(TEXTS) as (keyof typeof TEXTS)[];

function expectGood(findings: readonly Finding[]): void {
  for (const { severity, file: name, line, address, problem, remedy } of findings) {
    expect(['error', 'warning']).toContain(severity);
    expect(name).toMatch(/^file-\d+\.txt$/);
    expect(Number.isSafeInteger(line) && line >= 0).toBe(true);
    for (const text of [address, problem, remedy]) expect(text).not.toMatch(/[\u0000-\u001f\u007f\u200b\ufeff]/);
    expect(problem).not.toBe('');
    expect(remedy).not.toBe('');
  }
}

describe('a mutated file', () => {
  it('is read as a directory or refused with findings, under any format that is claimed', async () => {
    await fc.assert(
      fc.asyncProperty(mutated(ALL), fc.option(fc.constantFrom(...FORMATS)), async (octets, format) => {
        const { records, findings } = await read(octets, format === null ? {} : { format });
        expectGood(findings);
        for (const record of records) {
          const { address, aliases, routingAddress, line } = record;
          for (const box of [address, ...aliases, ...(routingAddress === undefined ? [] : [routingAddress])])
            expect(parseMailbox(box.address)).toEqual(box);
          expect(Number.isSafeInteger(line) && line >= 1).toBe(true);
        }
      }),
      { numRuns: 600 },
    );
  });

  it('is read as a wave list or refused with findings', async () => {
    await fc.assert(
      fc.asyncProperty(mutated(ALL), async (octets) => {
        const { addresses, findings } = await readWaveList(await file(octets));
        expectGood(findings);
        expect(addresses.length > 0 || findings.length > 0).toBe(true);
      }),
      { numRuns: 250 },
    );
  });

  it('is read as a past log, every line counted, or refused with findings', async () => {
    await fc.assert(
      fc.asyncProperty(mutated(ALL), async (octets) => {
        const opened = await openPastLog(await file(octets), new Date('2026-01-10T12:00:00Z'));
        if (!opened.ok) return expectGood(opened.findings);
        let messages = 0;
        for await (const { recipient } of opened.log.messages) {
          messages++;
          expect(parseMailbox(recipient.address)).toEqual(recipient);
        }
        expectGood(opened.log.findings);
        expect(opened.log.counts.messages).toBe(messages);
      }),
      { numRuns: 250 },
    );
  });

  // the seed is fixed: enough mutations of the right kind make an address of a password, which no reader could tell
  it('of a migration batch never shows a password', async () => {
    await fc.assert(
      fc.asyncProperty(mutated(['batch']), fc.option(fc.constantFrom(...FORMATS)), async (octets, format) => {
        const result = await read(octets, format === null ? {} : { format });
        expect(JSON.stringify(result)).not.toMatch(PASSWORDS);
        const list = await readWaveList(await file(octets));
        expect(JSON.stringify(list)).not.toMatch(PASSWORDS);
      }),
      { numRuns: 500, seed: 20_261_122 },
    );
  });
});
