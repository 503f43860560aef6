import { loadSpec } from '../../config/load.js';
import type { ExitCode } from '../exit.js';
import { action, type Verb } from '../io.js';
import type { OperationOptions } from '../run-operation.js';
import { operationOptions } from './operation-options.js';

export const applyVerb: Verb = (program, io) => {
  operationOptions(
    program.command('apply').description('bring the cluster into the state that the spec declares, and prove it'),
  )
    .option('--write-spec', "take nodes that have left out of the spec's file when it is done")
    .action(
      action(io, async (options: OperationOptions & { file: string }): Promise<ExitCode> => {
        const [loaded, { draftApply }] = await Promise.all([
          loadSpec({ path: options.file, env: io.env }),
          import('../draft.js'),
        ]);
        const { spec } = loaded;
        const ports = options.yes === true ? 'leave' : 'examine';
        const draft = () => draftApply({ env: io.env, spec, ports, waiting: (line) => io.err(line) });
        // The hosts answer while the rest is loaded. Whoever waits for their turn asks them when it has come.
        const begun = options.wait === true ? undefined : draft();
        begun?.catch(() => undefined);
        const [{ runOperationFromCli }, { specFile }] = await Promise.all([
          import('../run-operation.js'),
          import('../spec-file.js'),
        ]);
        const file = specFile(loaded, [], io.env);
        return runOperationFromCli({ io, kind: 'apply', spec, options, file, draft: () => begun ?? draft() });
      }),
    );
};
