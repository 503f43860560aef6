import { Fence } from '../../activities/redis/fence.js';
import { form } from '../../activities/redis/form.js';
import { FormingNodes } from '../../activities/redis/forming-nodes.js';
import type { MoveTally, MoveWork, MovingMaster, SlotMover } from '../../activities/redis/move/mover.js';
import { myselfIn, parseClusterNodes } from '../../domain/parse-nodes.js';
import { place } from '../../domain/placement.js';
import type { SlotRange } from '../../domain/slots.js';
import type { MovesSpec } from '../../domain/spec.js';
import { type EngineName, fetchEngines } from '../../lab/engines.js';
import { CONFIRMED, TOKEN } from './fence.js';
import { type RedisNodes, type RedisNodesOptions, startRedisNodes } from './redis-nodes.js';

/** A formed cluster of an engine of the lab, whose slots are moved. */
export interface MovingCluster {
  readonly nodes: RedisNodes;
  /** Names of the masters as they were formed. */
  readonly masters: readonly string[];
  /** Of each of them, the name of a replica. */
  readonly replicaOf: ReadonlyMap<string, string>;
  /** Runs a mover once, as an attempt of its own behind its fence. */
  move(mover: SlotMover, moves: readonly TestMove[], how?: MoveHow): Promise<MoveTally>;
  /** What a node says of itself. */
  ownSlots(name: string): Promise<readonly SlotRange[]>;
  stop(): Promise<void>;
}

export interface TestMove {
  readonly from: string;
  readonly to: string;
  readonly ranges: readonly SlotRange[];
}

export interface MoveHow {
  readonly rules?: Partial<MovesSpec>;
  readonly forMs?: number;
  readonly signal?: AbortSignal;
  readonly attempt?: number;
  readonly progress?: MoveWork['progress'];
}

export async function startMovingCluster(
  engine: EngineName,
  options: Omit<RedisNodesOptions, 'engine'> = {},
): Promise<MovingCluster> {
  const fetched = (await fetchEngines()).find(({ name }) => name === engine);
  if (fetched === undefined || fetched.engine === null) throw new Error(`${engine}: ${fetched?.problem ?? 'unknown'}`);
  const nodes = await startRedisNodes({
    formMs: 60_000,
    redisCommandMs: 10_000,
    ...options,
    engine: fetched.engine,
  });
  const plan = place(nodes.spec);
  await form({ spec: nodes.spec, token: TOKEN, ...plan }, { secrets: nodes.secrets, ...CONFIRMED });
  const masters = plan.masters.map(({ node }) => node);
  return {
    nodes,
    masters,
    replicaOf: new Map(plan.replicas.map(({ node, of }) => [of, node])),
    move: (mover, moves, how = {}) => move(nodes, masters, { mover, moves, how }),
    ownSlots: async (name) => (await ownLine(nodes, name)).slots,
    stop: () => nodes.stop(),
  };
}

async function ownLine(nodes: RedisNodes, name: string) {
  const view = parseClusterNodes(String(await nodes.admin(name, 'CLUSTER', 'NODES')));
  const own = view.find(({ id }) => id === myselfIn(view));
  if (own === undefined) throw new Error(`${name} does not know itself`);
  return own;
}

interface Attempt {
  readonly mover: SlotMover;
  readonly moves: readonly TestMove[];
  readonly how: MoveHow;
}

async function move(nodes: RedisNodes, masters: readonly string[], { mover, moves, how }: Attempt): Promise<MoveTally> {
  const { spec, secrets } = nodes;
  const token = { ...TOKEN, step: 'move', attempt: how.attempt ?? 1 };
  const fence = await Fence.raise({ spec, token, rights: 'steer' }, { secrets, ...CONFIRMED });
  const open = new FormingNodes(spec, {
    credentials: fence.credentials,
    raiseAgain: (name) => fence.raiseAgain(name),
  });
  const master = async (name: string): Promise<MovingMaster> => {
    const { id, address, port } = await ownLine(nodes, name);
    return { name, id, address, port, capabilities: await open.capabilitiesOf(name) };
  };
  try {
    const transfers = await Promise.all(
      moves.map(async ({ from, to, ranges }) => ({ from: await master(from), to: await master(to), ranges })),
    );
    const atWork = new Set(moves.flatMap(({ from, to }) => [from, to]));
    return await mover.move({
      transfers,
      nodes: open,
      otherMasters: masters.filter((name) => !atWork.has(name)),
      members: [...nodes.servers.keys()],
      rules: { ...spec.moves, ...how.rules },
      nodeTimeoutMs: spec.redis.nodeTimeoutMs,
      until: performance.now() + (how.forMs ?? 60_000),
      signal: how.signal ?? new AbortController().signal,
      progress: how.progress ?? (() => undefined),
    });
  } finally {
    open.close();
    await fence.lower();
  }
}
