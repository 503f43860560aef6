import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { pinReplicas, unpinReplicas } from '../../../../activities/redis/members/pin.js';
import { selfOf } from '../../../../domain/observation.js';
import type { ClusterSpec } from '../../../../domain/spec.js';
import { failureOf } from '../../../support/failure.js';
import { CONFIRMED, TOKEN } from '../../../support/fence.js';
import { type MovingCluster, startMovingCluster } from '../../../support/moving-cluster.js';
import { triedAgain } from '../../../support/tried-again.js';
import { until } from '../../../support/until.js';

const SETTING = 'cluster-allow-replica-migration';

let cluster: MovingCluster;
let free: ClusterSpec;

beforeAll(async () => {
  cluster = await startMovingCluster({ masters: 4 });
  free = { ...cluster.spec, redis: { ...cluster.spec.redis, replicaMigration: 'free' } };
  for (const name of cluster.masters) await cluster.admin(name, 'CONFIG', 'SET', SETTING, 'yes');
});
afterAll(() => cluster.stop());

const deps = () => ({ secrets: cluster.secrets, ...CONFIRMED });
const step = (spec: ClusterSpec = free) => ({ spec, token: TOKEN, nodes: cluster.masters });
const running = () =>
  Promise.all(
    cluster.masters.map(async (name) => ((await cluster.admin(name, 'CONFIG', 'GET', SETTING)) as string[])[1]),
  );

describe('pinning replicas', () => {
  it('switches their migration off and on again, each once', async () => {
    expect((await pinReplicas(step(), deps())).effects).toEqual(
      cluster.masters.map((name) => `${name}: ${SETTING} yes → no`),
    );
    expect(await running()).toEqual(cluster.masters.map(() => 'no'));
    expect(await pinReplicas(step(), deps())).toEqual({ effects: [] });
    expect((await unpinReplicas(step(), deps())).effects).toHaveLength(4);
    expect(await running()).toEqual(cluster.masters.map(() => 'yes'));
    expect(await unpinReplicas(step(), deps())).toEqual({ effects: [] });
  });

  it('ends the same when two do it at once', async () => {
    await Promise.all([1, 2].map(() => triedAgain(() => pinReplicas(step(), deps()))));
    expect(await running()).toEqual(cluster.masters.map(() => 'no'));
    await Promise.all([1, 2].map(() => triedAgain(() => unpinReplicas(step(), deps()))));
    expect(await running()).toEqual(cluster.masters.map(() => 'yes'));
  });

  it('lets nobody go where the spec wants them pinned', async () => {
    await pinReplicas(step(), deps());
    expect(await unpinReplicas(step(cluster.spec), deps())).toEqual({ effects: [] });
    expect(await running()).toEqual(cluster.masters.map(() => 'no'));
    await unpinReplicas(step(), deps());
  });

  it('pins all or fails by name, and lets go of those that answer', async () => {
    const [silent = '', ...others] = cluster.masters;
    cluster.servers.get(silent)?.freeze();
    try {
      const spec = { ...free, timings: { ...free.timings, redisCommandMs: 300 } };
      expect((await failureOf(pinReplicas(step(spec), deps()))).text.what).toContain(silent);
      for (const name of others) await cluster.admin(name, 'CONFIG', 'SET', SETTING, 'no');
      const error = await failureOf(unpinReplicas(step(spec), deps()));
      expect(error).toMatchObject({ type: 'NodeUnreachable' });
      expect(error.text.what).toContain(silent);
    } finally {
      cluster.servers.get(silent)?.thaw();
    }
    expect(await running()).toEqual(cluster.masters.map(() => 'yes'));
  });

  it('keeps a master a master that gives its last slot away, which Redis does not by itself', {
    timeout: 60_000,
  }, async () => {
    const [pinned = '', letGo = '', target = ''] = cluster.masters;
    const giveAway = async (from: string) => {
      const words = (await cluster.ownWords()).find(({ name }) => name === from);
      const ranges = (words === undefined ? undefined : selfOf(words))?.slots ?? [];
      await cluster.move([{ ranges, from, to: target }]);
    };
    const roleOf = async (node: string) => ((await cluster.admin(node, 'ROLE')) as unknown[])[0];

    await pinReplicas(step(), deps());
    await giveAway(pinned);
    await unpinReplicas(step(), deps());
    expect(await roleOf(pinned)).toBe('master');

    await giveAway(letGo);
    await until('the other one has made itself a replica', async () => (await roleOf(letGo)) === 'slave');
    expect(await roleOf(pinned)).toBe('master');
  });
});
