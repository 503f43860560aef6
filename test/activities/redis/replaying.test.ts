import { afterEach, describe, expect, it } from 'vitest';
import { requireEngine } from '../../../lab/engines.js';
import { type MovingCluster, startMovingCluster } from '../../support/moving-cluster.js';
import { until } from '../../support/until.js';

describe.each(['redis-7.0', 'redis-8.0', 'redis-8.6', 'valkey-8.1', 'valkey-9.1'] as const)('%s', (engine) => {
  let cluster: MovingCluster | undefined;
  afterEach(() => cluster?.stop());

  it('has what transactions and scripts wrote when it was killed and reads its append-only file', async () => {
    cluster = await startMovingCluster({ engine: await requireEngine(engine), args: ['--appendonly', 'yes'] });
    const client = cluster.client();
    await client.set('{tag}alone', 'kept');
    await client.multi().set('{tag}first', 'kept').pfadd('{tag}sketch', 'a', 'b').pfcount('{tag}sketch').exec();
    await client.eval("redis.call('SET', KEYS[1], 'kept') redis.call('SET', KEYS[2], 'kept')", 2, '{tag}x', '{tag}y');
    const read = () => client.mget('{tag}alone', '{tag}first', '{tag}x', '{tag}y');
    const written = await read();
    for (const server of cluster.servers.values()) {
      await server.kill();
      await server.restart();
      expect(await server.log()).not.toContain('NOPERM');
    }
    expect(await until('the cluster answers again', read, 20_000)).toEqual(written);
    expect(await client.pfcount('{tag}sketch')).toBe(2);
  });
});
