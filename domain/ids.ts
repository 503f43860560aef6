/** All names under which Temporal knows us are built here. */
export const TASK_QUEUE = 'redisforge';

/** The polite lock: every mutating operation of a cluster runs under this one workflow ID. */
export function operationWorkflowId(cluster: string): string {
  return `cluster/${cluster}/operation`;
}

export const SEARCH_ATTRIBUTES = {
  cluster: 'RedisForgeCluster',
  operation: 'RedisForgeOperation',
  phase: 'RedisForgePhase',
} as const;
