import { resolve } from 'node:path';
import type { StackState } from '../dev-stack.js';
import { portNumber } from '../arguments.js';
import { EXIT, type ExitCode } from '../exit.js';
import { action, type CliIo, type Verb } from '../io.js';

type DevOptions = { dir: string; port: number; uiPort: number; detach?: true; stop?: true; json?: true };

export const devVerb: Verb = (program, io) => {
  program
    .command('dev')
    .description('Temporal dev server, its UI and a worker in one command, for the first ten minutes')
    .option('--dir <dir>', 'where the database and the logs are kept', '.demo')
    .option('--port <port>', 'of the Temporal server; a free one where it is taken', portNumber, 7233)
    .option('--ui-port <port>', 'of the Temporal UI; a free one where it is taken', portNumber, 8233)
    .option('--detach', 'run in the background')
    .option('--stop', 'end the one that runs in the background from this folder')
    .option('--json', 'with --detach: print {address, uiUrl}')
    .action(
      action(io, async (options: DevOptions): Promise<ExitCode> => {
        const dir = resolve(io.cwd, options.dir);
        if (options.stop === true) return stop(dir);
        return options.detach === true ? background(io, dir, options) : foreground(io, dir, options);
      }),
    );
};

async function stop(dir: string): Promise<ExitCode> {
  const { stopStack } = await import('../dev-stack.js');
  await stopStack(dir);
  return EXIT.done;
}

async function background(io: CliIo, dir: string, { port, uiPort, json }: DevOptions): Promise<ExitCode> {
  const { runningStack, startDetached } = await import('../dev-stack.js');
  const script = process.argv[1] ?? '';
  const state =
    (await runningStack(dir)) ??
    (await startDetached(dir, [script, 'dev', '--dir', dir, '--port', `${port}`, '--ui-port', `${uiPort}`]));
  if (json === true) io.out(JSON.stringify({ address: state.address, uiUrl: state.uiUrl }));
  else for (const line of whereItIs(state)) io.out(line);
  return EXIT.done;
}

async function foreground(io: CliIo, dir: string, { port, uiPort }: DevOptions): Promise<ExitCode> {
  const [{ announceStack, ensureServer, withdrawStack }, { runWorker }, { createLog }] = await Promise.all([
    import('../dev-stack.js'),
    import('../../workers/run.js'),
    import('../../workers/log.js'),
  ]);
  const server = await ensureServer(dir, io.env, { port, uiPort });
  try {
    await runWorker({
      env: { ...io.env, TEMPORAL_ADDRESS: server.address },
      log: createLog(io.redraw ? 'pretty' : 'json', 'info'),
      ready: async () => {
        for (const line of whereItIs(await announceStack(dir, server))) io.err(line);
      },
    });
  } finally {
    await withdrawStack(dir);
    await server.stop();
  }
  return EXIT.done;
}

function whereItIs({ address, uiUrl }: StackState): string[] {
  return [`Temporal  ${address}`, `UI        ${uiUrl ?? 'none'}`];
}
