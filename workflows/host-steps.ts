import type { Plan, Step } from '../domain/plan.js';
import type { SettingsStep } from './change-settings.js';
import { inParallel } from './in-parallel.js';
import type { Operation } from './operation.js';

/** Settings are changed on one node after the other, over Redis: no step of a host's own. */
export type HostStep = Exclude<Extract<Step, { host: string }>, SettingsStep>;

function isHostStep(step: Step): step is HostStep {
  return 'host' in step && step.kind !== 'changeSettings';
}

/** Hosts side by side, the steps of one host in the order of the plan. Steps that are no host's are left out. */
export async function performOnHosts(
  operation: Operation,
  { steps }: Plan,
  perform: (operation: Operation, step: HostStep) => Promise<void>,
): Promise<void> {
  const { hosts, timings } = operation.input.spec;
  await inParallel(hosts, timings.hostParallelism, async ({ name }) => {
    for (const step of steps.filter(isHostStep)) {
      if (step.host === name) await perform(operation, step);
    }
  });
}
