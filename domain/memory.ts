import type { Refusal } from './plan.js';
import type { ClusterSpec } from './spec.js';
import { mebibytes } from './units.js';

/**
 * What a node may come to use, in parts of its maxmemory. While it saves, rewrites its log or feeds a new replica, a forked child shares its memory and
 * each page written meanwhile is copied: half again is the lower end of what Redis operators reserve (1.5 to 2 times), and of what measured runs needed
 * under write load. The replication backlog comes on top of maxmemory.
 */
const FORK_HEADROOM = 1.5;

/** Refuses a host whose nodes could together need more memory than it has. `memoryBytes` is the host's own, from its exam. */
export function memoryProblems({
  spec,
  host,
  memoryBytes,
}: {
  spec: ClusterSpec;
  host: string;
  memoryBytes: number;
}): Refusal[] {
  const nodes = spec.hosts.find(({ name }) => name === host)?.nodes.length ?? 0;
  const { maxmemoryBytes, replBacklogBytes } = spec.redis;
  const needed = nodes * (maxmemoryBytes * FORK_HEADROOM + replBacklogBytes);
  if (needed <= memoryBytes) return [];
  const most = Math.floor((memoryBytes / nodes - replBacklogBytes) / FORK_HEADROOM);
  return [
    {
      host,
      what:
        `Host ${host} has ${mebibytes(memoryBytes)} of memory, and its ${nodes} nodes can need ${mebibytes(needed)}: ` +
        `each ${FORK_HEADROOM} x maxmemory (${mebibytes(maxmemoryBytes)}), for the copies that a fork makes, and its replication backlog.`,
      next:
        most > 0
          ? `Set redis.maxmemory to ${Math.floor(most / 1024 ** 2)}mb or less, or put fewer nodes on ${host}.`
          : `Put fewer nodes on ${host}, or give it more memory.`,
    },
  ];
}
