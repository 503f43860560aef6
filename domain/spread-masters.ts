import type { Member, Members } from './cluster-members.js';
import { type DeclaredNode, stayingNodes } from './nodes.js';
import type { PlannedReplica, Step } from './plan.js';
import { mayFollow } from './reshape-replicas.js';
import type { ClusterSpec } from './spec.js';

/**
 * Takeovers after which no zone holds half of the masters, as far as replicas in other zones allow it: the loss of one zone must not take the majority with it.
 * With fewer than three zones, or masters, it cannot be helped.
 */
export function spreadMasters(spec: ClusterSpec, { members }: Members, followers: readonly PlannedReplica[]): Step[] {
  const zones = [...new Set(stayingNodes(spec).map(({ zone }) => zone))];
  const masters = members.filter(({ slots }) => slots.length > 0).map(({ node }) => node);
  if (zones.length < 3 || masters.length < 3) return [];
  const steps: Step[] = [];
  const named = (name: string) => members.find(({ node }) => node.name === name);
  const following = (master: DeclaredNode) =>
    followers.filter(({ of }) => of === master.name).flatMap(({ node }) => named(node) ?? []);
  const now = [...masters];
  const count = (zone: string) => now.filter((master) => master.zone === zone).length;
  const crowded = (zone: string) => 2 * count(zone) >= now.length;
  for (const zone of zones) {
    while (crowded(zone)) {
      const [best] = now
        .filter((master) => master.zone === zone && masters.includes(master))
        .flatMap((master) => heirsOf(spec, master, following(master)).map((heir) => ({ master, heir })))
        .filter(({ heir }) => heir.zone !== zone && 2 * (count(heir.zone) + 1) < now.length)
        .sort((a, b) => count(a.heir.zone) - count(b.heir.zone));
      if (best === undefined) break;
      const why = `zone ${zone} holds ${count(zone)} of ${now.length} masters`;
      const { name: node } = best.heir;
      steps.push({ kind: 'switchMaster', id: `switchMaster/${node}`, node, was: best.master.name, why });
      now.splice(now.indexOf(best.master), 1, best.heir);
    }
  }
  return steps;
}

/** Replicas that could be master: in sync, and everybody else of the shard may follow them. */
function heirsOf({ shape }: ClusterSpec, master: DeclaredNode, following: readonly Member[]): DeclaredNode[] {
  return following
    .filter(({ inSync }) => inSync)
    .map(({ node }) => node)
    .filter((heir) =>
      [master, ...following.map(({ node }) => node)].every((one) => one === heir || mayFollow(one, heir, shape)),
    );
}
