import type { Member, Members } from './cluster-members.js';
import { eachSlot } from './ownership.js';
import type { ClusterSpec } from './spec.js';

/** A master that does not answer, and those of its replicas that answer: Redis makes one of them master by itself. */
export interface AwaitedFailover {
  readonly of: string;
  readonly replicas: readonly string[];
}

/**
 * The failovers by which all slots that nobody serves get an owner again, without anybody's doing. Empty where nothing is to be waited for: all slots have
 * an owner, or some of them belong to a dead master without a replica that answers, or to nobody, or too few masters answer to elect one.
 */
export function awaitedFailovers(cluster: Members): AwaitedFailover[] {
  const { members, uncovered, picture } = cluster;
  const unserved = new Set(eachSlot(uncovered));
  if (unserved.size === 0) return [];
  const claimed = new Map<string, readonly number[]>();
  for (const [id, sightings] of picture.sightings) {
    const newest = sightings.map(({ entry }) => entry).sort((a, b) => b.configEpoch - a.configEpoch)[0];
    if (newest !== undefined && newest.slots.length > 0) claimed.set(id, [...eachSlot(newest.slots)]);
  }
  const voting = [...claimed.keys()].filter((id) => picture.members.some((node) => node.id === id));
  if (2 * voting.length <= claimed.size) return [];
  const awaited = members.flatMap((member): AwaitedFailover[] => {
    const owned = member.answer === null && !member.isReplica ? (claimed.get(member.id) ?? []) : [];
    const replicas = heirs(member, members);
    if (replicas.length === 0 || !owned.some((slot) => unserved.has(slot))) return [];
    for (const slot of owned) unserved.delete(slot);
    return [{ of: member.node.name, replicas }];
  });
  return unserved.size === 0 ? awaited : [];
}

function heirs({ node }: Member, members: readonly Member[]): string[] {
  return members
    .filter(({ answer, master, leaving }) => answer !== null && master === node.name && leaving !== 'lost')
    .map((member) => member.node.name);
}

/**
 * Milliseconds until a failover that was to come will not come: up to two node timeouts until a master is taken for dead by most, a second or so for the
 * election, and where that one has no winner, four node timeouts until the next.
 */
export function failoverWaitMs({ redis }: Pick<ClusterSpec, 'redis'>): number {
  return Math.max(SHORTEST_WAIT_MS, FAILOVER_TIMEOUTS * redis.nodeTimeoutMs);
}

const SHORTEST_WAIT_MS = 10_000;
const FAILOVER_TIMEOUTS = 7;

/** As the end of a sentence. */
export function failoverWords(awaited: readonly AwaitedFailover[]): string {
  return awaited.map(({ of, replicas }) => `${of} to ${replicas.join(' or ')}`).join(', ');
}
