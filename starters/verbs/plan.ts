import { loadSpec } from '../../config/load.js';
import { type ExitCode, exitCodeOfPlan } from '../exit.js';
import { action, type Verb } from '../io.js';
import { renderPlan } from '../render/plan.js';

export const planVerb: Verb = (program, io) => {
  program
    .command('plan')
    .description('show what apply would do, and change nothing (exit 0: nothing to do, 10: changes, 3: refused)')
    .requiredOption('-f, --file <spec>', 'the spec of the cluster')
    .option('--json', 'print the plan as JSON')
    .action(
      action(io, async ({ file, json }: { file: string; json?: true }): Promise<ExitCode> => {
        const { draftApply } = await import('../draft.js');
        const { spec } = await loadSpec({ path: file, env: io.env });
        const { plan } = await draftApply({ env: io.env, spec, ports: 'examine' });
        if (json === true) io.out(JSON.stringify(plan));
        else for (const line of renderPlan(plan, io)) io.out(line);
        return exitCodeOfPlan(plan);
      }),
    );
};
