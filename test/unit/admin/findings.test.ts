import { describe, expect, it } from 'vitest';
import { pauseFindings, storeFindings } from '../../../src/admin/findings.ts';

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
});
