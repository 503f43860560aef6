import type { ExitCode } from '../exit.js';
import { action, type Verb } from '../io.js';
import { renderVerdict } from '../render/verdict.js';

export const statusVerb: Verb = (program, io) => {
  program
    .command('status')
    .description(
      'ask every node and host and show topology and findings (exit 0: healthy, 1: not, 4: nothing can be asked from here)',
    )
    .requiredOption('-f, --file <spec>', 'the spec of the cluster')
    .option('--no-hosts', 'do not ask the hosts over SSH')
    .option('--json', 'print {cluster, healthy, asOf, findings, nodes}')
    .action(
      action(io, async ({ file, json, hosts }: { file: string; json?: true; hosts: boolean }): Promise<ExitCode> => {
        const { exitOfVerdict, judgeSpec } = await import('../verdicts.js');
        const seen = await judgeSpec({ io, path: file, hosts: hosts ? 'asked' : 'left out' });
        if (json === true) io.out(JSON.stringify(seen.verdict));
        else for (const line of renderVerdict(seen.verdict, io)) io.out(line);
        return exitOfVerdict(seen);
      }),
    );
};
