import { afterEach, describe, expect, it } from 'vitest';
import { attachReplica } from '../../../../activities/redis/members/attach.js';
import { awaitForgotten } from '../../../../activities/redis/members/await-forgotten.js';
import { forgetNodes } from '../../../../activities/redis/members/forget.js';
import { joinNodes } from '../../../../activities/redis/members/join.js';
import { pinReplicas, unpinReplicas } from '../../../../activities/redis/members/pin.js';
import { switchMaster } from '../../../../activities/redis/members/switch.js';
import { keySlot } from '../../../../domain/key-slot.js';
import { type EngineName, requireEngine } from '../../../../lab/engines.js';
import { failureOf } from '../../../support/failure.js';
import { TOKEN } from '../../../support/fence.js';
import { type FormedCluster, startFormedCluster, withNodeSpec } from '../../../support/formed-cluster.js';

let cluster: FormedCluster;
afterEach(() => cluster.nodes.stop());

describe.each<EngineName>(['redis-8.0', 'redis-8.6', 'valkey-8.1', 'valkey-9.1'])('members on %s', (engine) => {
  it('join, are pinned, follow another master, take over and are forgotten, each asked twice', {
    timeout: 120_000,
  }, async () => {
    cluster = await startFormedCluster({ engine: await requireEngine(engine) });
    const { spec, deps, spares, masters } = cluster;
    const [master = '', replica = ''] = spares;
    const [other = ''] = masters;

    const join = { spec, token: TOKEN, masters: [master], replicas: [{ node: replica, of: master }] };
    const { identities } = await joinNodes(join, deps);
    expect(await joinNodes(join, deps)).toEqual({ effects: [], identities });
    expect(await cluster.roles()).toMatchObject({ [master]: 'master', [replica]: master });

    const free = { ...spec, redis: { ...spec.redis, replicaMigration: 'free' as const } };
    const pin = { spec: free, token: TOKEN, nodes: cluster.names };
    expect(await pinReplicas(pin, deps)).toEqual({ effects: [] });
    expect((await unpinReplicas(pin, deps)).effects).toHaveLength(cluster.names.length);
    expect((await pinReplicas(pin, deps)).effects).toHaveLength(cluster.names.length);

    const attach = { spec, token: TOKEN, node: replica, of: other };
    expect((await attachReplica(attach, deps)).effects).toEqual([`${replica} replicates ${other}`]);
    expect(await attachReplica(attach, deps)).toEqual({ effects: [] });

    const takeOver = { spec, token: TOKEN, node: replica };
    expect((await switchMaster(takeOver, deps)).effects).toEqual([`${replica} took over from ${other}`]);
    expect(await switchMaster(takeOver, deps)).toEqual({ effects: [] });
    expect(await cluster.roles()).toMatchObject({ [replica]: 'master', [other]: replica });

    const leaving = [master, other];
    const without = leaving.reduce((one, node) => withNodeSpec(one, node, { leaving: 'drain' }), spec);
    const nodes = await Promise.all(leaving.map(async (name) => ({ name, nodeId: await cluster.idOf(name) })));
    const forget = { spec: without, token: TOKEN, nodes };
    // A killed attempt by hand: everybody has forgotten one of them, and it lives.
    for (const name of cluster.names.filter((one) => one !== master)) {
      await cluster.nodes.admin(name, 'CLUSTER', 'FORGET', nodes[0]?.nodeId ?? '').catch(() => undefined);
    }
    await forgetNodes(forget, deps);
    expect(await forgetNodes(forget, deps)).toEqual({ effects: [] });
    expect(await awaitForgotten(forget, deps)).toEqual({ effects: [] });
    for (const name of cluster.names) expect(await cluster.viewOf(name)).toHaveLength(leaving.includes(name) ? 1 : 6);
  });
});

it('nobody takes over from a master that has an atomic migration under way', { timeout: 60_000 }, async () => {
  cluster = await startFormedCluster({ engine: await requireEngine('redis-8.6'), spares: 0 });
  const { spec, deps, masters, replicaOf, nodes } = cluster;
  const [target = '', master = ''] = masters;
  const [replica = ''] = Object.keys(replicaOf).filter((name) => replicaOf[name] === master);
  const [from = 0, to = 0] =
    (await cluster.viewOf(master)).find(({ flags }) => flags.includes('myself'))?.slots[0] ?? [];
  const tag = ['a', 'b', 'c', 'd', 'e', 'f'].find((one) => keySlot(one) >= from && keySlot(one) <= to) ?? '';
  const slot = keySlot(tag);
  for (let n = 0; n < 100; n += 1) await nodes.admin(master, 'SET', `{${tag}}${n}`, 'x');
  // A tenth of a second for each key of the snapshot.
  await nodes.admin(master, 'CONFIG', 'SET', 'rdb-key-save-delay', 100_000);
  await nodes.admin(target, 'CLUSTER', 'MIGRATION', 'IMPORT', slot, slot);
  const short = { ...spec, timings: { ...spec.timings, formMs: 1000 } };
  const error = await failureOf(switchMaster({ spec: short, token: TOKEN, node: replica }, deps));
  expect(error).toMatchObject({ type: 'Refused' });
  expect(error.text.what).toContain(`${master} may have a slot migration under way`);
  expect(await cluster.roles()).toMatchObject({ [master]: 'master', [replica]: master });

  await nodes.admin(target, 'CLUSTER', 'MIGRATION', 'CANCEL', 'ALL');
  await nodes.admin(master, 'CONFIG', 'SET', 'rdb-key-save-delay', 0);
  await switchMaster({ spec, token: TOKEN, node: replica }, deps);
  expect(await cluster.roles()).toMatchObject({ [replica]: 'master', [master]: replica });
});
