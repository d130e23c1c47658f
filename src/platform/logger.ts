/** The log: pino, JSON lines on standard error or output (design.md D9). Content and secrets never. */
import { type DestinationStream, type Logger, pino, stdTimeFunctions } from 'pino';
import { LogSink } from './log-sink.ts';

/** What a part needs to log: pino's own methods. */
export type Log = Pick<Logger, 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal'>;

export interface RelayLog extends Log {
  /**
   * Writes an event record that is serialised already (the one string goes to the log, the outbox and the store).
   * `name` becomes `msg`.
   */
  event(name: string, json: string): void;
  child(bindings: Record<string, unknown>): Log;
  /** Writes out what is buffered. */
  flush(): void;
}

export interface LogSettings {
  readonly level: string;
  readonly format: 'json' | 'pretty';
}

/** Opens the log on a file descriptor (1 for `run`, 2 elsewhere) or on a stream (tests). */
export async function openLog(settings: LogSettings, target: number | DestinationStream): Promise<RelayLog> {
  // Buffered writing: flush() at exit and every 200 ms.
  const sink =
    typeof target === 'number'
      ? settings.format === 'pretty'
        ? ((await import('pino-pretty')).default({ destination: target, sync: true, colorize: false }) as DestinationStream)
        : new LogSink(target)
      : target;
  const logger = pino(
    {
      level: settings.level,
      base: null,
      timestamp: stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    sink,
  );
  const flushable = sink as DestinationStream & { flushSync?: () => void; flush?: () => void };
  if (typeof target === 'number' && flushable.flush !== undefined) {
    setInterval(() => flushable.flush?.(), 200).unref();
  }
  const log = logger as unknown as RelayLog & Logger;
  log.event = (name, json) => {
    if (!logger.isLevelEnabled('info')) return;
    sink.write(`{"level":"info",${json.slice(1, -1)},"msg":"${name}"}\n`);
  };
  log.flush = () => flushable.flushSync?.();
  return log;
}

/** A log that says nothing, for tests and one-shot commands. */
export const silentLog: RelayLog = Object.assign(pino({ level: 'silent' }), {
  event() {},
  flush() {},
}) as unknown as RelayLog;
