import { Redis } from 'ioredis';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Plan } from '../../domain/plan.js';
import type { NodeStatus } from '../../domain/verdict.js';
import { followSudoers, openSystemdLab, type SystemdLab } from '../support/systemd-lab.js';
import { until } from '../support/until.js';

/** Long enough for a machine that is busy with something else. */
const LONG_MS = 60_000;

let hosts: SystemdLab;
beforeAll(async () => {
  hosts = await openSystemdLab({ hosts: 3, nodesPerHost: 2 });
  await followSudoers(hosts);
  await hosts.apply();
  await green();
});
afterAll(() => hosts.close());

const green = () => until('status is green', async () => (await hosts.status()).healthy, LONG_MS);

async function nodes(): Promise<readonly NodeStatus[]> {
  return (await hosts.status()).nodes;
}

/** A master, one of whose replicas is on another host. */
async function someMaster(): Promise<NodeStatus & { replica: NodeStatus }> {
  const all = await nodes();
  for (const master of all.filter(({ role }) => role === 'master')) {
    const replica = all.find(({ masterId }) => masterId === master.id);
    if (replica !== undefined) return { ...master, replica };
  }
  throw new Error('no master has a replica');
}

const roleOf = async (name: string) => (await nodes()).find((node) => node.name === name)?.role;

/** Steps that concern nodes: the image forgets settings of the system at each boot. */
const ofNodes = ({ steps }: Plan) => steps.filter((step) => 'node' in step).map(({ id }) => id);

const unitOf = ({ port }: { port: number }) => `redisforge-orders@${port}.service`;
const homeOf = ({ port }: { port: number }) => `/var/lib/redisforge/nodes/${port}`;
const restarts = (node: NodeStatus) => hosts.sh(node.host, `systemctl show --value -p NRestarts ${unitOf(node)}`);
const stateOf = (node: NodeStatus) =>
  hosts.sh(node.host, `systemctl show -p ActiveState,Result ${unitOf(node)} | sort`);
const GUARDED = 'ActiveState=inactive\nResult=exec-condition';

async function serviceOf(node: NodeStatus) {
  return (await hosts.survey(node.host)).nodes.find(({ port }) => port === node.port)?.service;
}

/** Waits until the replica of a lost master has taken over. */
async function takenOver({ replica }: { replica: NodeStatus }): Promise<void> {
  await until(`${replica.name} takes over`, async () => (await roleOf(replica.name)) === 'master', LONG_MS);
}

async function asAdmin<T>(node: NodeStatus, work: (client: Redis) => Promise<T>): Promise<T> {
  const password = (await readFile(join(hosts.lab.dir, 'secrets/admin'), 'utf8')).trim();
  const client = new Redis({ host: node.address, port: node.port, username: 'admin', password, lazyConnect: true });
  client.on('error', () => undefined);
  try {
    await client.connect();
    return await work(client);
  } finally {
    client.disconnect();
  }
}

/** Keys of the slots of this master, written to it until it has some. */
async function fill(master: NodeStatus): Promise<void> {
  await asAdmin(master, async (client) => {
    for (let key = 0; key < 60; key++) await client.set(`key:${key}`, 'value').catch(() => undefined);
    await client.wait(1, 5_000);
    if ((await client.dbsize()) === 0) throw new Error('no key fell to this master');
  });
}

const keysOf = async (name: string) => (await nodes()).find((node) => node.name === name)?.keys ?? 0;

describe('at three in the morning', () => {
  it('a host that lost its power comes back by itself, as a replica, and status is green', async () => {
    const master = await someMaster();
    await fill(master);
    await hosts.lab.driver.kill(hosts.hostOf(master.host));
    await takenOver(master);
    await hosts.lab.driver.start(hosts.hostOf(master.host));
    await green();
    expect(await roleOf(master.name)).toBe('replica');
    expect(await restarts(master)).toBe('0');
    expect(await keysOf(master.name)).toBeGreaterThan(0);
    expect(await hosts.plan()).toMatchObject({ refusals: [] });
    expect(ofNodes(await hosts.plan())).toEqual([]);
  });

  it('a process that was killed is started again with its data', async () => {
    const master = await someMaster();
    await fill(master);
    const before = await keysOf(master.name);
    const service = await serviceOf(master);
    if (service?.state !== 'running') throw new Error('the master does not run');
    await hosts.sh(master.host, `kill -9 ${service.pid}`);
    await until('it runs again', async () => (await serviceOf(master))?.state === 'running', LONG_MS);
    await green();
    expect(await keysOf(master.name)).toBe(before);
    expect(await restarts(master)).toBe('1');
  });
});

