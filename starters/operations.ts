import { userInfo } from 'node:os';
import {
  WorkflowExecutionAlreadyStartedError,
  type WorkflowHandleWithFirstExecutionRunId,
  WorkflowNotFoundError,
} from '@temporalio/client';
import { defineSearchAttributeKey, SearchAttributeType } from '@temporalio/common';
import { ForgeError } from '../domain/errors.js';
import { MEMO, operationWorkflowId, SEARCH_ATTRIBUTES, TASK_QUEUE } from '../domain/ids.js';
import type { OperationInput } from '../domain/operation.js';
import type { OperationKind } from '../domain/plan.js';
import type { applyClusterWorkflow } from '../workflows/index.js';
import type { TemporalLink } from './temporal.js';

export type OperationHandle = WorkflowHandleWithFirstExecutionRunId<typeof applyClusterWorkflow>;

const WORKFLOW_TYPES = {
  apply: 'applyClusterWorkflow',
  destroy: 'destroyClusterWorkflow',
  scale: 'scaleClusterWorkflow',
  rebalance: 'rebalanceClusterWorkflow',
  reshard: 'reshardClusterWorkflow',
  replace: 'replaceHostWorkflow',
  repair: 'repairClusterWorkflow',
} as const satisfies Record<OperationKind, string>;

/** Temporal refuses summaries of more than 400 bytes, encoded; a character may take three. The whole reason is in the memo. */
const SUMMARY_LENGTH = 120;

const keyword = (name: string) => defineSearchAttributeKey(name, SearchAttributeType.KEYWORD);
const PHASE = keyword(SEARCH_ATTRIBUTES.phase);

/** The operation that runs under a cluster's ID: who holds the cluster, since when, doing what. */
export interface Holder {
  readonly operation: string;
  readonly actor: string;
  readonly reason: string;
  /** ISO 8601 */
  readonly since: string;
  readonly runId: string;
  readonly paused: boolean;
}

/** Another operation of the cluster runs. */
export class ClusterHeld extends ForgeError {
  constructor(cluster: string, holder: Holder) {
    super('Locked', {
      what: `Cluster ${cluster} is being worked on: ${holderText(holder)}.`,
      left: 'Nothing was started or changed.',
      next: `Wait for your turn with --wait, follow it with \`redisforge ops watch ${cluster}\`, or stop it at a safe point with \`redisforge ops cancel ${cluster}\`.`,
    });
  }
}

export function holderText({ operation, actor, since, reason, runId, paused }: Holder): string {
  return `${operation} by ${actor} since ${since}, because: ${reason} (run ${runId}${paused ? ', paused' : ''})`;
}

/** Starts an operation under the cluster's fixed workflow ID. Where one runs already it is refused at once, with who holds it. */
export async function startOperation(
  link: TemporalLink,
  kind: OperationKind,
  input: OperationInput,
): Promise<OperationHandle> {
  const { name } = input.spec;
  try {
    return await link.client.workflow.start<typeof applyClusterWorkflow>(WORKFLOW_TYPES[kind], {
      workflowId: operationWorkflowId(name),
      taskQueue: TASK_QUEUE,
      args: [input],
      workflowIdConflictPolicy: 'FAIL',
      workflowIdReusePolicy: 'ALLOW_DUPLICATE',
      memo: { [MEMO.actor]: input.actor, [MEMO.reason]: input.reason },
      typedSearchAttributes: [
        { key: keyword(SEARCH_ATTRIBUTES.cluster), value: name },
        { key: keyword(SEARCH_ATTRIBUTES.operation), value: kind },
        { key: PHASE, value: 'preflight' },
      ],
      staticSummary: `${kind} ${name} (${input.actor}): ${input.reason || 'no reason given'}`.slice(0, SUMMARY_LENGTH),
    });
  } catch (error) {
    if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error;
    const holder = await holderOf(link, name);
    if (holder !== null) throw new ClusterHeld(name, holder);
    // It has ended since.
    return startOperation(link, kind, input);
  }
}

/** From the server alone, so it is said even where no worker lives; `null` where no operation of the cluster runs. */
export async function holderOf(link: TemporalLink, cluster: string): Promise<Holder | null> {
  try {
    const run = await link.client.workflow.getHandle(operationWorkflowId(cluster)).describe();
    if (run.status.name !== 'RUNNING') return null;
    return {
      operation: operationOfType(run.type),
      ...memoTexts(run.memo),
      since: run.startTime.toISOString(),
      runId: run.runId,
      paused: run.typedSearchAttributes.get(PHASE) === 'paused',
    };
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return null;
    throw error;
  }
}

/** What a workflow type is called by people; its own name where it is none of ours. */
export function operationOfType(type: string): string {
  return Object.entries(WORKFLOW_TYPES).find(([, ours]) => ours === type)?.[0] ?? type;
}

export function memoTexts(memo: Record<string, unknown> | undefined): { actor: string; reason: string } {
  const text = (value: unknown, otherwise: string) => (typeof value === 'string' && value !== '' ? value : otherwise);
  return { actor: text(memo?.[MEMO.actor], 'somebody unnamed'), reason: text(memo?.[MEMO.reason], 'no reason given') };
}

/** Who starts this: said by the person, else the login and machine. */
export function actorName(env: NodeJS.ProcessEnv, machine: string): string {
  return env.REDISFORGE_ACTOR ?? `${userInfo().username}@${machine}`;
}
