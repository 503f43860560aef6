import { once } from 'node:events';
import { Cluster, Redis } from 'ioredis';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { awaitForgotten } from '../../../../activities/redis/members/await-forgotten.js';
import { type ForgetDeps, forgetNodes } from '../../../../activities/redis/members/forget.js';
import { joinNodes } from '../../../../activities/redis/members/join.js';
import { ForgeError } from '../../../../domain/errors.js';
import { keySlot } from '../../../../domain/key-slot.js';
import { portOf } from '../../../../domain/nodes.js';
import { selfOf } from '../../../../domain/observation.js';
import type { NamedNode } from '../../../../domain/reshape-steps.js';
import type { ClusterSpec } from '../../../../domain/spec.js';
import { failureOf } from '../../../support/failure.js';
import { TOKEN } from '../../../support/fence.js';
import { type FormedCluster, resetSpares, startFormedCluster, withNodeSpec } from '../../../support/formed-cluster.js';
import { triedAgain } from '../../../support/tried-again.js';
import { until } from '../../../support/until.js';

let cluster: FormedCluster;
let staying: readonly string[];
let first: string;
let second: string;
/** Of the spare nodes, as members. */
let ids: Record<string, string>;

beforeAll(async () => {
  cluster = await startFormedCluster();
  [first = '', second = ''] = cluster.spares;
  staying = cluster.names.slice(0, 6);
});
afterAll(() => cluster.nodes.stop());

/** Both spare nodes are replicas of the first master. */
beforeEach(async () => {
  await resetSpares(cluster);
  const [of = ''] = cluster.masters;
  const replicas = [first, second].map((node) => ({ node, of }));
  ({ identities: ids } = await joinNodes({ spec: cluster.spec, token: TOKEN, masters: [], replicas }, cluster.deps));
});

const send = (node: string, ...command: [string, ...(string | number)[]]) => cluster.nodes.admin(node, ...command);
const named = (...names: string[]): NamedNode[] => names.map((name) => ({ name, nodeId: ids[name] ?? '' }));

function leaving(how: 'drain' | 'lost', ...names: string[]): ClusterSpec {
  const short = { ...cluster.spec, timings: { ...cluster.spec.timings, formMs: 6000 } };
  return names.reduce((spec, name) => withNodeSpec(spec, name, { leaving: how }), short);
}

function forgetNow(nodes = named(first), deps: Partial<ForgetDeps> = {}, spec = leaving('drain', ...cluster.spares)) {
  return forgetNodes({ spec, token: TOKEN, nodes }, { ...cluster.deps, ...deps });
}

/** Nobody knows the old ID, nobody is on its way to the address, and the node knows nobody. */
async function expectGone(name: string): Promise<void> {
  for (const { name: viewer, view } of await cluster.look()) {
    if (viewer === name) expect(view).toHaveLength(1);
    else
      expect([viewer, view.filter(({ id, port }) => id === ids[name] || port === portOf(name))]).toEqual([viewer, []]);
  }
  expect(await cluster.idOf(name)).not.toBe(ids[name]);
}

async function expectMember(name: string): Promise<void> {
  for (const viewer of staying) expect((await cluster.viewOf(viewer)).map(({ id }) => id)).toContain(ids[name]);
}

/** A hand that went wrong. */
const forgetByHand = async (node: string, viewers: readonly string[]) => {
  for (const viewer of viewers) await send(viewer, 'CLUSTER', 'FORGET', ids[node] ?? '');
};

