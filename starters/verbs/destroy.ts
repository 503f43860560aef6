import { loadSpec } from '../../config/load.js';
import { ForgeError } from '../../domain/errors.js';
import type { DataDecision } from '../../domain/operation.js';
import type { ExitCode } from '../exit.js';
import { action, type Verb } from '../io.js';
import type { OperationOptions } from '../run-operation.js';
import { operationOptions } from './operation-options.js';

type DestroyOptions = OperationOptions & { file: string; confirm?: string; deleteData?: true };

export const destroyVerb: Verb = (program, io) => {
  operationOptions(program.command('destroy').description('take a cluster away again; data folders stay unless told'))
    .option('--confirm <cluster>', 'the name of the cluster once more: needed while it holds data')
    .option('--delete-data', 'delete the data folders and the host records as well')
    .action(
      action(io, async (options: DestroyOptions): Promise<ExitCode> => {
        const [{ spec }, { draftDestroy }, { runOperationFromCli }] = await Promise.all([
          loadSpec({ path: options.file, env: io.env }),
          import('../draft.js'),
          import('../run-operation.js'),
        ]);
        const data = dataDecision(options, spec.name);
        return runOperationFromCli({
          io,
          kind: 'destroy',
          spec,
          options,
          data,
          draft: () => draftDestroy({ env: io.env, spec, data }),
        });
      }),
    );
};

function dataDecision({ confirm, deleteData }: DestroyOptions, cluster: string): DataDecision {
  if (confirm !== undefined && confirm !== cluster) {
    throw new ForgeError('BadSpec', {
      what: `--confirm says ${confirm}, the spec is of cluster ${cluster}.`,
      left: 'Nothing was started or changed.',
      next: `To destroy ${cluster}: --confirm ${cluster}`,
    });
  }
  return { confirmed: confirm === cluster, folders: deleteData === true ? 'delete' : 'keep' };
}
