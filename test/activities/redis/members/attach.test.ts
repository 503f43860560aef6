import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { MembersDeps } from '../../../../activities/redis/members/access.js';
import { attachReplica } from '../../../../activities/redis/members/attach.js';
import { joinNodes } from '../../../../activities/redis/members/join.js';
import { failureOf } from '../../../support/failure.js';
import { TOKEN } from '../../../support/fence.js';
import { type FormedCluster, resetSpares, startFormedCluster, withNodeSpec } from '../../../support/formed-cluster.js';
import { triedAgain } from '../../../support/tried-again.js';

let cluster: FormedCluster;
/** A member: a master without slots. */
let spare: string;
let masters: readonly string[];

beforeAll(async () => {
  cluster = await startFormedCluster({ spares: 1 });
  [spare = ''] = cluster.spares;
  masters = cluster.masters;
});
afterAll(() => cluster.nodes.stop());

beforeEach(async () => {
  await resetSpares(cluster);
  await joinNodes({ spec: cluster.spec, token: TOKEN, masters: [spare], replicas: [] }, cluster.deps);
});

function attach(of: string, deps: Partial<MembersDeps> = {}, spec = cluster.spec) {
  return attachReplica({ spec, token: TOKEN, node: spare, of }, { ...cluster.deps, ...deps });
}

async function expectAttached(master: string): Promise<void> {
  const id = await cluster.idOf(spare);
  const masterId = await cluster.idOf(master);
  for (const { view } of await cluster.look())
    expect(view.find((entry) => entry.id === id)).toMatchObject({ masterId });
  const seen = (await cluster.look()).find(({ name }) => name === spare);
  expect(seen?.replication).toMatchObject({ role: 'replica', link: 'up', syncing: false });
  for (const name of cluster.names) expect(await cluster.config(name, 'repl-diskless-sync-delay')).toBe('5');
}

describe('attachReplica', () => {
  it('makes an empty master a replica in sync, then moves it to another shard, and a second run changes nothing', async () => {
    const [one = '', other = ''] = masters;
    expect(await attach(one)).toEqual({ effects: [`${spare} replicates ${one}`] });
    await expectAttached(one);
    expect(await attach(other)).toEqual({ effects: [`${spare} replicates ${other}`] });
    await expectAttached(other);
    expect(await attach(other)).toEqual({ effects: [] });
  });

  it('takes the master that the shard has now', async () => {
    const [[of = '', master = ''] = []] = Object.entries(cluster.replicaOf);
    await attach(of);
    await expectAttached(master);
  });

  it.each([1, 2, 3])('ends the same when it was cut off after %i looks', async (looks) => {
    const [master = ''] = masters;
    const cut = new AbortController();
    let left = looks;
    const progress = () => {
      left -= 1;
      if (left === 0) cut.abort();
    };
    await attach(master, { progress, signal: cut.signal }).catch(() => undefined);
    await attach(master);
    await expectAttached(master);
  });

  it('ends the same when two attach at once', async () => {
    const [master = ''] = masters;
    await Promise.all([triedAgain(() => attach(master)), triedAgain(() => attach(master))]);
    await expectAttached(master);
  });

  it('goes on where a killed attempt had sent the command and nothing else', async () => {
    const [master = ''] = masters;
    await cluster.nodes.admin(master, 'CONFIG', 'SET', 'repl-diskless-sync-delay', '0');
    await cluster.nodes.admin(spare, 'CLUSTER', 'REPLICATE', await cluster.idOf(master));
    await attach(master);
    await expectAttached(master);
  });

  it('takes back what an attempt that was killed at its very end left', async () => {
    const [master = ''] = masters;
    await attach(master);
    await cluster.nodes.admin(master, 'CONFIG', 'SET', 'repl-diskless-sync-delay', '0');
    expect(await attach(master)).toEqual({ effects: [`${master}: repl-diskless-sync-delay back to 5`] });
  });

  it('refuses a master with slots, and the master of that very shard', async () => {
    const [one = '', other = ''] = masters;
    const step = { spec: cluster.spec, token: TOKEN, node: one, of: other };
    const error = await failureOf(attachReplica(step, cluster.deps));
    expect(error).toMatchObject({ type: 'Refused' });
    expect(error.text.what).toMatch(new RegExp(`^${one} .* it is a master with 5461 slots and 0 keys`));
    const [[of = '', master = ''] = []] = Object.entries(cluster.replicaOf);
    const own = await failureOf(attachReplica({ ...step, node: master, of }, cluster.deps));
    expect(own.text.what).toContain('it is the master of that shard');
    expect(await cluster.roles()).toMatchObject({ [one]: 'master', [master]: 'master', [of]: master });
  });

  it('says what is missing when the time is over, and leaves no setting behind', async () => {
    const [master = ''] = masters;
    await cluster.nodes.admin(spare, 'CONFIG', 'SET', 'masterauth', 'not-the-secret');
    try {
      const spec = { ...cluster.spec, timings: { ...cluster.spec.timings, formMs: 1000 } };
      const error = await failureOf(attach(master, {}, spec));
      expect(error).toMatchObject({ type: 'NotReached' });
      expect(error.text.what).toContain(`${spare} has no replication link`);
      expect(error.text.left).toContain(`${spare} replicates ${master}`);
      for (const name of cluster.names) expect(await cluster.config(name, 'repl-diskless-sync-delay')).toBe('5');
    } finally {
      await cluster.nodes.admin(spare, 'CONFIG', 'SET', 'masterauth', cluster.nodes.password.replication);
    }
  });

  it('does not wait for a lost node', async () => {
    const [master = ''] = masters;
    const [lost = ''] = Object.keys(cluster.replicaOf).filter((name) => cluster.replicaOf[name] !== master);
    cluster.nodes.servers.get(lost)?.freeze();
    try {
      await attach(master, {}, withNodeSpec(cluster.spec, lost, { leaving: 'lost' }));
    } finally {
      cluster.nodes.servers.get(lost)?.thaw();
    }
    await attach(master);
    await expectAttached(master);
  });
});
