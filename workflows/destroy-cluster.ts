import type { OperationInput, OperationReport } from '../domain/operation.js';
import type { Plan } from '../domain/plan.js';
import { stagesOf } from '../domain/stages.js';
import { failure } from './failures.js';
import { performOnHosts } from './host-steps.js';
import { type Draft, type Operation, runOperation } from './operation.js';
import { draftFromSurvey } from './survey.js';

/** Takes a cluster away again: processes, files, records; data folders only where told. */
export async function destroyClusterWorkflow(input: OperationInput): Promise<OperationReport> {
  return runOperation({ kind: 'destroy', draft, perform, prove }, input);
}

async function draft(operation: Operation): Promise<Draft> {
  const { spec } = operation.input;
  return draftFromSurvey(operation, (outcomes) =>
    operation.activities.read.draftDestroyPlan.executeWithOptions({ summary: 'plan' }, [
      { spec, outcomes, data: dataDecision(operation) },
    ]),
  );
}

async function perform(operation: Operation, { steps }: Plan): Promise<void> {
  for (const stage of stagesOf(steps)) {
    if (stage.on === 'hosts') await performOnHosts(operation, stage.steps);
  }
}

/** Read back from every host: a plan for the same wish has nothing left to do. There is no cluster any more to give a verdict on. */
async function prove(operation: Operation): Promise<null> {
  const { plan } = await draft(operation);
  if (plan.steps.length === 0 && plan.refusals.length === 0) return null;
  throw failure('NotProven', {
    what: `Something of ${plan.cluster} is still there: ${[...plan.steps.map((step) => step.id), ...plan.refusals.map((one) => one.what)].join(', ')}.`,
    left: 'What was taken away stays away.',
    next: 'Run the same command again.',
  });
}

function dataDecision({ input }: Operation) {
  return input.data ?? { confirmed: false, folders: 'keep' as const };
}
