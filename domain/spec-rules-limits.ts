import type { RuleProblem } from './spec-path.js';
import type { ClusterSpec } from './spec.js';

/** File descriptors that Redis keeps for itself beside its clients' (CONFIG_MIN_RESERVED_FDS in its server.h). */
const RESERVED_FILES = 32;
const MIN_MAXMEMORY_BYTES = 1024 ** 2;
/** Virtual machines freeze for hundreds of milliseconds in ordinary operation; below this each freeze is a failover. */
const MIN_NODE_TIMEOUT_MS = 1000;

/** Numbers that have to fit one another. */
export function limitProblems(spec: ClusterSpec): RuleProblem[] {
  return [...replicaWriteProblems(spec), ...clientProblems(spec), ...sizeProblems(spec), ...timingProblems(spec)];
}

function replicaWriteProblems({ redis, shape }: ClusterSpec): RuleProblem[] {
  const problems: RuleProblem[] = [];
  if (redis.minReplicasToWrite > shape.replicasPerMaster) {
    problems.push({
      path: ['redis', 'minReplicasToWrite'],
      reason: `is ${redis.minReplicasToWrite}, and each master has ${shape.replicasPerMaster} replicas: no write would ever be taken`,
      right: `${shape.replicasPerMaster} or less`,
      with: [['shape', 'replicasPerMaster']],
    });
  }
  if (redis.minReplicasToWrite > 0 && redis.minReplicasMaxLagSeconds * 1000 >= redis.nodeTimeoutMs) {
    problems.push({
      path: ['redis', 'minReplicasMaxLag'],
      reason:
        `is ${redis.minReplicasMaxLagSeconds}s, and the node timeout ${redis.nodeTimeoutMs}ms: a master that is cut off goes on taking ` +
        'writes until its successor is elected, so that minReplicasToWrite saves none of them',
      right: 'at the most half of redis.nodeTimeout',
      with: [
        ['redis', 'minReplicasToWrite'],
        ['redis', 'nodeTimeout'],
      ],
    });
  }
  return problems;
}

function clientProblems({ redis }: ClusterSpec): RuleProblem[] {
  const files = redis.maxclients + RESERVED_FILES;
  if (files <= redis.nofile) return [];
  return [
    {
      path: ['redis', 'maxclients'],
      reason: `is ${redis.maxclients}, and a node may open ${redis.nofile} files: Redis would lower it by itself when it starts`,
      right: `${redis.nofile - RESERVED_FILES} at the most (Redis keeps ${RESERVED_FILES} for itself), or a redis.nofile of ${files}`,
      with: [['redis', 'nofile']],
    },
  ];
}

function sizeProblems({ redis }: ClusterSpec): RuleProblem[] {
  const problems: RuleProblem[] = [];
  if (redis.maxmemoryBytes < MIN_MAXMEMORY_BYTES) {
    problems.push({
      path: ['redis', 'maxmemory'],
      reason:
        redis.maxmemoryBytes === 0
          ? 'is 0, which is no limit: the kernel would kill the node when the host is full'
          : `is ${redis.maxmemoryBytes} bytes, less than an empty node uses`,
      right: 'a size such as 256mb; all nodes of a host have to fit its memory with room for a fork',
    });
  }
  if (redis.replBacklogBytes > redis.maxmemoryBytes) {
    problems.push({
      path: ['redis', 'replBacklog'],
      reason: `is ${redis.replBacklogBytes} bytes, more than the data itself may be (maxmemory is ${redis.maxmemoryBytes})`,
      right: 'a part of redis.maxmemory',
      with: [['redis', 'maxmemory']],
    });
  }
  return problems;
}

function timingProblems({ redis, timings }: ClusterSpec): RuleProblem[] {
  const problems: RuleProblem[] = [];
  if (redis.nodeTimeoutMs < MIN_NODE_TIMEOUT_MS) {
    problems.push({
      path: ['redis', 'nodeTimeout'],
      reason: `is ${redis.nodeTimeoutMs}ms: a short freeze of a virtual machine would be taken for a death`,
      right: '1s or more; 3s to 5s for most',
    });
  }
  const { hostParallelism: _hosts, ...durations } = timings;
  for (const [name, ms] of Object.entries(durations)) {
    if (ms > 0) continue;
    problems.push({ path: ['timings', name.replace(/Ms$/, '')], reason: 'is 0', right: 'a duration above 0' });
  }
  return problems;
}
