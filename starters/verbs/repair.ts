import { loadSpec } from '../../config/load.js';
import type { ExitCode } from '../exit.js';
import { action, type Verb } from '../io.js';
import type { OperationOptions } from '../run-operation.js';
import { reshapeOptions } from './operation-options.js';

export const repairVerb: Verb = (program, io) => {
  reshapeOptions(
    program
      .command('repair')
      .description('finish or close what a move of slots left half done, whoever began it, and prove it'),
  ).action(
    action(io, async (options: OperationOptions & { file: string }): Promise<ExitCode> => {
      const [{ spec }, { draftApply }, { runOperationFromCli }] = await Promise.all([
        loadSpec({ path: options.file, env: io.env }),
        import('../draft.js'),
        import('../run-operation.js'),
      ]);
      const goal = { kind: 'repair' } as const;
      return runOperationFromCli({
        io,
        kind: 'repair',
        spec,
        options,
        draft: async () => {
          const { plan } = await draftApply({ env: io.env, spec, ports: 'leave', operation: 'repair', goal });
          return { plan, goal };
        },
      });
    }),
  );
};
