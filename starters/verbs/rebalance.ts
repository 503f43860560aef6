import { InvalidArgumentError, Option } from 'commander';
import { loadSpec } from '../../config/load.js';
import { declaredNodes } from '../../domain/nodes.js';
import type { BalanceSpec, ClusterSpec } from '../../domain/spec.js';
import { percent } from '../arguments.js';
import type { ExitCode } from '../exit.js';
import { action, type Verb } from '../io.js';
import { badRequest } from '../bad-request.js';
import type { OperationOptions } from '../run-operation.js';
import { reshapeOptions, specOptions } from './operation-options.js';

interface RebalanceOptions extends OperationOptions {
  readonly file: string;
  readonly weights?: Readonly<Record<string, number>>;
  readonly by?: 'slots' | 'memory';
  readonly threshold?: number;
}

/** What holds where neither the spec nor the command line says anything: the defaults of docs/spec.md. */
const EVEN: BalanceSpec = { by: 'slots', thresholdPercent: 2, weights: {} };

export const rebalanceVerb: Verb = (program, io) => {
  specOptions(
    reshapeOptions(
      program
        .command('rebalance')
        .description('give each master its share of the slots, moving as few as can be, and prove it'),
    ),
  )
    .option(
      '--weights <node=w,…>',
      'shares other than even ones, by a node of the shard; 1 where none is said',
      weights,
    )
    .addOption(new Option('--by <what>', 'what is shared out').choices(['slots', 'memory']))
    .option('--threshold <percent>', 'leave a master that is no more than this off its share', percent)
    .action(
      action(io, async (options: RebalanceOptions): Promise<ExitCode> => {
        const [loaded, { draftApply }, { runOperationFromCli }, { specFile }] = await Promise.all([
          loadSpec({ path: options.file, env: io.env }),
          import('../draft.js'),
          import('../run-operation.js'),
          import('../spec-file.js'),
        ]);
        const balance = wantedBalance(loaded.spec, options);
        const edits = saysShares(options) ? [{ kind: 'balance', balance } as const] : [];
        const file = specFile(loaded, edits, io.env);
        const { spec } = file.working;
        const goal = { kind: 'balance', balance } as const;
        return runOperationFromCli({
          ...{ io, spec, options, file },
          kind: 'rebalance',
          draft: async () => {
            const { plan } = await draftApply({
              ...{ env: io.env, spec, ports: 'leave', operation: 'rebalance', goal },
              waiting: (line) => io.err(line),
            });
            return { plan, goal };
          },
        });
      }),
    );
};

function saysShares({ weights: byNode, by, threshold }: RebalanceOptions): boolean {
  return byNode !== undefined || by !== undefined || threshold !== undefined;
}

function wantedBalance(spec: ClusterSpec, options: RebalanceOptions): BalanceSpec {
  const before = spec.balance ?? EVEN;
  const known = declaredNodes(spec).map(({ name }) => name);
  const unknown = Object.keys(options.weights ?? {}).find((node) => !known.includes(node));
  if (unknown !== undefined)
    throw badRequest(`--weights names ${unknown}, which the spec does not declare.`, `Known: ${known.join(', ')}.`);
  return {
    by: options.by ?? before.by,
    thresholdPercent: options.threshold ?? before.thresholdPercent,
    weights: options.weights ?? before.weights,
  };
}

function weights(text: string): Record<string, number> {
  const pairs = text.split(',').map((pair) => /^(?<node>[^=\s]+:\d+)=(?<weight>\d+(?:\.\d+)?)$/.exec(pair)?.groups);
  const wrong = pairs.includes(undefined);
  if (wrong) throw new InvalidArgumentError('Nodes and their weights are wanted, such as h1:6379=2,h4:6379=0.5.');
  return Object.fromEntries(pairs.map((pair) => [pair?.node ?? '', Number(pair?.weight)]));
}
