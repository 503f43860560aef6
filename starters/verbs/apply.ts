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
      const [{ spec }, { draftApply }] = await Promise.all([
        loadSpec({ path: options.file, env: io.env }),
        import('../draft.js'),
      ]);
      const ports = options.yes === true ? 'leave' : 'examine';
      const draft = () => draftApply({ env: io.env, spec, ports });
      // The hosts answer while the rest is loaded. Whoever waits for their turn asks them when it has come.
      const begun = options.wait === true ? undefined : draft();
      begun?.catch(() => undefined);
      const { runOperationFromCli } = await import('../run-operation.js');
      return runOperationFromCli({ io, kind: 'apply', spec, options, draft: () => begun ?? draft() });
    }),
  );
};
