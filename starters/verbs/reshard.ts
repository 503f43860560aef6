import { type Command, InvalidArgumentError } from 'commander';
import { loadSpec } from '../../config/load.js';
import { declaredNodes } from '../../domain/nodes.js';
import { parseSlots, type SlotRequest } from '../../domain/slot-request.js';
import type { SlotRange } from '../../domain/slots.js';
import type { ClusterSpec } from '../../domain/spec.js';
import { wholeNumber } from '../arguments.js';
import type { ExitCode } from '../exit.js';
import { action, type Verb } from '../io.js';
import { badRequest } from '../bad-request.js';
import type { OperationOptions } from '../run-operation.js';
import { reshapeOptions } from './operation-options.js';

interface ReshardOptions extends OperationOptions {
  readonly file: string;
  readonly slots: readonly (readonly SlotRange[])[];
  readonly count?: number;
  readonly from?: string;
  readonly to: readonly string[];
}

export const reshardVerb: Verb = (program, io) => {
  ownOptions(
    reshapeOptions(
      program.command('reshard').description('move these slots to that shard, and nothing else, and prove it'),
    ),
  ).action(
    action(io, async (options: ReshardOptions): Promise<ExitCode> => {
      const { spec } = await loadSpec({ path: options.file, env: io.env });
      const requests = requestsOf(options, spec);
      const [{ draftMoves }, { runOperationFromCli }] = await Promise.all([
        import('../draft.js'),
        import('../run-operation.js'),
      ]);
      return runOperationFromCli({
        io,
        kind: 'reshard',
        spec,
        options,
        draft: () => draftMoves({ env: io.env, spec, requests }),
      });
    }),
  );
};

function ownOptions(command: Command): Command {
  return command
    .option('--slots <ranges>', 'slots, such as 0-100,500; once for each --to', collectSlots, [])
    .option(
      '--to <node>',
      'a node of the shard that gets them',
      (node: string, before: readonly string[]) => [...before, node],
      [],
    )
    .option('--count <n>', 'instead of --slots: so many, the lowest numbers first', wholeNumber)
    .option('--from <node>', 'with --count: a node of the shard that gives them (default: all others, evenly)');
}

function collectSlots(text: string, before: readonly (readonly SlotRange[])[]): (readonly SlotRange[])[] {
  const ranges = parseSlots(text);
  if (ranges === null)
    throw new InvalidArgumentError('Slots are numbers and ranges from 0 to 16383, such as 0-100,500.');
  return [...before, ranges];
}

function requestsOf(options: ReshardOptions, spec: ClusterSpec): SlotRequest[] {
  const { slots, count, from, to } = options;
  const known = declaredNodes(spec).map(({ name }) => name);
  const unknown = [...to, ...(from === undefined ? [] : [from])].find((name) => !known.includes(name));
  if (unknown !== undefined)
    throw badRequest(`${unknown} is no node that the spec declares.`, `Known: ${known.join(', ')}.`);
  const [target] = to;
  if (count !== undefined) {
    if (slots.length > 0 || target === undefined || to.length > 1) {
      throw badRequest('--count goes with one --to and no --slots.', 'reshard --count 1000 [--from NODE] --to NODE');
    }
    return [{ kind: 'count', count, from: from ?? null, to: target }];
  }
  if (from !== undefined)
    throw badRequest('--from goes with --count; who has the slots of --slots is looked up.', 'Leave it out.');
  if (slots.length === 0 || slots.length !== to.length) {
    throw badRequest(
      `There are ${slots.length} --slots and ${to.length} --to: each --slots wants its --to.`,
      'reshard --slots 0-100,500 --to NODE [--slots 200-300 --to NODE …]',
    );
  }
  return slots.map((ranges, i): SlotRequest => ({ kind: 'slots', ranges, to: to[i] ?? '' }));
}
