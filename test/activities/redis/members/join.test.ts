import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { MembersDeps } from '../../../../activities/redis/members/access.js';
import { joinNodes } from '../../../../activities/redis/members/join.js';
import { portOf } from '../../../../domain/nodes.js';
import type { ClusterSpec } from '../../../../domain/spec.js';
import { failureOf } from '../../../support/failure.js';
import { TOKEN } from '../../../support/fence.js';
import { type FormedCluster, resetSpares, startFormedCluster, withNodeSpec } from '../../../support/formed-cluster.js';
import { startRedis } from '../../../support/redis-server.js';
import { triedAgain } from '../../../support/tried-again.js';
import { until } from '../../../support/until.js';

let cluster: FormedCluster;
let hub: string;
let master: string;
let replica: string;

beforeAll(async () => {
  cluster = await startFormedCluster();
  [hub = ''] = cluster.names;
  [master = '', replica = ''] = cluster.spares;
});
afterAll(() => cluster.nodes.stop());
beforeEach(() => resetSpares(cluster));

const send = (node: string, ...command: [string, ...(string | number)[]]) => cluster.nodes.admin(node, ...command);
const meet = (node: string, target: string) => send(node, 'CLUSTER', 'MEET', '127.0.0.1', portOf(target));
const met = (node: string, other: string) =>
  until(`${node} knows ${other}`, async () => {
    const id = await cluster.idOf(other);
    return (await cluster.viewOf(node)).some((entry) => entry.id === id && !entry.flags.includes('handshake'));
  });

function joinNow(deps: Partial<MembersDeps> = {}, spec: ClusterSpec = cluster.spec) {
  const step = { spec, token: TOKEN, masters: [master], replicas: [{ node: replica, of: master }] };
  return joinNodes(step, { ...cluster.deps, ...deps });
}

/** What holds after every join that ended well. */
async function expectJoined(): Promise<void> {
  const seen = await cluster.look();
  expect(await cluster.roles()).toEqual({
    ...Object.fromEntries(cluster.masters.map((name) => [name, 'master'])),
    ...cluster.replicaOf,
    [master]: 'master',
    [replica]: master,
  });
  for (const { name, view, clusterState } of seen) {
    expect([name, clusterState, view.length]).toEqual([name, 'ok', 8]);
    expect(view.flatMap(({ flags }) => flags.filter((flag) => /fail|handshake|noaddr/.test(flag)))).toEqual([]);
    expect(view.map(({ link }) => link)).toEqual(view.map(() => 'connected'));
  }
  const epochs = seen
    .filter(({ role }) => role === 'master')
    .map(({ id, view }) => view.find((e) => e.id === id)?.configEpoch);
  expect(new Set(epochs).size).toBe(4);
  const copied = seen.find(({ name }) => name === replica)?.replication;
  expect(copied).toMatchObject({ role: 'replica', link: 'up', syncing: false });
  for (const name of cluster.names) {
    expect(await cluster.config(name, 'repl-diskless-sync-delay')).toBe('5');
    expect(await cluster.config(name, 'cluster-node-timeout')).toBe('2000');
  }
}

