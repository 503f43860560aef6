import { specForHost } from '../domain/nodes.js';
import { describeStep, type Step } from '../domain/plan.js';
import { inParallel } from './in-parallel.js';
import { moveSlots } from './move-slots.js';
import type { Operation, StepAddress } from './operation.js';

type OnCluster = Exclude<Step, { readonly host: string }>;

/** A step on the cluster as a whole. */
export async function performOnCluster(operation: Operation, step: OnCluster): Promise<void> {
  const { spec } = operation.input;
  const { settle, move } = operation.activities;
  const summary = describeStep(step);
  await operation.step(step, async (address) => {
    const token = { ...address, attempt: 0 };
    switch (step.kind) {
      case 'formCluster': {
        const { masters, replicas } = step;
        const formed = await settle.formCluster.executeWithOptions({ summary }, [{ spec, masters, replicas, token }]);
        await rememberIdentities(operation, address, formed.identities);
        return formed;
      }
      case 'joinNodes': {
        const { masters, replicas } = step;
        const joined = await settle.joinNodes.executeWithOptions({ summary }, [{ spec, masters, replicas, token }]);
        await rememberIdentities(operation, address, joined.identities);
        return joined;
      }
      case 'attachReplica':
        return settle.attachReplica.executeWithOptions({ summary }, [{ spec, node: step.node, of: step.of, token }]);
      case 'switchMaster':
        return settle.switchMaster.executeWithOptions({ summary }, [{ spec, node: step.node, token }]);
      case 'repairSlots':
        return move.repairSlots.executeWithOptions({ summary }, [{ spec, repairs: step.repairs, token }]);
      case 'moveSlots':
        return moveSlots(operation, step, address);
      case 'forgetNodes':
        return settle.forgetNodes.executeWithOptions({ summary }, [{ spec, nodes: step.nodes, token }]);
      case 'awaitForgotten':
        return settle.awaitForgotten.executeWithOptions({ summary }, [{ spec, nodes: step.nodes, token }]);
      case 'pinReplicas':
        return settle.pinReplicas.executeWithOptions({ summary }, [{ spec, nodes: step.nodes, token }]);
      case 'unpinReplicas':
        return settle.unpinReplicas.executeWithOptions({ summary }, [{ spec, nodes: step.nodes, token }]);
      case 'smokeTest':
        return settle.smokeTest.executeWithOptions({ summary }, [{ spec }]);
      default:
        return step satisfies never;
    }
  });
}

/** What Redis cannot hold of itself: each host remembers which nodes are members on it. */
async function rememberIdentities(
  operation: Operation,
  { generation }: StepAddress,
  ids: Readonly<Record<string, string>>,
): Promise<void> {
  const { spec } = operation.input;
  await inParallel(spec.hosts, spec.timings.hostParallelism, async ({ name: host, nodes }) => {
    const identities = Object.fromEntries(nodes.map(({ port }) => [String(port), ids[`${host}:${port}`] ?? '']));
    await operation.activities.change.recordIdentities.executeWithOptions(
      { summary: `remember the nodes of ${host}` },
      [
        {
          spec: specForHost(spec, host),
          host,
          identities,
          token: { generation, step: 'recordIdentities', attempt: 0 },
        },
      ],
    );
  });
}