describe('forgetNodes', () => {
  it('takes a replica out everywhere and resets it, and a second run changes nothing', async () => {
    const { effects } = await forgetNow();
    expect(effects).toEqual([`${first} was reset`, `${first} (ID ${ids[first]}) was forgotten by 7 nodes`]);
    await expectGone(first);
    await expectMember(second);
    expect(await forgetNow()).toEqual({ effects: [] });
  });

  it('has the hosts note it before it is reset, and where they refuse nothing is done', async () => {
    const letGo = async ({ nodes }: { nodes: readonly NamedNode[] }) => {
      expect(nodes).toEqual(named(first));
      await expectMember(first);
      throw new ForgeError('Fenced', { what: 'h1 says no.', left: '', next: '' });
    };
    expect(await failureOf(forgetNow(named(first), { letGo }))).toMatchObject({ type: 'Fenced' });
    await expectMember(first);
    const noted = () => Promise.resolve({ effects: ['noted'] });
    expect((await forgetNow(named(first), { letGo: noted })).effects[0]).toBe('noted');
    expect(await forgetNow(named(first), { letGo: () => expect.unreachable() })).toEqual({ effects: [] });
  });

  it('sends clients that have not heard of it elsewhere: one that slept meanwhile meets no error', async () => {
    await resetSpares(cluster);
    const { nodes, masters, spec } = cluster;
    const step = { spec, token: TOKEN, masters: [first], replicas: [] };
    ({ identities: ids } = await joinNodes(step, cluster.deps));
    const [key, slot] = ['slept', keySlot('slept')];
    const owner = (await cluster.look()).find((node) =>
      selfOf(node)?.slots.some(([from, to]) => from <= slot && slot <= to),
    );
    const give = async (to: string) => {
      const id = await cluster.idOf(to);
      for (const name of [to, ...masters, first]) await send(name, 'CLUSTER', 'SETSLOT', slot, 'NODE', id);
    };
    await give(first);
    const [sleeper, subscriber] = [sleepingClient(), new Redis({ ...appAt(first), retryStrategy: () => null })];
    try {
      await until('it has written to the node', async () => {
        await sleeper.set(key, 'before');
        return Number(await send(first, 'DBSIZE')) === 1;
      });
      const ended = once(subscriber, 'end');
      await subscriber.subscribe('news');
      await sleeper.del(key);
      await give(owner?.name ?? '');
      await forgetNow();
      expect(await sleeper.set(key, 'after')).toBe('OK');
      await ended;
      await sleeper.del(key);
    } finally {
      sleeper.disconnect();
      subscriber.disconnect();
    }

    function appAt(name: string) {
      const auth = { username: 'app', password: nodes.password.app, protocol: 2 as const };
      return { host: '127.0.0.1', port: portOf(name), ...auth };
    }

    /** Follows redirects, and tries nothing again by itself. */
    function sleepingClient(): Cluster {
      const client = new Cluster(
        staying.map((name) => ({ host: '127.0.0.1', port: portOf(name) })),
        {
          retryDelayOnFailover: 0,
          retryDelayOnClusterDown: 0,
          enableReadyCheck: false,
          redisOptions: { username: 'app', password: nodes.password.app, protocol: 2, enableReadyCheck: false },
        },
      );
      client.on('error', () => undefined);
      return client;
    }
  });

  it('takes a master without slots and its replica out together', async () => {
    await resetSpares(cluster);
    const step = { spec: cluster.spec, token: TOKEN, masters: [first], replicas: [{ node: second, of: first }] };
    ({ identities: ids } = await joinNodes(step, cluster.deps));
    const error = await failureOf(forgetNow(named(first)));
    expect(error).toMatchObject({ type: 'Refused' });
    expect(error.text.what).toBe(`${first} (ID ${ids[first]}) is replicated by ${second}.`);
    await expectMember(first);
    await forgetNow(named(first, second));
    await expectGone(first);
    await expectGone(second);
  });

  it.each<[string, () => Promise<unknown>]>([
    ['it was reset, and nobody forgot it', () => send(first, 'CLUSTER', 'RESET', 'HARD')],
    ['it was reset without losing its ID', () => send(first, 'CLUSTER', 'RESET', 'SOFT')],
    ['some have forgotten it, and it lives', () => forgetByHand(first, staying.slice(0, 3))],
    ['all have forgotten it, and it lives', () => forgetByHand(first, [...staying, second])],
    [
      'it was reset, forgotten, and has met somebody again',
      async () => {
        await send(first, 'CLUSTER', 'RESET', 'HARD');
        await forgetByHand(first, [...staying, second]);
        await send(staying[2] ?? '', 'CLUSTER', 'MEET', '127.0.0.1', portOf(first));
        const id = await cluster.idOf(first);
        await until('it is back', async () =>
          (await cluster.viewOf(staying[4] ?? '')).some((entry) => entry.id === id),
        );
      },
    ],
    [
      'it was reset and somebody is about to meet it',
      async () => {
        await send(first, 'CLUSTER', 'RESET', 'HARD');
        await send(staying[2] ?? '', 'CLUSTER', 'MEET', '127.0.0.1', portOf(first));
      },
    ],
  ])('goes on where a killed attempt stopped: %s', async (_, leave) => {
    await leave();
    await forgetNow();
    await expectGone(first);
    await expectMember(second);
  });

  it.each([1, 2, 3, 4])('ends the same when it was cut off after %i looks', async (looks) => {
    const cut = new AbortController();
    let left = looks;
    const progress = () => {
      left -= 1;
      if (left === 0) cut.abort();
    };
    await forgetNow(named(first, second), { progress, signal: cut.signal }).catch(() => undefined);
    await forgetNow(named(first, second));
    await expectGone(first);
    await expectGone(second);
  });

  it('ends the same when two forget at once', async () => {
    await Promise.all([triedAgain(() => forgetNow()), triedAgain(() => forgetNow())]);
    await expectGone(first);
  });

  it('forgets a lost node that does not answer, as soon as no member has it alive', async () => {
    const server = cluster.nodes.servers.get(first);
    const spec = leaving('lost', first);
    const alive = await failureOf(forgetNow(named(first), {}, { ...spec, timings: { ...spec.timings, formMs: 500 } }));
    expect(alive).toMatchObject({ type: 'Refused' });
    expect(alive.text.what).toMatch(new RegExp(`${first} does not answer us, and h\\d:\\d+ has it alive`));
    server?.freeze();
    try {
      expect((await forgetNow(named(first), {}, spec)).effects).toEqual([
        `${first} (ID ${ids[first]}) was forgotten by 7 nodes`,
      ]);
    } finally {
      server?.thaw();
    }
    // What becomes of it when it wakes is nobody's affair: it is to be lost.
  });

  it('forgets a ghost by its ID, and leaves the node alone that lives at its address', async () => {
    await send(first, 'CLUSTER', 'RESET', 'HARD');
    const [of = ''] = cluster.masters;
    const step = { spec: cluster.spec, token: TOKEN, masters: [], replicas: [{ node: first, of }] };
    const { identities } = await joinNodes(step, cluster.deps);
    await forgetNow(named(first), {}, cluster.spec);
    expect((await cluster.look()).flatMap(({ view }) => view.filter(({ id }) => id === ids[first]))).toEqual([]);
    ids = identities;
    await expectMember(first);
  });

  it('takes a member out that is to join anew, and does not look at what it is afterwards', async () => {
    await forgetNow(named(first), {}, cluster.spec);
    await expectGone(first);
    const step = { spec: cluster.spec, token: TOKEN, masters: [first], replicas: [] };
    const { identities } = await joinNodes(step, cluster.deps);
    expect(await forgetNow(named(first), {}, cluster.spec)).toEqual({ effects: [] });
    ids = identities;
    await expectMember(first);
  });

  it('touches nothing where one of the nodes owns slots', async () => {
    const [owner = ''] = cluster.masters;
    const nodes = [...named(first), { name: owner, nodeId: await cluster.idOf(owner) }];
    const error = await failureOf(forgetNow(nodes, {}, leaving('drain', first, owner)));
    expect(error).toMatchObject({ type: 'Refused' });
    expect(error.text.what).toContain(`${owner} (ID ${await cluster.idOf(owner)}) owns 5461 slots`);
    await expectMember(first);
  });

  it('touches nothing where a member does not answer, and says who', async () => {
    const [, silent = ''] = Object.keys(cluster.replicaOf);
    cluster.nodes.servers.get(silent)?.freeze();
    try {
      const error = await failureOf(forgetNow());
      expect(error).toMatchObject({ type: 'NodeUnreachable' });
      expect(error.text.what).toContain(silent);
    } finally {
      cluster.nodes.servers.get(silent)?.thaw();
    }
    await expectMember(first);
  });

  it('touches nothing where a living member is not declared, and could not be told', async () => {
    const spec = leaving('drain', first);
    const hosts = spec.hosts.filter(({ name }) => !second.startsWith(`${name}:`));
    const error = await failureOf(
      forgetNow(named(first), {}, { ...spec, hosts, timings: { ...spec.timings, formMs: 300 } }),
    );
    expect(error).toMatchObject({ type: 'Refused' });
    expect(error.text.what).toContain(`127.0.0.1:${portOf(second)} (${ids[second]}) is a member in the view of`);
    await expectMember(first);
  });
});

