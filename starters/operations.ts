import { userInfo } from 'node:os';
import { WorkflowExecutionAlreadyStartedError, type WorkflowHandleWithFirstExecutionRunId } from '@temporalio/client';
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
} as const satisfies Record<OperationKind, string>;

/** Temporal refuses summaries of more than 400 bytes, encoded; a character may take three. The whole reason is in the memo. */
const SUMMARY_LENGTH = 120;

const keyword = (name: string) => defineSearchAttributeKey(name, SearchAttributeType.KEYWORD);

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
        { key: keyword(SEARCH_ATTRIBUTES.phase), value: 'preflight' },
      ],
      staticSummary: `${kind} ${name} (${input.actor}): ${input.reason || 'no reason given'}`.slice(0, SUMMARY_LENGTH),
    });
  } catch (error) {
    if (error instanceof WorkflowExecutionAlreadyStartedError) throw await lockedBy(link, name);
    throw error;
  }
}

/** Who holds the cluster, since when, doing what: from the server alone, so it is said even where no worker lives. */
async function lockedBy(link: TemporalLink, cluster: string): Promise<ForgeError> {
  const holder = await link.client.workflow.getHandle(operationWorkflowId(cluster)).describe();
  const kind = Object.entries(WORKFLOW_TYPES).find(([, type]) => type === holder.type)?.[0] ?? holder.type;
  const { actor, reason } = memoTexts(holder.memo);
  return new ForgeError('Locked', {
    what: `Cluster ${cluster} is being worked on: ${kind} by ${actor} since ${holder.startTime.toISOString()}, because: ${reason} (run ${holder.runId}).`,
    left: 'Nothing was started or changed.',
    next: `Follow it with \`redisforge ops watch ${cluster}\`, or stop it at a safe point with \`redisforge ops cancel ${cluster}\`.`,
  });
}

export function memoTexts(memo: Record<string, unknown> | undefined): { actor: string; reason: string } {
  const text = (value: unknown, otherwise: string) => (typeof value === 'string' && value !== '' ? value : otherwise);
  return { actor: text(memo?.[MEMO.actor], 'somebody unnamed'), reason: text(memo?.[MEMO.reason], 'no reason given') };
}

/** Who starts this: said by the person, else the login and machine. */
export function actorName(env: NodeJS.ProcessEnv, machine: string): string {
  return env.REDISFORGE_ACTOR ?? `${userInfo().username}@${machine}`;
}