describe('joinNodes', () => {
  it('makes new nodes members, quickly, and a second run changes nothing', async () => {
    const first = await joinNow();
    await expectJoined();
    expect(first.effects).toEqual([
      expect.stringMatching(`^${master}: config epoch \\d+$`),
      `${hub} met ${master}`,
      `${hub} met ${replica}`,
      `${replica} replicates ${master}`,
    ]);
    expect(Object.keys(first.identities)).toEqual(cluster.names);
    expect(first.identities[replica]).toBe(await cluster.idOf(replica));
    expect(await joinNow()).toEqual({ effects: [], identities: first.identities });
  });

  it('lets a new replica follow whoever is the master of its shard by now', async () => {
    const [[of = '', its = ''] = []] = Object.entries(cluster.replicaOf);
    const step = {
      spec: cluster.spec,
      token: TOKEN,
      masters: [],
      replicas: [master, replica].map((node) => ({ node, of })),
    };
    await joinNodes(step, cluster.deps);
    expect(await cluster.roles()).toMatchObject({ [master]: its, [replica]: its });
  });

  it.each<[string, () => Promise<unknown>]>([
    ['the hub was told to meet one', () => meet(hub, replica)],
    ['one was told to meet another member', () => meet(master, cluster.names[4] ?? '')],
    [
      'the new ones have met only each other',
      async () => {
        await meet(master, replica);
        await met(replica, master);
      },
    ],
    [
      'all have met, and nobody replicates',
      async () => {
        await meet(hub, master);
        await meet(hub, replica);
        await met(replica, master);
      },
    ],
    [
      'all is done but the sync',
      async () => {
        await meet(hub, master);
        await meet(hub, replica);
        await met(replica, master);
        await send(replica, 'CLUSTER', 'REPLICATE', await cluster.idOf(master));
      },
    ],
    [
      'the hub has forgotten one that knows all',
      async () => {
        await meet(hub, master);
        await met(hub, master);
        await met(master, hub);
        await send(hub, 'CLUSTER', 'FORGET', await cluster.idOf(master));
      },
    ],
    [
      'another member has forgotten one, and bans it from gossip',
      async () => {
        const [, other = ''] = cluster.names;
        await meet(hub, master);
        await met(other, master);
        await send(other, 'CLUSTER', 'FORGET', await cluster.idOf(master));
      },
    ],
    ['the master has its epoch', () => send(master, 'CLUSTER', 'SET-CONFIG-EPOCH', 1)],
    [
      'a killed attempt left its setting',
      () => send(cluster.masters[0] ?? '', 'CONFIG', 'SET', 'repl-diskless-sync-delay', '0'),
    ],
  ])('goes on where a killed attempt stopped: %s', async (_, leave) => {
    await leave();
    await joinNow();
    await expectJoined();
  });

  it.each([1, 2, 3, 5, 8])('ends the same when it was cut off after %i looks', async (looks) => {
    const cut = new AbortController();
    let left = looks;
    const progress = () => {
      left -= 1;
      if (left === 0) cut.abort();
    };
    await joinNow({ progress, signal: cut.signal }).catch(() => undefined);
    await joinNow();
    await expectJoined();
  });

  it('ends the same when two join at once', async () => {
    await Promise.all([triedAgain(joinNow), triedAgain(joinNow)]);
    await expectJoined();
  });

  it('gets on without a lost node and one that leaves, and does not wait for what they see', async () => {
    const [lost = '', leaves = ''] = Object.keys(cluster.replicaOf);
    cluster.nodes.servers.get(lost)?.freeze();
    cluster.nodes.servers.get(leaves)?.freeze();
    try {
      const spec = withNodeSpec(withNodeSpec(cluster.spec, lost, { leaving: 'lost' }), leaves, { leaving: 'drain' });
      const { identities } = await joinNow({}, spec);
      expect(Object.keys(identities)).toEqual(cluster.names.filter((name) => name !== lost && name !== leaves));
      expect(await cluster.roles()).toMatchObject({ [master]: 'master', [replica]: master });
    } finally {
      cluster.nodes.servers.get(lost)?.thaw();
      cluster.nodes.servers.get(leaves)?.thaw();
    }
    await until('all agree again', async () => (await cluster.viewOf(lost)).length === 8);
  });

  it('fails by name on a member that does not answer, and may be asked again', async () => {
    const [silent = ''] = Object.keys(cluster.replicaOf);
    cluster.nodes.servers.get(silent)?.freeze();
    try {
      const error = await failureOf(joinNow());
      expect(error.type).toBe('NodeUnreachable');
      expect(error.text.what).toContain(silent);
      expect(await cluster.viewOf(master)).toHaveLength(1);
    } finally {
      cluster.nodes.servers.get(silent)?.thaw();
    }
  });
});

describe('the guard of joinNodes', () => {
  /** The cluster and the node are as they were. */
  async function expectUntouched(...nodes: string[]): Promise<void> {
    for (const name of cluster.names.slice(0, 6)) expect(await cluster.viewOf(name)).toHaveLength(6);
    for (const name of nodes) {
      const users = (await send(name, 'ACL', 'USERS')) as string[];
      expect(users.filter((user) => user.startsWith('redisforge-fence-'))).toEqual([]);
    }
  }

  it('refuses a node with keys, with its identity', async () => {
    await send(master, 'CONFIG', 'SET', 'cluster-require-full-coverage', 'no');
    await send(master, 'CLUSTER', 'ADDSLOTS', 0);
    await until('a write', async () => (await send(master, 'SET', '{3560}', 'theirs')) === 'OK');
    await send(master, 'CLUSTER', 'DELSLOTS', 0);
    await send(master, 'CONFIG', 'SET', 'cluster-require-full-coverage', 'yes');
    const error = await failureOf(joinNow());
    expect(error).toMatchObject({ type: 'Refused' });
    expect(error.text.what).toContain(`${master} (ID ${await cluster.idOf(master)}) holds 1 keys`);
    await expectUntouched(master, replica);
  });

  it('refuses a node with slots of its own', async () => {
    await send(replica, 'CLUSTER', 'ADDSLOTS', 7, 8);
    const error = await failureOf(joinNow());
    expect(error).toMatchObject({ type: 'Refused' });
    expect(error.text.what).toContain('owns slots of its own (7-8)');
    await expectUntouched(master, replica);
  });

  it('refuses a node of another cluster, and says whose, also when those are dead by now', async () => {
    const stranger = await startRedis({ args: ['--cluster-enabled', 'yes'] });
    try {
      await send(master, 'CLUSTER', 'MEET', stranger.address, stranger.port);
      await until('the meeting', async () =>
        (await cluster.viewOf(master)).some(
          ({ port, flags }) => port === stranger.port && !flags.includes('handshake'),
        ),
      );
      const says = new RegExp(
        `${master} .* knows 127.0.0.1:${stranger.port} \\([0-9a-f]{40}\\), which this cluster does not`,
      );
      const error = await failureOf(joinNow());
      expect(error).toMatchObject({ type: 'Refused' });
      expect(error.text.what).toMatch(says);
      await stranger.kill();
      expect((await failureOf(joinNow())).text.what).toMatch(says);
      await expectUntouched(master, replica);
    } finally {
      await stranger.stop();
    }
  });

  it('refuses a node that has another operator secret', async () => {
    const hash = 'ab'.repeat(32);
    await send(master, 'ACL', 'SETUSER', 'redisforge-operator', 'resetpass', `#${hash}`);
    const error = await failureOf(joinNow());
    expect(error).toMatchObject({ type: 'NodeAuthFailed' });
    expect(error.text.what).toContain(master);
    await cluster.nodes.servers.get(master)?.restart();
    await expectUntouched(master, replica);
  });
});
