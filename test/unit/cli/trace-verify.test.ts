import { describe, expect, it } from 'vitest';
import { verify } from '../../../src/cli/trace-verify-command.ts';
import type { EventRecord } from '../../../src/mail/event.ts';

const time = '2026-11-22T10:00:00.000Z';
const record = (event: EventRecord['event'], sha256?: string): EventRecord => ({
  time,
  event,
  recipient: 'anna@example.com',
  ...(sha256 !== undefined && { 'body-sha256': sha256 }),
});

describe('the proof of a body', () => {
  it('holds where every hop got what was accepted', () => {
    const proof = verify('1', [record('RECEIVE', 'aa'), record('DEFER', 'aa'), record('SEND', 'aa')]);
    expect(proof).toMatchObject({ verdict: 'same', received: { 'body-sha256': 'aa' }, file: null });
    expect(proof.hops.map(({ event, same }) => [event, same])).toEqual([
      ['DEFER', true],
      ['SEND', true],
    ]);
  });

  it('fails by one hop, or by the file', () => {
    expect(verify('1', [record('RECEIVE', 'aa'), record('SEND', 'aa'), record('SEND', 'bb')]).verdict).toBe('different');
    const file = { name: 'x.eml', sha256: 'bb' };
    expect(verify('1', [record('RECEIVE', 'aa'), record('SEND', 'aa')], file)).toMatchObject({
      verdict: 'different',
      file: { same: false },
    });
  });

  it('is of a file alone where no hop has the message yet', () => {
    expect(verify('1', [record('RECEIVE', 'aa')], { name: 'x.eml', sha256: 'aa' }).verdict).toBe('same');
  });

  it('never claims what nobody recorded', () => {
    expect(verify('1', [record('RECEIVE', 'aa'), record('DEFER')]).verdict).toBe('unknown');
    expect(verify('1', [record('RECEIVE'), record('SEND', 'aa')])).toMatchObject({ verdict: 'unknown', received: null });
    expect(verify('1', [record('SEND')], { name: 'x.eml', sha256: 'aa' }).verdict).toBe('unknown');
  });

  it('is that of a notification of our own, too', () => {
    expect(verify('1', [record('DSN', 'aa'), record('SEND', 'aa')]).verdict).toBe('same');
  });
});
