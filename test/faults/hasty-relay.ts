/**
 * The relay as it is, as a process of its own, with two things that no setting changes: shorter deadlines for next hops,
 * and another port of mail exchangers.
 *
 *   node hasty-relay.ts run --config FILE [--deadlines JSON] [--mx-port N]
 */
import { parseArgs } from 'node:util';
import type { Deadlines } from '../../src/delivery/deadlines.ts';
import { systemClock } from '../../src/platform/clock.ts';
import { openLog } from '../../src/platform/logger.ts';
import { startRelay } from '../../src/relay.ts';
import { loadSettings } from '../../src/settings/load.ts';

/** A sixtieth of most of the real ones (src/delivery/deadlines.ts), so that a fault costs seconds and not minutes. */
export const HASTY: Deadlines = {
  connect: 1_000,
  greeting: 1_000,
  command: 1_000,
  handshake: 500,
  mail: 1_500,
  rcpt: 1_500,
  data: 1_500,
  block: 2_000,
  final: 5_000,
  transaction: 8_000,
  quit: 200,
};

if (import.meta.main) {
  const { values } = parseArgs({
    allowPositionals: true,
    options: { config: { type: 'string' }, deadlines: { type: 'string' }, 'mx-port': { type: 'string' } },
  });
  const loaded = await loadSettings(values.config ?? '');
  if (!loaded.ok) throw new Error(JSON.stringify(loaded.mistakes));
  const log = await openLog(loaded.settings.log, 1);
  const outgoing = {
    ...(values.deadlines === undefined ? {} : { deadlines: JSON.parse(values.deadlines) as Partial<Deadlines> }),
    ...(values['mx-port'] === undefined ? {} : { mxPort: Number(values['mx-port']) }),
  };
  const relay = await startRelay(loaded.settings, { log, clock: systemClock, version: '0.0.0', outgoing });
  process.once('SIGTERM', () => {
    void relay.stop(2_000).then(() => {
      log.flush();
      process.exit(0);
    });
  });
}
