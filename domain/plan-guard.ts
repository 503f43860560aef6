import type { ApplyWorld } from './apply-world.js';
import { guardWords, keepsIdentity } from './guard.js';
import type { DeclaredNode } from './nodes.js';
import { answering, selfOf } from './observation.js';
import type { Refusal } from './plan.js';
import type { SlotRange } from './slots.js';
import type { ServiceState } from './survey.js';

type Guarded = Extract<ServiceState, { state: 'guarded' }>;

/** Whether a node may start without its data: why, or why not. */
export type EmptyStart = { readonly why: string } | { readonly refusal: Refusal };

/**
 * A guarded node may start empty where nothing is lost by it: another one owns its slots (then it comes back as a replica of that one), or the data
 * is a cache by the spec's own word. One that does not know who it was would be a new node, and needs to be replaced.
 */
export function emptyStart(world: ApplyWorld, node: DeclaredNode, service: Guarded): EmptyStart {
  if (!keepsIdentity(service.reason)) return { refusal: refusal(node, service, REPLACE) };
  const owners = ownersOf(world, node, service.slots);
  if (owners.length > 0) return { why: `starts empty: ${owners.join(', ')} has its slots` };
  if (world.spec.persistence.data === 'cache') return { why: 'starts empty: its data is a cache (persistence.data)' };
  const accept = `redisforge-host --by-hand NAME node accept-empty ${node.port}`;
  return {
    refusal: refusal(
      node,
      service,
      `Nobody else owns its slots: bring its data back, or wait for the failover to its replica. Only where its data may be lost: ${accept} on the host.`,
    ),
  };
}

const REPLACE =
  'Bring its volume back, and it starts. Without it the node would have a new identity: then it has to be replaced, which apply does not do.';

function refusal(node: DeclaredNode, { reason, at }: Guarded, next: string): Refusal {
  return {
    host: node.host,
    node: node.name,
    what: `${node.name} does not start: ${guardWords(reason)} (seen at ${at}).`,
    next,
  };
}

/** Names of the nodes that own these slots by their own word, where everybody who knows the node agrees that it has none any more. */
function ownersOf({ observation, surveys }: ApplyWorld, node: DeclaredNode, slots: readonly SlotRange[]): string[] {
  const id = surveys.find(({ host }) => host === node.host)?.record.identities[String(node.port)];
  const others = answering(observation);
  const entries = others.flatMap(({ view }) => view.filter((entry) => entry.id === id));
  if (slots.length === 0 || entries.length === 0 || entries.some((entry) => entry.slots.length > 0)) return [];
  const owned = others.map((other) => ({ name: other.name, slots: selfOf(other)?.slots ?? [] }));
  const has = (ranges: readonly SlotRange[], slot: number) => ranges.some(([from, to]) => from <= slot && slot <= to);
  const owners = new Set<string>();
  for (const [from, to] of slots) {
    for (let slot = from; slot <= to; slot++) {
      const owner = owned.find((one) => has(one.slots, slot));
      if (owner === undefined) return [];
      owners.add(owner.name);
    }
  }
  return [...owners];
}
