import { patched, sleep } from '@temporalio/workflow';
import { portOf, specForHost } from '../domain/nodes.js';
import type { OperationInput, OperationReport } from '../domain/operation.js';
import { describeStep, type Plan } from '../domain/plan.js';
import { portsToExamine, type ReachReport } from '../domain/reach.js';
import type { HostOutcome } from '../domain/survey.js';
import { agree, type Verdict } from '../domain/verdict.js';
import { changeSettings } from './change-settings.js';
import { failure } from './failures.js';
import { type HostStep, performOnHosts } from './host-steps.js';
import { performOnCluster } from './cluster-steps.js';
import { type Draft, type Operation, runOperation } from './operation.js';
import { draftFromSurvey } from './survey.js';

/** Brings the cluster that the spec declares into being, or finds that it is there. */
export async function applyClusterWorkflow(input: OperationInput): Promise<OperationReport> {
  return runOperation({ kind: 'apply', draft, perform, prove }, input);
}

async function draft(operation: Operation): Promise<Draft> {
  const { spec } = operation.input;
  const { read } = operation.activities;
  return draftFromSurvey(
    operation,
    (outcomes, reach: ReachReport | undefined) => {
      const found = reach === undefined ? {} : { reach };
      return read.draftApplyPlan.executeWithOptions({ summary: 'plan' }, [{ spec, outcomes, ...found }]);
    },
    (outcomes) => examinePorts(operation, outcomes),
  );
}

/** Before nodes are started or formed, each host tries the others' ports: a cluster that cannot hear itself is not begun. */
async function examinePorts(
  { activities, input: { spec } }: Operation,
  outcomes: readonly HostOutcome[],
): Promise<ReachReport | undefined> {
  const hosts = portsToExamine(spec, outcomes);
  if (hosts.length === 0 || !patched('pairwise-ports')) return undefined;
  const summary = `ports between ${hosts.length} hosts`;
  return activities.read.examinePorts.executeWithOptions({ summary }, [{ spec, hosts }]);
}

/** Hosts side by side, the steps of one host in order; then running nodes one after the other; then what concerns the cluster as a whole. */
async function perform(operation: Operation, plan: Plan): Promise<void> {
  await performOnHosts(operation, plan, performOnHost);
  for (const step of plan.steps) {
    if (step.kind === 'changeSettings') await changeSettings(operation, step);
  }
  for (const step of plan.steps) {
    if (!('host' in step)) await performOnCluster(operation, step);
  }
}

async function performOnHost(operation: Operation, step: HostStep): Promise<void> {
  const spec = specForHost(operation.input.spec, step.host);
  const summary = describeStep(step);
  await operation.step(step, (address) => {
    const token = { ...address, attempt: 0 };
    const { change } = operation.activities;
    switch (step.kind) {
      case 'prepareHost':
        return change.prepareHost.executeWithOptions({ summary }, [{ spec, host: step.host, token }]);
      case 'applyProfile':
        return change.applyProfile.executeWithOptions({ summary }, [
          { spec, host: step.host, settings: step.settings, token },
        ]);
      case 'installEngine':
        return operation.activities.install.installEngine.executeWithOptions({ summary }, [
          { spec, host: step.host, token },
        ]);
      case 'placeNode':
        return change.placeNode.executeWithOptions({ summary }, [
          { spec, host: step.host, port: portOf(step.node), token },
        ]);
      case 'startNode':
        return change.startNode.executeWithOptions({ summary }, [
          {
            spec,
            host: step.host,
            port: portOf(step.node),
            token,
            ...(step.empty === undefined ? {} : { empty: step.empty }),
          },
        ]);
      case 'stopNode':
      case 'removeNode':
      case 'releaseHost':
        throw new Error(`${step.kind} is no step of an apply`);
      default:
        return step satisfies never;
    }
  });
}

/** One observation where nothing was changed; else two that agree, a node timeout apart, so that a link that died silently shows. */
async function prove(operation: Operation): Promise<Verdict> {
  const { spec } = operation.input;
  const { read, settle } = operation.activities;
  if (!operation.logbook.changed) return read.judgeCluster.executeWithOptions({ summary: 'proof' }, [{ spec }]);
  let last = await settle.awaitHealthy.executeWithOptions({ summary: 'proof: first observation' }, [{ spec }]);
  for (let look = 2; look <= MOST_LOOKS; look++) {
    if (!last.healthy) return last;
    await sleep(spec.redis.nodeTimeoutMs, { summary: 'a node timeout, for what died silently to show' });
    const next = await read.judgeCluster.executeWithOptions({ summary: `proof: observation ${look}` }, [{ spec }]);
    if (!next.healthy || agree(last, next)) return next;
    last = next;
  }
  throw failure('NotProven', {
    what: `Cluster ${spec.name} is healthy and does not hold still: no two of ${MOST_LOOKS} observations agree on roles and slots.`,
    left: 'What the steps have done stays.',
    next: 'Look for failovers with `redisforge status`, and at the nodes with `redisforge logs`.',
  });
}

/** Observations until a cluster whose roles change between two of them is called unsteady. */
const MOST_LOOKS = 5;
