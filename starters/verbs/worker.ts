import { Option } from 'commander';
import type { LogFormat } from '../../workers/log.js';
import { EXIT, type ExitCode } from '../exit.js';
import { action, type Verb } from '../io.js';

export const workerVerb: Verb = (program, io) => {
  program
    .command('worker')
    .description('run a worker: it does what operations ask for, until SIGINT or SIGTERM')
    .addOption(
      new Option('--log <format>', 'for machines, or for people')
        .choices(['json', 'pretty'])
        .default(io.redraw ? 'pretty' : 'json'),
    )
    .addOption(
      new Option('--log-level <level>', 'how much')
        .choices(['trace', 'debug', 'info', 'warn', 'error'])
        .default('info'),
    )
    .action(
      action(io, async ({ log, logLevel }: { log: LogFormat; logLevel: string }): Promise<ExitCode> => {
        const [{ runWorker }, { createLog }] = await Promise.all([
          import('../../workers/run.js'),
          import('../../workers/log.js'),
        ]);
        await runWorker({ env: io.env, log: createLog(log, logLevel) });
        return EXIT.done;
      }),
    );
};
