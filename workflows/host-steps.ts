import type { Plan, Step } from '../domain/plan.js';
import { inParallel } from './in-parallel.js';
import type { Operation } from './operation.js';

export type HostStep = Extract<Step, { host: string }>;

/** Hosts side by side, the steps of one host in the order of the plan. Steps that are no host's are left out. */
export async function performOnHosts(
  operation: Operation,
  { steps }: Plan,
  perform: (operation: Operation, step: HostStep) => Promise<void>,
): Promise<void> {
  const { hosts, timings } = operation.input.spec;
  await inParallel(hosts, timings.hostParallelism, async ({ name }) => {
    for (const step of steps) {
      if ('host' in step && step.host === name) await perform(operation, step);
    }
  });
}
