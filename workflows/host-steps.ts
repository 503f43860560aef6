import { hostsAtWork, portOf, specForHost } from '../domain/nodes.js';
import { describeStep } from '../domain/plan.js';
import type { HostStep } from '../domain/stages.js';
import type { StepResult } from '../domain/steps.js';
import { inParallel } from './in-parallel.js';
import type { Operation, StepAddress } from './operation.js';

/** Hosts side by side, the steps of one host in their order. */
export async function performOnHosts(operation: Operation, steps: readonly HostStep[]): Promise<void> {
  const { spec } = operation.input;
  await inParallel(hostsAtWork(spec), spec.timings.hostParallelism, async ({ name }) => {
    for (const step of steps) {
      if (step.host === name) await operation.step(step, (address) => performOnHost(operation, step, address));
    }
  });
}

async function performOnHost(operation: Operation, step: HostStep, address: StepAddress): Promise<StepResult> {
  const { host } = step;
  const { change, install } = operation.activities;
  const summary = describeStep(step);
  const target = { spec: specForHost(operation.input.spec, host), host, token: { ...address, attempt: 0 } };
  switch (step.kind) {
    case 'prepareHost':
      return change.prepareHost.executeWithOptions({ summary }, [target]);
    case 'applyProfile':
      return change.applyProfile.executeWithOptions({ summary }, [{ ...target, settings: step.settings }]);
    case 'installEngine':
      return install.installEngine.executeWithOptions({ summary }, [target]);
    case 'placeNode':
      return change.placeNode.executeWithOptions({ summary }, [{ ...target, port: portOf(step.node) }]);
    case 'startNode': {
      const empty = step.empty === undefined ? {} : { empty: step.empty };
      return change.startNode.executeWithOptions({ summary }, [{ ...target, port: portOf(step.node), ...empty }]);
    }
    case 'stopNode':
      return change.stopNode.executeWithOptions({ summary }, [{ ...target, port: portOf(step.node) }]);
    case 'removeNode': {
      const { node, data } = step;
      return change.removeNode.executeWithOptions({ summary }, [{ ...target, port: portOf(node), data }]);
    }
    case 'releaseHost': {
      const result = await change.releaseHost.executeWithOptions({ summary }, [{ ...target, data: step.data }]);
      operation.releasedHost(step);
      return result;
    }
    default:
      return step satisfies never;
  }
}
