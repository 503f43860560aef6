import { Command } from 'commander';
import { EXIT } from './exit.js';
import { processIo, type Verb } from './io.js';
import { productVersion } from './version.js';
import { applyVerb } from './verbs/apply.js';
import { checkVerb } from './verbs/check.js';
import { connectVerb } from './verbs/connect.js';
import { destroyVerb } from './verbs/destroy.js';
import { devVerb } from './verbs/dev.js';
import { doctorVerb } from './verbs/doctor.js';
import { initVerb } from './verbs/init.js';
import { inspectVerb } from './verbs/inspect.js';
import { labVerb } from './verbs/lab.js';
import { logsVerb } from './verbs/logs.js';
import { opsVerb } from './verbs/ops.js';
import { planVerb } from './verbs/plan.js';
import { rebalanceVerb } from './verbs/rebalance.js';
import { repairVerb } from './verbs/repair.js';
import { replaceVerb } from './verbs/replace.js';
import { reshardVerb } from './verbs/reshard.js';
import { scaleVerb } from './verbs/scale.js';
import { schemaVerb } from './verbs/schema.js';
import { statusVerb } from './verbs/status.js';
import { validateVerb } from './verbs/validate.js';
import { workerVerb } from './verbs/worker.js';

/** In the order in which a newcomer meets them. */
const VERBS: readonly Verb[] = [
  initVerb,
  validateVerb,
  schemaVerb,
  planVerb,
  applyVerb,
  statusVerb,
  checkVerb,
  inspectVerb,
  scaleVerb,
  rebalanceVerb,
  reshardVerb,
  replaceVerb,
  repairVerb,
  connectVerb,
  logsVerb,
  destroyVerb,
  opsVerb,
  workerVerb,
  doctorVerb,
  devVerb,
  labVerb,
];

/** Builds the program. Each verb loads what it needs when it is run, so that `--help` and `status` start fast. */
function buildProgram(): Command {
  const io = processIo();
  const program = new Command('redisforge')
    .description('Durable operations for self-hosted Redis on plain Linux hosts.')
    .version(productVersion(), '--version', 'print the version of RedisForge')
    .showHelpAfterError('(run with --help for the options)')
    .exitOverride((error) => {
      process.exit(error.exitCode === 0 ? EXIT.done : EXIT.usage);
    });
  for (const verb of VERBS) verb(program, io);
  return program;
}

await buildProgram().parseAsync();
