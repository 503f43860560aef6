import type { ExitCode } from '../exit.js';
import { action, type Verb } from '../io.js';
import { headline, renderFindings } from '../render/verdict.js';

export const checkVerb: Verb = (program, io) => {
  program
    .command('check')
    .description(
      'ask every node and host and show only what is wrong (exit 0: healthy, 1: not, 4: nothing can be asked from here)',
    )
    .requiredOption('-f, --file <spec>', 'the spec of the cluster')
    .option('--no-hosts', 'do not ask the hosts over SSH')
    .option('--json', 'print {cluster, healthy, asOf, findings}')
    .action(
      action(io, async ({ file, json, hosts }: { file: string; json?: true; hosts: boolean }): Promise<ExitCode> => {
        const { exitOfVerdict, judgeSpec } = await import('../verdicts.js');
        const seen = await judgeSpec({ io, path: file, hosts: hosts ? 'asked' : 'left out' });
        const { cluster, healthy, asOf, findings } = seen.verdict;
        if (json === true) io.out(JSON.stringify({ cluster, healthy, asOf, findings }));
        else for (const line of [headline(seen.verdict, io.colors), ...renderFindings(seen.verdict, io)]) io.out(line);
        return exitOfVerdict(seen);
      }),
    );
};
