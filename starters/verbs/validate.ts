import { checkSpec, loadSpec } from '../../config/load.js';
import { declaredNodes } from '../../domain/nodes.js';
import { place } from '../../domain/placement.js';
import type { ClusterSpec } from '../../domain/spec.js';
import { EXIT, type ExitCode } from '../exit.js';
import { action, type CliIo, type Verb } from '../io.js';

export const validateVerb: Verb = (program, io) => {
  program
    .command('validate')
    .description('check a spec without asking any host (exit 0: may be used, 2: not)')
    .requiredOption('-f, --file <spec>', 'the spec of the cluster')
    .option('--json', 'print {valid, problems: [{path, line, reason, right}], notes}')
    .action(
      action(
        io,
        ({ file, json }: { file: string; json?: true }): Promise<ExitCode> =>
          json === true ? validateAsJson(io, file) : validate(io, file),
      ),
    );
};

async function validateAsJson(io: CliIo, path: string): Promise<ExitCode> {
  const checked = await checkSpec({ path, env: io.env });
  const valid = 'spec' in checked;
  const notes = valid ? place(checked.spec).notes : [];
  io.out(JSON.stringify({ valid, problems: valid ? [] : checked.problems, notes }));
  return valid ? EXIT.done : EXIT.usage;
}

async function validate(io: CliIo, path: string): Promise<ExitCode> {
  const { spec } = await loadSpec({ path, env: io.env });
  io.out(summaryOf(spec));
  const { masters, replicas, notes } = place(spec);
  for (const { node } of masters) {
    const followers = replicas.filter(({ of }) => of === node).map((replica) => replica.node);
    io.out(`  ${node}${followers.length === 0 ? '' : ` <- ${followers.join(', ')}`}`);
  }
  for (const note of notes) io.out(`  ${io.colors.yellow('note')}: ${note}`);
  return EXIT.done;
}

function summaryOf(spec: ClusterSpec): string {
  const zones = new Set(spec.hosts.map(({ zone }) => zone)).size;
  return (
    `${spec.name}: valid; ${declaredNodes(spec).length} nodes on ${spec.hosts.length} hosts in ${zones} ` +
    `${zones === 1 ? 'zone' : 'zones'}. A new cluster would have these masters and replicas:`
  );
}