describe('awaitForgotten', () => {
  function awaitNow(deps: Partial<ForgetDeps> = {}, { banWindowMs = 100, attempt = 1 } = {}) {
    const spec = leaving('drain', first);
    const timings = { ...spec.timings, banWindowMs };
    const step = { spec: { ...spec, timings }, token: { ...TOKEN, attempt }, nodes: named(first) };
    return awaitForgotten(step, { ...cluster.deps, ...deps });
  }

  it('is content where nobody knows it', async () => {
    await forgetNow();
    const progress = () => expect.unreachable();
    expect(await awaitNow({ progress }, { banWindowMs: 600_000 })).toEqual({ effects: [] });
  });

  it('forgets again who came back, and looks again a window later', async () => {
    await forgetNow();
    const id = await cluster.idOf(first);
    await send(staying[2] ?? '', 'CLUSTER', 'MEET', '127.0.0.1', portOf(first));
    await until('it is back', async () => (await cluster.viewOf(staying[4] ?? '')).some((entry) => entry.id === id));
    const said: string[] = [];
    const { effects } = await awaitNow({ progress: (what) => said.push(what) });
    expect(effects[0]).toBe(`came back: ${first} was reset`);
    expect(said).toContain(`waiting 100 ms before ${first} could be learned of again`);
    await expectGone(first);
  });

  it('waits in an attempt that may follow one that forgot it, and is ended by its signal', async () => {
    await forgetNow();
    const cancel = new AbortController();
    const again = { banWindowMs: 600_000, attempt: 2 };
    await expect(awaitNow({ progress: () => cancel.abort(), signal: cancel.signal }, again)).rejects.toThrow(/abort/i);
  });

  // The ban is written into Redis: nothing shorter shows what comes back after it.
  it('finds nobody after the ban of 60 seconds, when a node that one member remembers is back', {
    timeout: 120_000,
  }, async () => {
    await forgetNow();
    await forgetByHand(second, staying.slice(1));
    await awaitNow({}, { banWindowMs: 65_000, attempt: 2 });
    await expectGone(first);
    await until('the other one is back everywhere', async () => {
      await expectMember(second);
      return true;
    });
    await forgetNow(named(second));
    await expectGone(second);
  });
});
