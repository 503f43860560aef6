import type { Logger, LogMetadata } from '@temporalio/worker';
import pino from 'pino';
import pretty from 'pino-pretty';

export type LogFormat = 'json' | 'pretty';

/** One line an event, on stderr: JSON for machines, or for people. */
export function createLog(format: LogFormat, level: string): pino.Logger {
  const stderr = 2;
  if (format === 'json') return pino({ level, base: null }, pino.destination({ dest: stderr, sync: true }));
  return pino(
    { level, base: null },
    pretty({
      destination: stderr,
      sync: true,
      ignore: 'sdkComponent,taskToken',
      singleLine: true,
      translateTime: 'SYS:HH:MM:ss.l',
    }),
  );
}

/** The same log, in the shape that the Temporal SDK speaks. */
export function temporalLogger(log: pino.Logger): Logger {
  const at =
    (level: 'trace' | 'debug' | 'info' | 'warn' | 'error') =>
    (message: string, meta?: LogMetadata): void =>
      log[level](plain(meta), message);
  const [trace, debug, info, warn, error] = [at('trace'), at('debug'), at('info'), at('warn'), at('error')];
  const byLevel = { TRACE: trace, DEBUG: debug, INFO: info, WARN: warn, ERROR: error };
  return { trace, debug, info, warn, error, log: (level, message, meta) => byLevel[level](message, meta) };
}

/** Metadata may hold bigints and symbols, which JSON cannot. */
function plain(meta: LogMetadata | undefined): Record<string, unknown> {
  if (meta === undefined) return {};
  return Object.fromEntries(
    Object.entries(meta).map(([key, value]) => [key, typeof value === 'bigint' ? String(value) : value]),
  );
}
