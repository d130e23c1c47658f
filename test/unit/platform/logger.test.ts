import { describe, expect, it } from 'vitest';
import { openLog } from '../../../src/platform/logger.ts';

function capture() {
  const lines: string[] = [];
  return { lines, stream: { write: (line: string) => void lines.push(line) } };
}

describe('the log', () => {
  it('writes JSON lines with level, time and message in words', async () => {
    const { lines, stream } = capture();
    const log = await openLog({ level: 'info', format: 'json' }, stream);
    log.info({ port: 25 }, 'listening');
    expect(JSON.parse(lines[0] ?? '')).toMatchObject({ level: 'info', port: 25, msg: 'listening' });
    expect(JSON.parse(lines[0] ?? '').time).toMatch(/^\d{4}-\d\d-\d\dT/);
  });

  it('writes an event record that is serialised already as one valid line', async () => {
    const { lines, stream } = capture();
    const log = await openLog({ level: 'info', format: 'json' }, stream);
    log.event('SEND', JSON.stringify({ time: '2026-11-22T10:00:00.000Z', event: 'SEND', sender: '' }));
    expect(JSON.parse(lines[0] ?? '')).toEqual({
      level: 'info',
      time: '2026-11-22T10:00:00.000Z',
      event: 'SEND',
      sender: '',
      msg: 'SEND',
    });
  });

  it('keeps event records out when the level is above info', async () => {
    const { lines, stream } = capture();
    const log = await openLog({ level: 'warn', format: 'json' }, stream);
    log.event('SEND', '{"event":"SEND"}');
    expect(lines).toEqual([]);
  });
});
