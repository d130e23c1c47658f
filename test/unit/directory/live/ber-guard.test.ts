import { BerReader } from 'ldapts';
import { beforeAll, describe, expect, it } from 'vitest';
import { guardBer } from '../../../../src/directory/live/ber-guard.ts';

const reader = (...octets: number[]): BerReader => new BerReader(Buffer.from(octets));

// found by test/fuzz: unguarded, each of them is read again and again without an end
describe('an answer that lies about its lengths', () => {
  beforeAll(guardBer);

  it('is refused where a text is longer than the answer', () => {
    expect(() => reader(0x04, 0x05, 0x61).readString()).toThrow('cut off in the middle');
    expect(() => reader(0x04, 0x82, 0x01).readString()).toThrow('cut off in the middle');
    expect(() => reader().readString()).toThrow('cut off in the middle');
  });

  it('is refused where a length is below zero', () => {
    expect(() => reader(0x04, 0x84, 0xff, 0xff, 0xff, 0xff, 0x61).readString()).toThrow('a length below zero');
    expect(() => reader(0x30, 0x84, 0x80, 0, 0, 0, 0x61).readSequence()).toThrow('a length below zero');
  });

  it('and one that does not is read as before', () => {
    expect(reader(0x04, 0x01, 0x61).readString()).toBe('a');
    expect(reader(0x04, 0x00).readString()).toBe('');
    expect(reader(0x04, 0x02, 0x61, 0x62).readString(0x04, true)).toEqual(Buffer.from('ab'));
    expect(reader(0x30, 0x05, 0x61).readSequence()).toBe(0x30); // the rest of it is still to come
  });
});
