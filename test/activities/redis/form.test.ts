import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { form, type Formed } from '../../../activities/redis/form.js';
import { observe } from '../../../activities/redis/observe.js';
import { wantedSettings } from '../../../config/settings.js';
import { keySlot } from '../../../domain/key-slot.js';
import { STAND_IN_HOLD } from '../../../domain/formation-tuning.js';
import { expectationOf } from '../../../domain/expectation.js';
import { judge } from '../../../domain/judge.js';
import { place, type Placement } from '../../../domain/placement.js';
import { failureOf } from '../../support/failure.js';
import { CONFIRMED, TOKEN } from '../../support/fence.js';
import { type RedisNodes, startRedisNodes } from '../../support/redis-nodes.js';
import { startRedis } from '../../support/redis-server.js';
import { triedAgain } from '../../support/tried-again.js';
import { until } from '../../support/until.js';

let nodes: RedisNodes;
let plan: Placement;
let names: string[];
let masters: string[];

beforeAll(async () => {
  nodes = await startRedisNodes();
  plan = place(nodes.spec);
  names = [...nodes.servers.keys()];
  masters = plan.masters.map(({ node }) => node);
});
afterAll(() => nodes.stop());

/** Back to six nodes that know nobody. */
beforeEach(async () => {
  for (const name of names) {
    await nodes.admin(name, 'CONFIG', 'SET', 'min-replicas-to-write', minReplicas());
    const isMaster = ((await nodes.admin(name, 'ROLE')) as unknown[])[0] === 'master';
    if (isMaster) await nodes.admin(name, 'FLUSHALL');
    await nodes.admin(name, 'CLUSTER', 'RESET', 'HARD');
    await tune(name, { timeout: '5000', delay: '5' });
  }
});

function formNow(deps: { progress?: (what: string) => void; signal?: AbortSignal } = {}): Promise<Formed> {
  return form(
    { spec: nodes.spec, token: TOKEN, masters: plan.masters, replicas: plan.replicas },
    { secrets: nodes.secrets, ...CONFIRMED, ...deps },
  );
}

async function verdict() {
  const observation = await observe(nodes);
  const expectation = expectationOf(nodes.spec, wantedSettings(nodes.spec));
  return judge({ observation, expectation, cluster: nodes.spec.name });
}

/** Who is what, by name: the same for every run that ends as it should. */
async function topology() {
  const { nodes: rows, healthy, findings } = await verdict();
  expect(findings.filter(({ severity }) => severity === 'error')).toEqual([]);
  expect(healthy).toBe(true);
  const nameOf = (id: string | null) => rows.find((row) => row.id === id)?.name;
  return rows.map(({ name, slots, masterId }) => ({ name, slots, of: nameOf(masterId) }));
}

function planned() {
  return names.map((name) => ({
    name,
    slots: plan.masters.find(({ node }) => node === name)?.slots ?? [],
    of: plan.replicas.find(({ node }) => node === name)?.of,
  }));
}

async function tune(name: string, { timeout, delay }: { timeout: string; delay: string }) {
  await nodes.admin(name, 'CONFIG', 'SET', 'cluster-node-timeout', timeout);
  await nodes.admin(name, 'CONFIG', 'SET', 'repl-diskless-sync-delay', delay);
}

/** A killed attempt never takes its settings back. */
async function leaveTuned() {
  for (const name of names) await tune(name, { timeout: '500', delay: '0' });
}

function minReplicas(): string {
  return wantedSettings(nodes.spec)['min-replicas-to-write'] ?? '';
}

/** The replica that has a master's slots until that one takes over. */
function standInOf(master: string): string {
  return plan.replicas.find(({ of }) => of === master)?.node ?? '';
}

/** As far as a killed attempt came: stand-ins with the slots, and the planned masters their replicas. */
async function leaveStandIns() {
  for (const master of masters) {
    await nodes.admin(standInOf(master), 'CONFIG', 'SET', 'min-replicas-to-write', STAND_IN_HOLD.value);
    await addSlots(master, standInOf(master));
  }
  await meetAll();
  for (const master of masters) {
    await until(`${master} knows all`, async () => (await knownBy(master)) === names.length);
    await nodes.admin(master, 'CLUSTER', 'REPLICATE', await idOf(standInOf(master)));
  }
}