describe('a master whose data is gone', () => {
  it('does not start with an emptied folder, says why, does not loop, and is not made a new node', async () => {
    const master = await someMaster();
    await fill(master);
    const copies = await keysOf(master.replica.name);
    const data = `${homeOf(master)}/data`;
    await hosts.lab.driver.kill(hosts.hostOf(master.host));
    await takenOver(master);
    // The folder is emptied while the host is down: before anything is started at its next boot.
    await hosts.lab.driver.start(hosts.hostOf(master.host));
    await green();
    await hosts.sh(
      master.host,
      `systemctl stop ${unitOf(master)}; mv ${data} ${data}.kept; mkdir -m 700 ${data}; chown redis: ${data}`,
    );
    await hosts.lab.faults.reboot(hosts.hostOf(master.host), 10_000);
    expect(await serviceOf(master)).toMatchObject({ state: 'guarded', reason: 'no-data' });
    expect([await stateOf(master), await restarts(master)]).toEqual([GUARDED, '0']);
    const { findings, healthy } = await hosts.status();
    expect(healthy).toBe(false);
    expect(findings.find(({ code }) => code === 'NodeGuarded')).toMatchObject({
      node: master.name,
      evidence: expect.stringContaining('its data folder is missing, empty or cannot be read') as string,
    });
    expect(await keysOf(master.replica.name)).toBe(copies);
    const { refusals } = await hosts.plan();
    expect(refusals.map(({ next }) => next).join()).toContain('it has to be replaced');
    await hosts.sh(master.host, `rmdir ${data}; mv ${data}.kept ${data}`);
    const { plan } = await hosts.apply();
    expect(ofNodes(plan)).toEqual([`startNode/${master.name}`]);
    await green();
  });

  it('does not start from the volume of another node', async () => {
    const master = await someMaster();
    const other = (await nodes()).find(({ host, port }) => host === master.host && port !== master.port);
    if (other === undefined) throw new Error('the host has one node');
    const [a, b] = [`${homeOf(master)}/data`, `${homeOf(other)}/data`];
    const swap = `mv ${a} ${a}.x; mv ${b} ${a}; mv ${a}.x ${b}`;
    const both = [unitOf(master), unitOf(other)].join(' ');
    await hosts.sh(master.host, `systemctl stop ${both}; ${swap}`);
    await hosts.lab.faults.reboot(hosts.hostOf(master.host), 10_000);
    for (const node of [master, other]) {
      expect(await serviceOf(node)).toMatchObject({ state: 'guarded', reason: 'other-identity' });
      expect([await stateOf(node), await restarts(node)]).toEqual([GUARDED, '0']);
    }
    await hosts.sh(master.host, swap);
    await hosts.apply();
    await green();
  });

  it('starts empty by an apply where another node has its slots, and becomes its replica', async () => {
    const master = await someMaster();
    await fill(master);
    const { host } = master;
    // As after a disk that lost its log: Redis is told to load one, and there is only a dump.
    await asAdmin(master, async (client) => client.save());
    const before = (await serviceOf(master)) ?? { state: 'absent' };
    if (before.state !== 'running') throw new Error('the master does not run');
    await hosts.sh(host, `systemctl kill -s KILL ${unitOf(master)}; rm -r ${homeOf(master)}/data/appendonlydir`);
    await until(
      'the guard holds it',
      async () => (await serviceOf(master))?.state === 'guarded' && (await stateOf(master)) === GUARDED,
      LONG_MS,
    );
    expect(await serviceOf(master)).toMatchObject({ state: 'guarded', reason: 'aof-beside-rdb' });
    await takenOver(master);
    const held = await hosts.status();
    expect(held.findings.map(({ code }) => code)).toContain('NodeGuarded');
    const { plan, effects } = await hosts.apply();
    expect(plan.steps.find(({ kind }) => kind === 'startNode')).toMatchObject({
      kind: 'startNode',
      node: master.name,
      why: `starts empty: ${master.replica.name} has its slots`,
      empty: 'accepted',
    });
    expect(effects).toContain(`${host}: accepted that node ${master.port} starts without its data (aof-beside-rdb)`);
    await green();
    expect(await roleOf(master.name)).toBe('replica');
    expect(await keysOf(master.name)).toBe(await keysOf(master.replica.name));
    expect(await hosts.sh(host, `ls /var/lib/redisforge/record | grep accepting || :`)).toBe('');
  });

  it('without persistence is not started again by itself', async () => {
    const master = await someMaster();
    const config = `${homeOf(master)}/redis.conf`;
    await hosts.sh(master.host, `cp ${config} ${config}.kept; printf 'appendonly no\\nsave ""\\n' >>${config}`);
    await hosts.sh(master.host, `systemctl kill -s KILL ${unitOf(master)}`);
    await until('the guard holds it', async () => (await stateOf(master)) === GUARDED, LONG_MS);
    expect(await serviceOf(master)).toMatchObject({ state: 'guarded', reason: 'no-persistence' });
    expect(
      await hosts.sh(
        master.host,
        `redisforge=/var/lib/redisforge; $redisforge/bin/redisforge-host node guard ${master.port}; echo $?`,
      ),
    ).toMatch(/^refused\tno-persistence\t.*\n19$/);
    await takenOver(master);
    await hosts.sh(master.host, `mv ${config}.kept ${config}; chown root:redis ${config}`);
    await hosts.apply();
    await green();
  });
});
