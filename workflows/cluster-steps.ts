import { log, patched } from '@temporalio/workflow';
import { hostsAtWork, specForHost } from '../domain/nodes.js';
import { describeStep, type Step } from '../domain/plan.js';
import type { ClusterWideStep } from '../domain/stages.js';
import { ALL_HOSTS } from './activity-options.js';
import { inParallel } from './in-parallel.js';
import { moveSlots } from './move-slots.js';
import type { Operation, StepAddress } from './operation.js';

/** A step on the cluster as a whole. */
export async function performOnCluster(operation: Operation, step: ClusterWideStep): Promise<void> {
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
        // Until then it tells clients where its slots have gone; a node that was forgotten tells them that nobody serves them.
        await operation.waitFor(spec.redis.nodeTimeoutMs);
        return settle.forgetNodes.executeWithOptions({ summary }, [{ spec, nodes: step.nodes, token }]);
      case 'awaitForgotten':
        await operation.waitFor(spec.timings.banWindowMs);
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

/** Where an operation that pinned replicas does not come to its end: they are let go all the same. What cannot be is a finding, and `repair` does it. */
export async function unpinLeft(operation: Operation, steps: readonly Step[]): Promise<void> {
  const unpin = steps.find((step) => step.kind === 'unpinReplicas');
  if (unpin === undefined || !operation.logbook.hasBegun('pinReplicas')) return;
  const token = { generation: operation.held.generation, step: unpin.id, attempt: 0 };
  try {
    await operation.activities.settle.unpinReplicas.executeWithOptions({ summary: describeStep(unpin) }, [
      { spec: operation.input.spec, nodes: unpin.nodes, token },
    ]);
  } catch (error) {
    log.warn('replicas are still kept from moving by themselves; `redisforge repair` lets them go', { error });
  }
}

/** What Redis cannot hold of itself: each host remembers which nodes are members on it. */
async function rememberIdentities(
  operation: Operation,
  { generation }: StepAddress,
  ids: Readonly<Record<string, string>>,
): Promise<void> {
  const { spec } = operation.input;
  if (patched(ALL_HOSTS)) {
    await operation.activities.all.recordMembers.executeWithOptions({ summary: 'the hosts remember their nodes' }, [
      { spec, identities: ids, token: { generation, step: 'recordIdentities', attempt: 0 } },
    ]);
    return;
  }
  await inParallel(hostsAtWork(spec), spec.timings.hostParallelism, async ({ name: host, nodes }) => {
    // Who leaves and does not answer has none.
    const known = nodes.flatMap(({ port }) => {
      const id = ids[`${host}:${port}`];
      return id === undefined ? [] : [[String(port), id] as const];
    });
    const identities = Object.fromEntries(known);
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