async function stateOf(name: string): Promise<string> {
  return /cluster_state:(\w+)/.exec(String(await nodes.admin(name, 'CLUSTER', 'INFO')))?.[1] ?? '';
}

async function meetAll() {
  const [hub = '', ...others] = names;
  for (const name of others) await nodes.admin(hub, 'CLUSTER', 'MEET', '127.0.0.1', portOf(name));
}

async function addSlots(master: string, to = master) {
  const slots = plan.masters.find(({ node }) => node === master)?.slots ?? [];
  await nodes.admin(to, 'CLUSTER', 'ADDSLOTSRANGE', ...slots.flat());
}

function portOf(name: string): number {
  return Number(name.split(':')[1]);
}

async function idOf(name: string): Promise<string> {
  return String(await nodes.admin(name, 'CLUSTER', 'MYID'));
}

async function knownBy(name: string): Promise<number> {
  return String(await nodes.admin(name, 'CLUSTER', 'NODES'))
    .split('\n')
    .filter((line) => line !== '' && !line.includes('handshake')).length;
}

async function failureText(work: Promise<unknown>): Promise<string> {
  return work.then(
    () => 'it did not fail',
    (error: unknown) => String(error),
  );
}

function keyBetween(from: number, to: number): string {
  for (let i = 0; ; i += 1) {
    const slot = keySlot(`key:${i}`);
    if (slot >= from && slot <= to) return `key:${i}`;
  }
}

