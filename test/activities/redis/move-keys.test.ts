import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { requireEngine } from '../../../lab/engines.js';
import { BusyClients } from '../../support/busy-clients.js';
import {
  fill,
  firstSlotsOf,
  keysByMaster,
  type Material,
  type MovingCluster,
  problemsOf,
  slotsOf,
  startMovingCluster,
  strayKeys,
} from '../../support/moving-cluster.js';

const KEYS = 100_000;

describe.each([
  { engine: 'redis-7.0', replicas: 0 },
  { engine: 'valkey-8.1', replicas: 1 },
] as const)('slots moved key by key on $engine', ({ engine, replicas }) => {
  let cluster: MovingCluster;
  let material: Material;

  beforeAll(async () => {
    cluster = await startMovingCluster({ replicasPerMaster: replicas, engine: await requireEngine(engine) });
    material = await fill(cluster, KEYS);
  }, 120_000);
  afterAll(() => cluster?.stop());

  const sumOf = (counts: Record<string, number>) => Object.values(counts).reduce((a, b) => a + b, 0);

  it('take every key of every type along, while clients write, and no client sees an error', async () => {
    const [from = '', to = ''] = cluster.masters;
    const ranges = await firstSlotsOf(cluster, from, 1500);
    const busy = new BusyClients([cluster.client(), cluster.client(), cluster.client()]);
    const { progress } = await cluster.move([{ from, to, ranges }]);
    expect(progress).toMatchObject({ slotsDone: 1500, slotsLeft: 0 });
    expect(await busy.end(cluster.client())).toEqual([]);
    expect(busy.acknowledged).toBeGreaterThan(100);
    const owners = await cluster.owners();
    expect(slotsOf(ranges).every((slot) => owners[slot]?.join() === to)).toBe(true);
    expect(await cluster.openSlots()).toEqual([]);
    expect(await strayKeys(cluster)).toEqual([]);
    expect(await problemsOf(cluster, material)).toEqual([]);
  });

  it('are moved once: the same again does nothing', async () => {
    const [from = '', to = ''] = cluster.masters;
    const before = await keysByMaster(cluster);
    const ranges = await firstSlotsOf(cluster, to, 1500);
    const { progress, effects } = await cluster.move([{ from, to, ranges }]);
    expect(progress).toMatchObject({ slotsDone: 1500, slotsLeft: 0, keys: 0 });
    expect(effects).toEqual([]);
    expect(sumOf(await keysByMaster(cluster))).toBe(sumOf(before));
  });
});
