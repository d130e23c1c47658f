import { describe, expect, it } from 'vitest';
import { nextHopFindings, pauseFindings, storeFindings } from '../../../src/admin/findings.ts';
import { reply } from '../../../src/mail/reply.ts';

describe('the findings of status', () => {
  it('name a connector that the relay itself paused (R18), and none that an operator did', () => {
    const since = Date.parse('2026-11-22T10:00:00Z');
    const paused = new Map([
      ['cloud', { by: 'it refuses everybody', since }],
      ['internet', { by: 'operator', since }],
    ]);
    const connectors = ['cloud', 'internet', 'on-premises'].map((name) => ({ name }));
    expect(pauseFindings(connectors, (name) => paused.get(name))).toEqual([
      {
        code: 'connector-paused:cloud',
        severity: 'error',
        problem: 'cloud is paused since 2026-11-22T10:00:00.000Z: it refuses everybody',
        remedy: 'mend the cause, then bridgehead connector resume cloud',
      },
    ]);
  });

  it('tell of messages that were set aside, with a relay and without one', () => {
    const found = storeFindings({ stats: () => ({ failure: undefined, setAside: 2 }) });
    expect(found).toMatchObject([{ severity: 'error', problem: expect.stringContaining('2 messages were set aside') }]);
  });

  it('say why a next hop takes no mail: not everything that is closed does not answer', () => {
    const downSince = Date.parse('2026-11-22T10:00:00Z');
    const connectors = [{ name: 'cloud', side: 'cloud', nextHop: { kind: 'smart-hosts' } }];
    const told = (code: number, enhanced: `4.${number}.${number}`, text: string) =>
      nextHopFindings(
        [{ lane: 'cloud', connector: 'cloud', state: 'backing-off', downSince, downReply: reply(code, enhanced, text) }],
        connectors,
        0,
      )[0];
    expect(told(451, '4.4.1', 'connection to 192.0.2.1:25 refused')).toMatchObject({
      problem: 'cloud: the next hop does not answer since 2026-11-22T10:00:00.000Z: 451 4.4.1 connection to 192.0.2.1:25 refused',
      remedy: 'bridgehead connector test cloud',
    });
    expect(told(451, '4.7.4', 'TLS is required, but mail.example does not offer STARTTLS')).toMatchObject({
      problem:
        'cloud: mail waits for the TLS of the next hop since 2026-11-22T10:00:00.000Z: 451 4.7.4 TLS is required, but mail.example does not offer STARTTLS',
      remedy: 'bridgehead connector test cloud; bridgehead connector tls cloud tells what it was before',
    });
    expect(told(451, '4.7.500', 'Server busy')?.problem).toContain('the next hop takes no mail since');
  });
});
