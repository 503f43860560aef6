import { type Expectation, expectationOf } from '../../domain/expectation.js';
import { declaredNodes } from '../../domain/nodes.js';
import type { AnsweringNode, Observation, ObservedNode, Silence, ViewEntry } from '../../domain/observation.js';
import { evenShares } from '../../domain/slots.js';
import { specOf } from './spec.js';

/** h1 to h3 are masters, h4 to h6 their replicas, each in another zone than its master. */
const MASTER_OF: Readonly<Record<number, number>> = { 3: 1, 4: 2, 5: 0 };
const NODES = declaredNodes(specOf());

export const SETTINGS = { 'cluster-node-timeout': '5000', 'repl-diskless-sync-delay': '5', maxmemory: '1000' };

export const EXPECTATION: Expectation = expectationOf(specOf(), SETTINGS);

/** A made-up ID, the same for the same number. */
export function idOf(n: number): string {
  return String(n).repeat(40).slice(0, 40);
}

export function nameOf(n: number): string {
  return NODES[n - 1]?.name ?? `stranger${n}:6379`;
}

/** What every node of a sound cluster of three masters and three replicas says. */
export function soundObservation(): Observation {
  return { asOf: '2026-01-02T03:04:05.000Z', nodes: NODES.map((_, i) => soundNode(i)) };
}

function soundNode(i: number): AnsweringNode {
  const node = NODES[i];
  if (node === undefined) throw new Error(`there is no node ${i}`);
  const masterIndex = MASTER_OF[i];
  const master = masterIndex === undefined ? undefined : NODES[masterIndex];
  return {
    ...node,
    declared: true,
    answered: true,
    id: idOf(i + 1),
    engine: 'redis',
    version: '7.0.15',
    role: master === undefined ? 'master' : 'replica',
    clusterState: 'ok',
    currentEpoch: 3,
    slotTasks: 0,
    view: NODES.map((_, other) => soundEntry(other, i)),
    keys: 10,
    usedMemoryBytes: 500,
    maxmemoryBytes: 1000,
    uptimeSeconds: 60,
    connectedClients: 5,
    replication:
      master === undefined
        ? { role: 'master', offset: 100, replicas: [] }
        : {
            role: 'replica',
            masterAddress: master.address,
            masterPort: master.port,
            link: 'up',
            syncing: false,
            offset: 100,
            lastIoSecondsAgo: 1,
          },
    settings: SETTINGS,
    openToAnyone: false,
  };
}

function soundEntry(i: number, viewer: number): ViewEntry {
  const node = NODES[i];
  const master = MASTER_OF[i];
  return {
    id: idOf(i + 1),
    address: node?.address ?? '',
    port: node?.port ?? 0,
    busPort: (node?.port ?? 0) + 10_000,
    flags: [...(i === viewer ? ['myself'] : []), master === undefined ? 'master' : 'slave'],
    masterId: master === undefined ? null : idOf(master + 1),
    configEpoch: (master ?? i) + 1,
    link: 'connected',
    slots: master === undefined ? evenShares(3).slice(i, i + 1) : [],
    migrating: [],
    importing: [],
  };
}

/** The same observation, with the n-th node (from 1) as `change` makes it. */
export function withNode(observation: Observation, n: number, change: Partial<AnsweringNode>): Observation {
  return mapNode(observation, n, (node) => (node.answered ? { ...node, ...change } : node));
}

/** The same observation, with the n-th node giving no answer. */
export function withSilent(observation: Observation, n: number, silence: Silence): Observation {
  return mapNode(observation, n, ({ name, host, zone, address, port, declared }) => ({
    ...{ name, host, zone, address, port, declared },
    answered: false,
    silence,
    detail: `made up: ${silence}`,
  }));
}

/** No node answers: nothing listens at their ports. */
export function silentObservation(): Observation {
  return NODES.reduce((seen, _, i) => withSilent(seen, i + 1, 'connection-refused'), soundObservation());
}

/** The same observation, with one more node that no spec declares. */
export function withStranger(observation: Observation, change: Partial<AnsweringNode> = {}): Observation {
  const [node] = soundObservation().nodes;
  if (node?.answered !== true) throw new Error('there is no node that answers');
  const endpoint = { name: '10.0.9.9:6379', host: '10.0.9.9', zone: null, address: '10.0.9.9', port: 6379 };
  return { ...observation, nodes: [...observation.nodes, { ...node, ...endpoint, declared: false, ...change }] };
}

/** The same observation, with what `viewer` says of `member` (both from 1) changed; `null` makes it unknown there. */
export function withEntry(
  observation: Observation,
  where: { readonly viewer: number; readonly member: number },
  change: Partial<ViewEntry> | null,
): Observation {
  return mapNode(observation, where.viewer, (node) => {
    if (!node.answered) return node;
    const view = node.view.flatMap((entry) => {
      if (entry.id !== idOf(where.member)) return [entry];
      return change === null ? [] : [{ ...entry, ...change }];
    });
    return { ...node, view };
  });
}

/** The same change in the views of all answering nodes. */
export function withEntryEverywhere(observation: Observation, member: number, change: Partial<ViewEntry>): Observation {
  return observation.nodes.reduce(
    (changed, _, i) => withEntry(changed, { viewer: i + 1, member }, change),
    observation,
  );
}

/** The same observation, with one more entry in the views of these nodes (from 1). */
export function withExtraEntry(
  observation: Observation,
  viewers: readonly number[],
  entry: Partial<ViewEntry>,
): Observation {
  const extra = { ...soundEntry(5, -1), ...entry };
  return viewers.reduce(
    (changed, viewer) =>
      mapNode(changed, viewer, (node) => (node.answered ? { ...node, view: [...node.view, extra] } : node)),
    observation,
  );
}

function mapNode(observation: Observation, n: number, change: (node: ObservedNode) => ObservedNode): Observation {
  return { ...observation, nodes: observation.nodes.map((node, i) => (i === n - 1 ? change(node) : node)) };
}
