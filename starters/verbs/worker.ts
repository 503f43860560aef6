import { EXIT, type ExitCode } from '../exit.js';
import { action, type Verb } from '../io.js';

export const workerVerb: Verb = (program, io) => {
  program
    .command('worker')
    .description('run a worker: it does what operations ask for, until SIGINT or SIGTERM')
    .option('--log <format>', 'json or pretty', io.redraw ? 'pretty' : 'json')
    .option('--log-level <level>', 'trace, debug, info, warn, error', 'info')
    .action(
      action(io, async ({ log, logLevel }: { log: string; logLevel: string }): Promise<ExitCode> => {
        const [{ runWorker }, { createLog }] = await Promise.all([
          import('../../workers/run.js'),
          import('../../workers/log.js'),
        ]);
        await runWorker({ env: io.env, log: createLog(log === 'pretty' ? 'pretty' : 'json', logLevel) });
        return EXIT.done;
      }),
    );
};
