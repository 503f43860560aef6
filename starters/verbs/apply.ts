import { loadSpec } from '../../config/load.js';
import type { ExitCode } from '../exit.js';
import { action, type Verb } from '../io.js';
import type { OperationOptions } from '../run-operation.js';
import { operationOptions } from './operation-options.js';

export const applyVerb: Verb = (program, io) => {
  operationOptions(
    program.command('apply').description('bring the cluster into the state that the spec declares, and prove it'),
  ).action(
    action(io, async (options: OperationOptions & { file: string }): Promise<ExitCode> => {
      const [{ spec }, { draftApply }, { runOperationFromCli }] = await Promise.all([
        loadSpec({ path: options.file, env: io.env }),
        import('../draft.js'),
        import('../run-operation.js'),
      ]);
      const ports = options.yes === true ? 'leave' : 'examine';
      return runOperationFromCli({
        io,
        kind: 'apply',
        spec,
        options,
        draft: () => draftApply({ env: io.env, spec, ports }),
      });
    }),
  );
};
