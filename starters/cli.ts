import { Command } from 'commander';
import { EXIT } from './exit.js';
import { processIo, type Verb } from './io.js';

const VERBS: readonly Verb[] = [];

/** Builds the program. Each verb loads what it needs when it is run, so that `--help` and `status` start fast. */
function buildProgram(): Command {
  const io = processIo();
  const program = new Command('redisforge')
    .description('Durable operations for self-hosted Redis on plain Linux hosts.')
    .showHelpAfterError('(run with --help for the options)')
    .exitOverride((error) => {
      process.exit(error.exitCode === 0 ? EXIT.done : EXIT.usage);
    });
  for (const verb of VERBS) verb(program, io);
  return program;
}

await buildProgram().parseAsync();
