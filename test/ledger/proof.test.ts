import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Redis } from 'ioredis';
import { proofProblems, type ProofRequest } from '../support/proof.js';
import { createByRedisCli } from '../support/redis-cli.js';
import { type RedisNodes, startRedisNodes } from '../support/redis-nodes.js';
import { until } from '../support/until.js';
import { expectNoProblems } from '../support/no-problems.js';

describe('the proof of a cluster', () => {
  let nodes: RedisNodes;
  const nodeAt = (index: number) => [...nodes.servers.keys()][index] ?? '';
  const idOf = async (index: number) => String(await nodes.admin(nodeAt(index), 'CLUSTER', 'MYID'));
  const problems = (change: Partial<ProofRequest> = {}) => {
    const all = [...nodes.servers.values()].map(({ address, port }) => ({ address, port }));
    return proofProblems({ nodes: all, password: nodes.password.admin, ...change });
  };
  const untilProven = () =>
    until('it is well again', async () => (await problems({ search: 'one node' })).length === 0, 30_000);

  beforeAll(async () => {
    nodes = await startRedisNodes();
    await createByRedisCli(nodes, 1);
    await untilProven();
  });
  afterAll(() => nodes?.stop());

  it('has nothing to say where all is well, not even of the balance', async () => {
    expectNoProblems(await problems({ balance: 'even' }));
  });

  it('tells what our own verdict tells', async () => {
    expect(await problems({ verdict: () => Promise.resolve(['NoReplica: h1:6379']) })).toEqual(['NoReplica: h1:6379']);
  });

  it('tells an open slot, by redis-cli at every node and by the node itself', async () => {
    await nodes.admin(nodeAt(0), 'CLUSTER', 'SETSLOT', '77', 'MIGRATING', await idOf(1));
    const found = (await problems()).join('\n');
    await nodes.admin(nodeAt(0), 'CLUSTER', 'SETSLOT', '77', 'STABLE');
    expect(found).toMatch(/slot 77 is open: .* gives it to/);
    expect(found.match(/--cluster check at .*\[WARNING\].*77/g)).toHaveLength(6);
    await untilProven();
  });

  it('tells a key where its slot is not owned', async () => {
    const { address = '', port = 0 } = nodes.servers.get(nodeAt(1)) ?? {};
    await nodes.admin(nodeAt(1), 'CLUSTER', 'SETSLOT', '0', 'IMPORTING', await idOf(0));
    const redis = new Redis({ host: address, port, username: 'admin', password: nodes.password.admin });
    // The tag 3560 is in slot 0.
    await Promise.all([redis.asking(), redis.set('{3560}', 'x')]);
    redis.disconnect();
    await nodes.admin(nodeAt(1), 'CLUSTER', 'SETSLOT', '0', 'STABLE');
    const found = (await problems()).join('\n');
    expect(found).toMatch(/holds keys of 0, which it does not own/);
    expect(found).toMatch(/--cluster check at .*Slot 0 has 2 owners/);
    await nodes.admin(nodeAt(1), 'CLUSTER', 'SETSLOT', '0', 'IMPORTING', await idOf(0));
    await nodes.admin(nodeAt(1), 'FLUSHALL');
    await nodes.admin(nodeAt(1), 'CLUSTER', 'SETSLOT', '0', 'STABLE');
    await untilProven();
  });

  it('tells uneven shares, and slots that nobody owns or that are not agreed on', async () => {
    const owned = Array.from({ length: 400 }, (_, slot) => `${slot}`);
    for (const index of [1, 0, 2, 3, 4, 5]) {
      for (const slot of owned)
        await nodes.admin(nodeAt(index), 'CLUSTER', 'SETSLOT', slot, 'NODE', await idOf(1)).catch(() => 0);
    }
    await untilProven();
    expect((await problems({ balance: 'even' })).join('\n')).toMatch(/rebalance .*has something to do/);
    expectNoProblems(await problems({ balance: { [await idOf(0)]: 0.93, [await idOf(1)]: 1.07 } }));
    await nodes.admin(nodeAt(2), 'CLUSTER', 'DELSLOTS', '16000');
    const found = (await problems()).join('\n');
    expect(found).toMatch(/nobody owns 16000/);
    expect(found).toMatch(/sees other owners than/);
    await nodes.admin(nodeAt(2), 'CLUSTER', 'ADDSLOTS', '16000');
    await untilProven();
  });

  it('tells a member that is not expected, one that is missing, and one that is down', async () => {
    const all = [...nodes.servers.values()].map(({ address, port }) => ({ address, port }));
    const found = (await problems({ nodes: all.slice(0, 5), search: 'one node' })).join('\n');
    expect(found.match(/still knows/g)).toHaveLength(5);
    const more = (await problems({ nodes: [...all, { address: '127.0.0.1', port: 1 }], search: 'one node' })).join(
      '\n',
    );
    expect(more).toContain('127.0.0.1:1 does not answer');
    expect(more.match(/does not know 127\.0\.0\.1:1$/gm)).toHaveLength(6);
    await nodes.servers.get(nodeAt(5))?.kill();
    const down = (await problems()).join('\n');
    expect(down).toMatch(/does not answer/);
    await nodes.servers.get(nodeAt(5))?.restart();
    await untilProven();
  });
});
