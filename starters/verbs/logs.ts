import { loadSpec } from '../../config/load.js';
import { ForgeError } from '../../domain/errors.js';
import { declaredNodes } from '../../domain/nodes.js';
import { wholeNumber } from '../arguments.js';
import { EXIT, type ExitCode } from '../exit.js';
import { action, type Verb } from '../io.js';

export const logsVerb: Verb = (program, io) => {
  program
    .command('logs <node>')
    .description("the end of a node's log, read from its host; a node is named host:port as in status")
    .requiredOption('-f, --file <spec>', 'the spec of the cluster')
    .option('-n, --lines <n>', 'how many lines', wholeNumber, 100)
    .action(
      action(io, async (name: string, { file, lines }: { file: string; lines: number }): Promise<ExitCode> => {
        const { spec } = await loadSpec({ path: file, env: io.env });
        const nodes = declaredNodes(spec);
        const node = nodes.find((declared) => declared.name === name);
        if (node === undefined) {
          throw new ForgeError('BadSpec', {
            what: `The spec of ${spec.name} declares no node ${name}.`,
            left: '',
            next: `Its nodes are ${nodes.map((declared) => declared.name).join(', ')}.`,
          });
        }
        const { withLocalActivities } = await import('../local.js');
        const text = await withLocalActivities(io.env, (activities) =>
          activities.readLog({ spec, host: node.host, port: node.port, lines }),
        );
        io.out(text.trimEnd());
        return EXIT.done;
      }),
    );
};
