import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { RecipientState, SpooledMessage } from '../../../src/mail/spooled.ts';
import { decode, encode } from '../../../src/spool/codec.ts';
import { box, id, spooled } from './messages.ts';

describe('the record of a spooled message', () => {
  it('keeps every field of a message with DSN parameters, a quoted local part and all states', () => {
    const message: SpooledMessage = {
      ...spooled(1, 1_763_800_000_000),
      sender: null,
      ret: 'HDRS',
      envid: 'env+id "1"',
      eightBit: true,
      smtputf8: true,
      recipients: [
        {
          index: 0,
          address: box('"a \\"b\\"@c"@example.com'),
          notify: ['SUCCESS', 'DELAY'],
          orcpt: 'rfc822;x@example.com',
          state: 'held',
          attempts: 3,
          nextAttemptAt: 5,
          lastReply: { code: 450, enhanced: '4.2.0', text: 'later' },
          heldBy: 'operator',
          heldFor: 7,
          heldSince: 9,
          possibleDuplicate: true,
          policyRefusals: 2,
          expireNow: true,
        },
        { index: 1, address: box('Bücher@xn--bcher-kva.example'), state: 'relayed', attempts: 1, nextAttemptAt: 0 },
      ],
    };
    expect(decode(message.id, encode(message, true))).toEqual({ message, bodyInFile: true });
  });

  it('keeps the proof of the body, what does not go out, and what was found out about the sender', () => {
    const message: SpooledMessage = {
      ...spooled(1, 0),
      bodySha256: 'ab'.repeat(32),
      removedFields: ['x-ms-exchange-organization-scl'],
      authentication: {
        time: '2026-11-22T10:00:00.000Z',
        spf: { result: 'fail', domain: 'example.com' },
        dkim: [{ result: 'pass', domain: 'example.net', selector: 's' }],
        dmarc: { result: 'none' },
        claims: ['example.com'],
        'own-domain': 'spoofed',
      },
    };
    expect(decode(message.id, encode(message, false)).message).toEqual(message);
  });

  it('reads what a version before them wrote, and such a version reads past them', () => {
    const record = encode({ ...spooled(1, 0), bodySha256: 'ab' }, false);
    const row = JSON.parse(record) as unknown[];
    expect(row).toHaveLength(10);
    expect(decode(id(1), JSON.stringify(row.slice(0, 9))).message).not.toHaveProperty('bodySha256');
  });

  it('leaves absent what was absent', () => {
    const message = spooled(1, 0);
    const { message: again } = decode(message.id, encode(message, false));
    expect(again).toEqual(message);
    expect(Object.keys(again)).not.toContain('ret');
    expect(Object.keys(again)).not.toContain('envid');
  });

  it('brings back any message', () => {
    const local = fc.stringMatching(/^[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]{1,20}$/);
    const recipient = fc.record({
      local,
      state: fc.constantFrom<RecipientState>('queued', 'deferred', 'held', 'relayed', 'failed', 'expired'),
      attempts: fc.nat(),
      nextAttemptAt: fc.nat(),
      lastConnector: fc.string(),
    });
    fc.assert(
      fc.property(fc.array(recipient, { minLength: 1, maxLength: 5 }), fc.string(), fc.boolean(), (recipients, envid, inFile) => {
        const message: SpooledMessage = {
          ...spooled(1, 1),
          envid,
          recipients: recipients.map(({ local: name, ...rest }, index) => ({
            index,
            address: box(`${name}@example.com`),
            ...rest,
          })),
        };
        expect(decode(message.id, encode(message, inFile))).toEqual({ message, bodyInFile: inFile });
      }),
    );
  });

  // what one changed octet makes of a record, found by test/fuzz
  const origin = '{"peer":"external","ownHops":0,"tenantProof":false}';
  it.each([
    `[1e999,null,0,1,1,${origin},null,null,[["a@b","queued",0,0]]]`,
    `[1,null,0,1,"1",${origin},null,null,[["a@b","queued",0,0]]]`,
    `[1,null,0,1,1,${origin},null,null,[]]`,
    `[1,null,0,1,1,${origin},null,null,[["a@b","quEued",0,0]]]`,
    `[1,null,0,1,1,${origin},null,null,[["a@","queued",0,0]]]`,
    `[1,null,0,1,1,${origin},null,null,[[1,"queued",0,0]]]`,
    `[1,null,0,1,1,${origin},null,null,[["a@b","queued",0,null]]]`,
    `[1,null,0,1,1,[],null,null,[["a@b","queued",0,0]]]`,
    `[1,null,0,1,1,{"peer":"external","ownHops":1e999},null,null,[["a@b","queued",0,0]]]`,
    `[1,null,0,1,1,${origin},null,null,[["a@b","queued",0,0]],"sender@example.net"]`,
    `[1,null,0,1,1,${origin},null,null,[["a@b","queued",0,0]],{"removedFields":"x"}]`,
    `[1,null,0,1,1,${origin},null,null,[["a@b","queued",0,0,{"lastReply":"451"}]]]`,
    `[1,null,0,1,1,${origin},null,null,[["a@b","queued",0,0,{"notify":5}]]]`,
    `[1,null,0,1,1,${origin},null,null,[["a@b","queued",0,0,{"__proto__":{}}]]]`,
  ])('refuses %s, which no code could deliver or give up', (record) => {
    expect(() => decode(id(1), record)).toThrow(Error);
  });

  it('takes what came later by name alone: nothing there stands in for what was checked', () => {
    const record = `[1,null,0,1,1,${origin},null,null,[["a@b","queued",0,0]],{"bodySha256":"ab","sender":5,"origin":null}]`;
    expect(decode(id(1), record).message).toMatchObject({ sender: null, origin: { peer: 'external' }, bodySha256: 'ab' });
  });

  it.each(['', 'x', '{}', '[]', '[1,2]', '[1,"nomailbox",0,1,1,{},null,null,[]]', '[1,null,0,1,1,{},null,null,[["@"]]]'])(
    'refuses %s',
    (record) => {
      expect(() => decode(id(1), record)).toThrow(Error);
    },
  );
});
