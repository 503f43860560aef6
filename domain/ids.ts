/** All names under which Temporal knows us are built here. */
export const TASK_QUEUE = 'redisforge';

/** The polite lock: every mutating operation of a cluster runs under this one workflow ID. */
export function operationWorkflowId(cluster: string): string {
  return `cluster/${cluster}/operation`;
}

/** Those who wait for the polite lock, in order of arrival. */
export function queueWorkflowId(cluster: string): string {
  return `cluster/${cluster}/queue`;
}

/** A workflow of `doctor` that only measures; each has a name of its own. */
export function probeWorkflowId(name: string): string {
  return `doctor/probe/${name}`;
}

/** Keyword search attributes; a server has to know them before an operation can be started. */
export const SEARCH_ATTRIBUTES = {
  cluster: 'RedisForgeCluster',
  operation: 'RedisForgeOperation',
  phase: 'RedisForgePhase',
} as const;

/** What the memo of an operation holds: who and why from the start; the report where the run did not end as a result. */
export const MEMO = { actor: 'actor', reason: 'reason', report: 'report' } as const;
