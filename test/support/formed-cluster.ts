import { form } from '../../activities/redis/form.js';
import type { ForgetDeps } from '../../activities/redis/members/forget.js';
import { observe } from '../../activities/redis/observe.js';
import { type AnsweringNode, answering, type ViewEntry } from '../../domain/observation.js';
import { place } from '../../domain/placement.js';
import type { ClusterSpec, NodeSpec } from '../../domain/spec.js';
import { CONFIRMED, TOKEN } from './fence.js';
import { type RedisNodes, type RedisNodesOptions, startRedisNodes } from './redis-nodes.js';
import { until } from './until.js';

/** Short, so that a new master serves soon; long enough for a busy machine. */
const NODE_TIMEOUT_MS = 2000;

/** A formed cluster with further nodes that run and know nobody. All of them are declared. */
export interface FormedCluster {
  readonly nodes: RedisNodes;
  readonly spec: ClusterSpec;
  readonly deps: ForgetDeps;
  /** Names in the spec's order. */
  readonly names: readonly string[];
  readonly masters: readonly string[];
  /** Whose replica is who, as it was formed. */
  readonly replicaOf: Readonly<Record<string, string>>;
  readonly spares: readonly string[];
  idOf(node: string): Promise<string>;
  viewOf(node: string): Promise<readonly ViewEntry[]>;
  /** What all declared nodes say. */
  look(): Promise<AnsweringNode[]>;
  /** Who is what, by name: `master`, or the name of its master. */
  roles(): Promise<Record<string, string>>;
  config(node: string, setting: string): Promise<string>;
}

export interface FormedOptions extends RedisNodesOptions {
  /** Nodes beside the 3 x 2 of the cluster. */
  readonly spares?: number;
  readonly spec?: (spec: ClusterSpec) => ClusterSpec;
}

/** Three masters with a replica each, formed, and spare nodes. */
export async function startFormedCluster({
  spares = 2,
  spec: change = (spec) => spec,
  ...options
}: FormedOptions = {}): Promise<FormedCluster> {
  const nodes = await startRedisNodes({ masters: 6 + spares, replicasPerMaster: 0, ...options });
  const spec = change({ ...nodes.spec, redis: { ...nodes.spec.redis, nodeTimeoutMs: NODE_TIMEOUT_MS } });
  const names = [...nodes.servers.keys()];
  for (const name of names) await nodes.admin(name, 'CONFIG', 'SET', 'cluster-node-timeout', NODE_TIMEOUT_MS);
  // Nobody keeps a record of these nodes.
  const deps = { secrets: nodes.secrets, ...CONFIRMED, letGo: () => Promise.resolve({ effects: [] }) };
  const formed = { ...spec, shape: { masters: 3, replicasPerMaster: 1 }, hosts: spec.hosts.slice(0, 6) };
  const { masters, replicas } = place(formed);
  await form({ spec: formed, token: TOKEN, masters, replicas }, deps);

  const idOf = async (node: string) => String(await nodes.admin(node, 'CLUSTER', 'MYID'));
  const look = async () =>
    answering(await observe({ spec, secrets: nodes.secrets })).filter(({ declared }) => declared);
  return {
    nodes,
    spec,
    deps,
    names,
    masters: masters.map(({ node }) => node),
    replicaOf: Object.fromEntries(replicas.map(({ node, of }) => [node, of])),
    spares: names.slice(6),
    idOf,
    look,
    viewOf: async (node) => (await look()).find(({ name }) => name === node)?.view ?? [],
    roles: async () => {
      const seen = await look();
      const nameOf = (id: string) => seen.find((node) => node.id === id)?.name ?? id;
      return Object.fromEntries(
        seen.map((node) => {
          const masterId = node.view.find(({ id }) => id === node.id)?.masterId ?? null;
          return [node.name, masterId === null ? 'master' : nameOf(masterId)];
        }),
      );
    },
    config: async (node, setting) => ((await nodes.admin(node, 'CONFIG', 'GET', setting)) as string[])[1] ?? '',
  };
}

/** Spare nodes know nobody again, and nobody knows them or what they were. */
export async function resetSpares(cluster: FormedCluster): Promise<void> {
  const { nodes, names, spares } = cluster;
  const staying = names.filter((name) => !spares.includes(name));
  const ids = await Promise.all(staying.map((name) => cluster.idOf(name)));
  await until('nobody knows the spare nodes', async () => {
    for (const spare of spares) {
      if (((await nodes.admin(spare, 'ROLE')) as unknown[])[0] === 'master') await nodes.admin(spare, 'FLUSHALL');
      await nodes.admin(spare, 'CLUSTER', 'RESET', 'HARD');
      await nodes.admin(spare, 'CONFIG', 'SET', 'cluster-node-timeout', NODE_TIMEOUT_MS);
    }
    for (const name of staying) {
      const others = (await cluster.viewOf(name)).filter(({ id }) => !ids.includes(id));
      for (const { id } of others) await nodes.admin(name, 'CLUSTER', 'FORGET', id).catch(() => undefined);
    }
    const views = await Promise.all(names.map((name) => cluster.viewOf(name)));
    return views.every((view, i) => view.length === (spares.includes(names[i] ?? '') ? 1 : staying.length));
  });
}

/** The spec with one node changed, as a person edits it. */
export function withNodeSpec(spec: ClusterSpec, node: string, change: Partial<NodeSpec>): ClusterSpec {
  return {
    ...spec,
    hosts: spec.hosts.map((host) => ({
      ...host,
      nodes: host.nodes.map((one) => (`${host.name}:${one.port}` === node ? { ...one, ...change } : one)),
    })),
  };
}
