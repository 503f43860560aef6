import type { ApplyWorld } from './apply-world.js';
import type { Member, Members } from './cluster-members.js';
import { expectationOf } from './expectation.js';
import { ghostsOf } from './judge-nodes.js';
import { stayingNodes } from './nodes.js';
import { pictureOf } from './picture.js';
import type { PlannedReplica, Refusal, Step } from './plan.js';
import { type Attachment, orderAttachments } from './reshape-attach.js';
import { pinned, repairSteps, unpinStep } from './reshape-common.js';
import type { Reshape } from './reshape.js';
import { shapeRefusals } from './reshape-refusals.js';
import { assignReplicas } from './reshape-replicas.js';
import { spreadMasters } from './spread-masters.js';

/**
 * What is half done or out of place, and can be mended without moving a slot: half states of slots, replicas without a master or in the wrong zone, masters
 * without a replica while another has one to spare, a zone with too many masters, ghosts, pins that were left. What cannot be done while a member is missing is
 * left, and said.
 */
export function planRepair(world: ApplyWorld, cluster: Members): Reshape {
  const mending = repairSteps(world);
  const unpinning = unpinStep(world, cluster);
  const missing = shapeRefusals(world, { cluster, moves: [], joined: [] });
  if (cluster.uncovered.length > 0 || missing.length > 0) {
    return { steps: [...mending, ...unpinning], refusals: [], notes: missing.map(leftWords) };
  }
  const replicas = attaching(world, cluster);
  const ghosts = ghostsOf(pictureOf(world.observation, expectationOf(world.spec, world.settings)));
  const steps: Step[] = [
    ...replicas.steps,
    ...spreadMasters(world.spec, cluster, replicas.followers),
    ...(ghosts.length === 0
      ? []
      : [
          {
            ...({ kind: 'forgetNodes', id: 'forgetNodes', nodes: ghosts } as const),
            why: 'nobody answers under their IDs',
          },
          { kind: 'awaitForgotten' as const, id: 'awaitForgotten', nodes: ghosts },
        ]),
  ];
  const pinning = { spec: world.spec, before: cluster.members, after: stayingNodes(world.spec) };
  return {
    steps: [...mending, ...(steps.length === 0 ? unpinning : pinned(steps, pinning))],
    refusals: [],
    notes: replicas.notes,
  };
}

function leftWords({ what, next }: Refusal): string {
  return `Replicas, masters and ghosts are left as they are: ${what} ${next}`;
}

interface Attaching {
  readonly steps: readonly Step[];
  /** Who follows whom once they are taken. */
  readonly followers: readonly PlannedReplica[];
  readonly notes: readonly string[];
}

function attaching({ spec }: ApplyWorld, { members }: Members): Attaching {
  const owners = members.filter(({ slots }) => slots.length > 0);
  const masters = owners.map(({ node }) => node);
  const isOwner = (name: string | null) => name !== null && masters.some((master) => master.name === name);
  const idle = (member: Member) => !member.isReplica && owners.length < spec.shape.masters;
  const movable = members.filter((member) => member.leaving === null && member.slots.length === 0 && !idle(member));
  const replicas = movable.map(({ node, master }) => ({ node, now: isOwner(master) ? master : null, asked: null }));
  const { replicasPerMaster } = spec.shape;
  const beyond = Math.max(0, replicas.length - masters.length * replicasPerMaster);
  const assigned = assignReplicas({ masters, replicas, shape: { ...spec.shape, extraReplicas: beyond } });
  const attachments = assigned.flatMap(({ node, of }): Attachment[] => {
    const member = movable.find((one) => one.node.name === node);
    if (member === undefined || member.master === of) return [];
    return [{ node, of, from: isOwner(member.master) ? member.master : null, inSync: member.inSync, drained: false }];
  });
  const had = new Map(
    masters.map(({ name }) => [name, members.filter(({ master, inSync }) => master === name && inSync).length]),
  );
  const order = orderAttachments({
    attachments,
    replicas: had,
    // A shard may lend one to another that has none, and keeps one.
    least: (master) => Math.min(1, had.get(master) ?? 0),
    drained: new Set(),
  });
  const blocked = new Set(order.blocked.map(({ node }) => node));
  return {
    steps: order.before.map(({ node, of, from }) => ({
      ...{ kind: 'attachReplica', id: `attachReplica/${node}`, node, of },
      why: whyAttached(members, { node, of, from }),
    })),
    followers: movable.flatMap(({ node: { name: node }, master }) => {
      const of = blocked.has(node) ? master : assigned.find((one) => one.node === node)?.of;
      return of === null || of === undefined ? [] : [{ node, of }];
    }),
    notes: order.blocked.map(
      ({ node, of, from }) =>
        `${node} would better follow ${of} than ${from ?? 'nobody'}, and ${from ?? 'its shard'} has no other replica meanwhile: ` +
        'declare one more (shape.extraReplicas), apply, and repair then.',
    ),
  };
}

function whyAttached(members: readonly Member[], { node, of, from }: Pick<Attachment, 'node' | 'of' | 'from'>): string {
  const named = (name: string | null) => members.find((member) => member.node.name === name)?.node;
  if (from === null) return 'its master has no slots';
  if (named(from)?.host === named(node)?.host) return `${from} is on its host`;
  if (named(from)?.zone === named(node)?.zone) return `${from} is in its zone`;
  return `${of} has no replica, and ${from} has one to spare`;
}
