import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { MembersDeps } from '../../../../activities/redis/members/access.js';
import { switchMaster } from '../../../../activities/redis/members/switch.js';
import { failureOf } from '../../../support/failure.js';
import { TOKEN } from '../../../support/fence.js';
import { type FormedCluster, startFormedCluster, withNodeSpec } from '../../../support/formed-cluster.js';
import { triedAgain } from '../../../support/tried-again.js';

let cluster: FormedCluster;
/** Of one shard, as it is before each test. */
let master: string;
let replica: string;
let others: readonly string[];

beforeAll(async () => {
  cluster = await startFormedCluster({ spares: 0 });
});
afterAll(() => cluster.nodes.stop());
beforeEach(async () => {
  const roles = await cluster.roles();
  [[replica = '', master = ''] = []] = Object.entries(roles).filter(([, of]) => of !== 'master');
  others = Object.keys(roles).filter((name) => roles[name] === 'master' && name !== master);
});

const send = (node: string, ...command: [string, ...(string | number)[]]) => cluster.nodes.admin(node, ...command);

function switchNow(deps: Partial<MembersDeps> = {}, { formMs = 15_000, node = replica } = {}) {
  const spec = { ...cluster.spec, timings: { ...cluster.spec.timings, formMs } };
  return switchMaster({ spec, token: TOKEN, node }, { ...cluster.deps, ...deps });
}

async function expectSwitched(): Promise<void> {
  const before = Object.fromEntries(Object.entries(await cluster.roles()));
  expect(before).toMatchObject({ [replica]: 'master', [master]: replica });
  const seen = await cluster.look();
  const id = await cluster.idOf(replica);
  for (const { view, clusterState } of seen) {
    expect(clusterState).toBe('ok');
    expect(view.find((entry) => entry.id === id)?.slots).toHaveLength(1);
  }
  expect(seen.find(({ name }) => name === master)?.replication).toMatchObject({ role: 'replica', link: 'up' });
}

async function expectUnchanged(): Promise<void> {
  expect(await cluster.roles()).toMatchObject({ [master]: 'master', [replica]: master });
}

describe('switchMaster', () => {
  it('makes a replica the master of its shard, and a second run changes nothing', async () => {
    expect(await switchNow()).toEqual({ effects: [`${replica} took over from ${master}`] });
    await expectSwitched();
    expect(await switchNow()).toEqual({ effects: [] });
    await expectSwitched();
  });

  it.each([1, 2, 3])('ends the same when it was cut off after %i looks', async (looks) => {
    const cut = new AbortController();
    let left = looks;
    const progress = () => {
      left -= 1;
      if (left === 0) cut.abort();
    };
    await switchNow({ progress, signal: cut.signal }).catch(() => undefined);
    await switchNow();
    await expectSwitched();
  });

  it('ends the same when two switch at once', async () => {
    await Promise.all([triedAgain(() => switchNow()), triedAgain(() => switchNow())]);
    await expectSwitched();
  });

  it('begins again when an attempt found no majority and has expired', { timeout: 90_000 }, async () => {
    const freeze = () => others.forEach((name) => cluster.nodes.servers.get(name)?.freeze());
    const thaw = () => others.forEach((name) => cluster.nodes.servers.get(name)?.thaw());
    let asked = 0;
    const progress = (what: string) => {
      if (what !== `${replica} is a replica of ${master}`) return;
      asked += 1;
      if (asked > 1) return;
      freeze();
      setTimeout(thaw, 6000);
    };
    try {
      expect((await switchNow({ progress }, { formMs: 60_000 })).effects).toEqual([
        `${replica} took over from ${master}`,
      ]);
      expect(asked).toBeGreaterThan(1);
    } finally {
      thaw();
    }
    await expectSwitched();
  });

  it('refuses a replica that is not in sync, when the time is over', async () => {
    await send(replica, 'CONFIG', 'SET', 'masterauth', 'not-the-secret');
    await send(replica, 'CLIENT', 'KILL', 'TYPE', 'master');
    try {
      const error = await failureOf(switchNow({}, { formMs: 1000 }));
      expect(error).toMatchObject({ type: 'Refused' });
      expect(error.text.what).toContain(`${replica} has no replication link`);
      await expectUnchanged();
    } finally {
      await send(replica, 'CONFIG', 'SET', 'masterauth', cluster.nodes.password.replication);
    }
    await switchNow();
    await expectSwitched();
  });

  it('refuses where slots of the master are half moved, at either end', async () => {
    const [to = ''] = others;
    const slot = (await cluster.viewOf(master)).find(({ flags }) => flags.includes('myself'))?.slots[0]?.[0] ?? 0;
    await send(to, 'CLUSTER', 'SETSLOT', slot, 'IMPORTING', await cluster.idOf(master));
    try {
      const error = await failureOf(switchNow());
      expect(error).toMatchObject({ type: 'Refused' });
      expect(error.text.what).toBe(
        `${master} has slots that are half moved (${slot}): a failover now would tear them.`,
      );
      await send(master, 'CLUSTER', 'SETSLOT', slot, 'MIGRATING', await cluster.idOf(to));
      await send(to, 'CLUSTER', 'SETSLOT', slot, 'STABLE');
      expect((await failureOf(switchNow())).text.what).toContain('half moved');
    } finally {
      for (const node of [master, to]) await send(node, 'CLUSTER', 'SETSLOT', slot, 'STABLE');
    }
    await expectUnchanged();
  });

  it('fails by name on a silent node, and goes on without a lost one', async () => {
    const roles = await cluster.roles();
    const silent = Object.keys(roles).find((name) => others.includes(roles[name] ?? '')) ?? '';
    cluster.nodes.servers.get(silent)?.freeze();
    try {
      const error = await failureOf(switchNow());
      expect(error).toMatchObject({ type: 'NodeUnreachable' });
      expect(error.text.what).toContain(silent);
      await expectUnchanged();
      await switchMaster(
        { spec: withNodeSpec(cluster.spec, silent, { leaving: 'lost' }), token: TOKEN, node: replica },
        cluster.deps,
      );
    } finally {
      cluster.nodes.servers.get(silent)?.thaw();
    }
    await switchNow();
    await expectSwitched();
  });
});