describe('form', () => {
  it('makes the planned cluster of fresh nodes, and a second run changes nothing', async () => {
    const first = await formNow();
    expect(await topology()).toEqual(planned());
    for (const what of ['config epoch', 'takes no writes', 'slots', 'replicates', 'took over']) {
      expect(first.effects.filter((effect) => effect.includes(what))).toHaveLength(masters.length);
    }
    expect(Object.keys(first.identities)).toEqual(names);
    expect(first.identities[names[0] ?? '']).toBe(await idOf(names[0] ?? ''));
    expect(first.writableAfterMs).toBeGreaterThan(0);
    expect(first.formedAfterMs).toBeGreaterThanOrEqual(first.writableAfterMs);

    expect(await formNow()).toEqual({
      effects: [],
      identities: first.identities,
      writableAfterMs: 0,
      formedAfterMs: 0,
    });
  });

  it.each<[string, () => Promise<void>]>([
    ['all have met and nothing else was done', meetAll],
    [
      'some have met',
      async () => void (await nodes.admin(names[1] ?? '', 'CLUSTER', 'MEET', '127.0.0.1', portOf(names[4] ?? ''))),
    ],
    ['one master has its slots', () => addSlots(masters[0] ?? '')],
    [
      'two masters have their slots, one its epoch, and some have met',
      async () => {
        await nodes.admin(masters[0] ?? '', 'CLUSTER', 'SET-CONFIG-EPOCH', 1);
        await addSlots(masters[0] ?? '');
        await addSlots(masters[1] ?? '');
        await nodes.admin(masters[0] ?? '', 'CLUSTER', 'MEET', '127.0.0.1', portOf(names[5] ?? ''));
      },
    ],
    [
      'all slots are given and nobody replicates',
      async () => {
        for (const master of masters) await addSlots(master);
        await meetAll();
      },
    ],
    [
      'one replica is attached',
      async () => {
        for (const master of masters) await addSlots(master);
        await meetAll();
        const [{ node, of } = { node: '', of: '' }] = plan.replicas;
        await until(`${node} knows ${of}`, async () => (await knownBy(node)) === names.length);
        await nodes.admin(node, 'CLUSTER', 'REPLICATE', await idOf(of));
      },
    ],
    [
      'one stand-in has its slots',
      async () => {
        const standIn = standInOf(masters[0] ?? '');
        await nodes.admin(standIn, 'CONFIG', 'SET', 'min-replicas-to-write', STAND_IN_HOLD.value);
        await addSlots(masters[0] ?? '', standIn);
      },
    ],
    ['the planned masters replicate their stand-ins', leaveStandIns],
    [
      'one has taken over from its stand-in',
      async () => {
        await leaveStandIns();
        const [first = ''] = masters;
        await until('the slots are known', async () =>
          String(await nodes.admin(first, 'CLUSTER', 'NODES')).includes(`${await idOf(standInOf(first))} `),
        );
        await nodes.admin(first, 'CLUSTER', 'FAILOVER', 'TAKEOVER');
      },
    ],
    [
      'all masters have the same config epoch',
      async () => {
        for (const master of masters) {
          await nodes.admin(master, 'CLUSTER', 'SET-CONFIG-EPOCH', 7);
          await addSlots(master);
        }
      },
    ],
  ])('goes on where a killed attempt stopped: %s', async (_, leave) => {
    await leave();
    await leaveTuned();
    await formNow();
    expect(await topology()).toEqual(planned());
  });

  it.each([1, 2, 4, 8, 16, 24])('ends the same when it was cut off after %i looks', async (looks) => {
    const cut = new AbortController();
    let left = looks;
    const progress = () => {
      left -= 1;
      if (left === 0) cut.abort();
    };
    await formNow({ progress, signal: cut.signal }).catch(() => undefined);
    await leaveTuned();
    await formNow();
    expect(await topology()).toEqual(planned());
  });

  it('ends the same when two form at once', async () => {
    // With one and the same token: who ends first takes the user away from the other, which is tried again.
    await Promise.all([triedAgain(formNow), triedAgain(formNow)]);
    expect(await topology()).toEqual(planned());
  });

  it('lets no stand-in take a write, however long a killed attempt leaves it, and takes that back when its master has taken over', async () => {
    await leaveStandIns();
    await leaveTuned();
    const [master = ''] = masters;
    const standIn = standInOf(master);
    const [from = 0, to = 0] = plan.masters.find(({ node }) => node === master)?.slots[0] ?? [];
    const key = keyBetween(from, to);
    await until(`${standIn} serves`, async () => (await stateOf(standIn)) === 'ok');
    await expect(nodes.admin(standIn, 'SET', key, 'x')).rejects.toThrow(/NOREPLICAS/);

    const { effects } = await formNow();
    expect(effects).toContain(`${master} took over from ${standIn}`);
    expect(await topology()).toEqual(planned());
    await expect(nodes.admin(master, 'SET', key, 'x')).resolves.toBe('OK');
    for (const name of names) {
      expect(await nodes.admin(name, 'CONFIG', 'GET', 'min-replicas-to-write')).toContain(minReplicas());
    }
  });

  it('serves from masters that have just started, which alone would have to wait', async () => {
    const started = await startRedisNodes();
    try {
      const request = { spec: started.spec, token: TOKEN, ...place(started.spec) };
      const { writableAfterMs } = await form(request, { secrets: started.secrets, ...CONFIRMED });
      const [name = ''] = started.servers.keys();
      const uptime = /uptime_in_seconds:(\d+)/.exec(String(await started.admin(name, 'INFO', 'server')))?.[1];
      // On a machine that is too busy for that it says nothing; it must not fail then.
      if (Number(uptime) < 2) expect(writableAfterMs).toBeLessThan(2_000);
    } finally {
      await started.stop();
    }
  });

  it('leaves a stand-in held where it fails before its master has taken over', async () => {
    await leaveStandIns();
    // The others' turn comes first.
    const standIn = standInOf(masters.at(-1) ?? '');
    const cut = new AbortController();
    const error = await failureText(formNow({ progress: () => cut.abort(), signal: cut.signal }));
    expect(error).toMatch(/abort/i);
    expect(await nodes.admin(standIn, 'CONFIG', 'GET', 'min-replicas-to-write')).toContain(STAND_IN_HOLD.value);
    expect(String(await nodes.admin(standIn, 'CONFIG', 'GET', 'cluster-node-timeout'))).toContain('5000');
  });

  it('takes back what a formation killed at its very end left, and says so', async () => {
    await formNow();
    await leaveTuned();
    expect((await verdict()).findings.map(({ code }) => code)).toEqual(names.map(() => 'FormationTuningLeft'));
    const { effects } = await formNow();
    expect(effects).toHaveLength(2 * names.length);
    expect(await topology()).toEqual(planned());
  });

  it('lets a failover stand that happened in between', async () => {
    await formNow();
    const [{ node: replica, of: master } = { node: '', of: '' }] = plan.replicas;
    await until('the failover', async () => {
      await nodes.admin(replica, 'CLUSTER', 'FAILOVER');
      return until('its end', async () => ((await nodes.admin(replica, 'ROLE')) as unknown[])[0] === 'master', 1000);
    });
    // And one node lost everything, so that there is something left to do.
    const [, other] = plan.replicas;
    const lost = await idOf(other?.node ?? '');
    await nodes.admin(other?.node ?? '', 'CLUSTER', 'RESET', 'HARD');
    for (const name of names) await nodes.admin(name, 'CLUSTER', 'FORGET', lost).catch(() => undefined);
    await formNow();
    const swapped = planned().map((row) => {
      if (row.name === replica)
        return { ...row, slots: plan.masters.find(({ node }) => node === master)?.slots, of: undefined };
      return row.name === master ? { ...row, slots: [], of: replica } : row;
    });
    expect(await topology()).toEqual(swapped);
  });

  it('refuses a node that holds keys of its own, with its identity, and changes nothing', async () => {
    const [name = ''] = masters;
    await addSlots(name);
    await nodes.admin(name, 'CONFIG', 'SET', 'cluster-require-full-coverage', 'no');
    await until('a write', async () => (await nodes.admin(name, 'SET', '{slot}1', 'theirs')) === 'OK');
    await nodes.admin(name, 'CONFIG', 'SET', 'cluster-require-full-coverage', 'yes');

    const error = await failureOf(formNow());
    expect(error.type).toBe('Refused');
    expect(error.text.what).toContain(`${name} (ID ${await idOf(name)}) holds 1 keys`);
    for (const other of names) expect(await knownBy(other)).toBe(1);
    expect(String(await nodes.admin(name, 'CONFIG', 'GET', 'cluster-node-timeout'))).toContain('5000');
  });

  it('refuses a node that belongs to another cluster, and says to whom', async () => {
    const stranger = await startRedis({ args: ['--cluster-enabled', 'yes'] });
    try {
      const [name = ''] = names;
      await nodes.admin(name, 'CLUSTER', 'MEET', stranger.address, stranger.port);
      await until('the meeting', async () => (await knownBy(name)) === 2);
      const error = await failureOf(formNow());
      expect(error.type).toBe('Refused');
      expect(error.text.what).toMatch(
        new RegExp(`${name} .* belongs to a cluster with 127.0.0.1:${stranger.port} \\([0-9a-f]{40}\\)`),
      );
      expect(await knownBy(name)).toBe(2);
    } finally {
      await stranger.stop();
    }
  });

  it('fails on a silent node by name, and takes its settings back on the others', async () => {
    const [first = '', last = ''] = [names[0], names.at(-1)];
    nodes.servers.get(last)?.freeze();
    try {
      const spec = { ...nodes.spec, timings: { ...nodes.spec.timings, redisCommandMs: 200 } };
      const error = await failureOf(form({ spec, token: TOKEN, ...plan }, { secrets: nodes.secrets, ...CONFIRMED }));
      expect(error.type).toBe('NodeUnreachable');
      expect(error.text.what).toContain(`${last} does not do what it is asked (timeout`);
      expect(String(await nodes.admin(first, 'CONFIG', 'GET', 'cluster-node-timeout'))).toContain('5000');
    } finally {
      nodes.servers.get(last)?.thaw();
    }
  });

  it('says what is missing when the deadline is over', async () => {
    // A replica that may not speak to its master never gets in sync.
    const [{ node: replica } = { node: '' }] = plan.replicas;
    await nodes.admin(replica, 'CONFIG', 'SET', 'masterauth', 'not-the-secret');
    try {
      const spec = { ...nodes.spec, timings: { ...nodes.spec.timings, formMs: 1500 } };
      const error = await failureOf(form({ spec, token: TOKEN, ...plan }, { secrets: nodes.secrets, ...CONFIRMED }));
      expect(error.type).toBe('NotReached');
      expect(error.text.what).toContain(`${replica} has no replication link`);
      expect(error.text.left).toContain(`took over from ${replica}`);
      expect((await verdict()).findings.map(({ code }) => code)).toEqual(['ReplicationDown', 'NoReplica']);
    } finally {
      await nodes.admin(replica, 'CONFIG', 'SET', 'masterauth', nodes.password.replication);
    }
  });
});
