import { patched } from '@temporalio/workflow';
import { portOf, specForHost } from '../domain/nodes.js';
import type { OperationInput, OperationReport } from '../domain/operation.js';
import { describeStep, type Plan } from '../domain/plan.js';
import { failure } from './failures.js';
import { type HostStep, performOnHosts } from './host-steps.js';
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

async function perform(operation: Operation, plan: Plan): Promise<void> {
  await performOnHosts(operation, plan, performOnHost);
}

async function performOnHost(operation: Operation, step: HostStep): Promise<void> {
  const spec = specForHost(operation.input.spec, step.host);
  const summary = describeStep(step);
  await operation.step(step, async (address) => {
    const token = { ...address, attempt: 0 };
    const { change } = operation.activities;
    switch (step.kind) {
      case 'stopNode':
        return change.stopNode.executeWithOptions({ summary }, [
          { spec, host: step.host, port: portOf(step.node), token },
        ]);
      case 'removeNode':
        return change.removeNode.executeWithOptions({ summary }, [
          { spec, host: step.host, port: portOf(step.node), data: step.data, token },
        ]);
      case 'releaseHost': {
        const result = await change.releaseHost.executeWithOptions({ summary }, [
          { spec, host: step.host, data: step.data, token },
        ]);
        // Where the record stays, so does the lease in it.
        if (step.data === 'delete' || !patched('release-kept-hosts')) operation.held.forget(step.host);
        return result;
      }
      case 'prepareHost':
      case 'applyProfile':
      case 'installEngine':
      case 'placeNode':
      case 'startNode':
        throw new Error(`${step.kind} is no step of a destroy`);
      default:
        return step satisfies never;
    }
  });
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
