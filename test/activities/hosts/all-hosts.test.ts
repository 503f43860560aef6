import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createAllHostsActivities, type AllHostsActivities } from '../../../activities/hosts/all-hosts.js';
import { createHostActivities, type HostActivities } from '../../../activities/hosts/activities.js';
import { hostHelper } from '../../../activities/hosts/helper.js';
import { createSshPool, type SshPool } from '../../../activities/ssh/pool.js';
import type { ClusterSpec } from '../../../domain/spec.js';
import { failureOf } from '../../support/failure.js';
import { startLab, type TestLab } from '../../support/lab.js';
import { leaseOf, randomSecrets, specOfLab } from './lab-hosts.js';

let lab: TestLab;
let ssh: SshPool;
let spec: ClusterSpec;
let one: HostActivities;
let all: AllHostsActivities;

beforeAll(async () => {
  ssh = createSshPool();
  one = createHostActivities({ ssh, secrets: randomSecrets(), helper: hostHelper() });
  all = createAllHostsActivities(one);
  lab = await startLab({ hosts: 4, zones: 2 });
  const whole = await specOfLab(lab);
  // Fewer lanes than hosts.
  spec = { ...whole, timings: { ...whole.timings, hostParallelism: 2 } };
});
afterAll(async () => {
  await ssh.close();
  await lab.down();
});

const names = ['h1', 'h2', 'h3', 'h4'];
const recordOf = async (host: string) => (await one.surveyHost({ spec, host })).record;
const leases = async () => Promise.all(names.map(async (host) => (await recordOf(host)).lease?.runId ?? null));
const giveBack = (generation: number) =>
  all.releaseLeases({ spec, hosts: names, token: { generation, step: 'releaseLease', attempt: 1 } });

describe('all hosts at once', () => {
  it('are surveyed in the order of the spec, and one that cannot be asked is part of the answer', async () => {
    const gone = spec.hosts.map((host) => (host.name === 'h2' ? { ...host, ssh: { ...host.ssh, port: 1 } } : host));
    const outcomes = await all.surveyHosts({ spec: { ...spec, hosts: gone } });
    expect(outcomes.map(({ host, surveyed }) => [host, surveyed])).toEqual(names.map((name) => [name, name !== 'h2']));
    expect(outcomes[1]).toMatchObject({ failure: 'HostUnreachable' });
    expect(JSON.stringify(outcomes[1])).toContain('h2');
  });

  it('are taken and given back, once and again', async () => {
    const lease = leaseOf();
    for (let time = 0; time < 2; time += 1) {
      await all.takeLeases({ spec, lease, seen: { h1: 0 } });
      expect(await leases()).toEqual(names.map(() => 'run-1'));
    }
    for (let time = 0; time < 2; time += 1) {
      await giveBack(1);
      expect(await leases()).toEqual(names.map(() => null));
    }
  });

  it('tell which were taken where one is held by somebody else; that one stays his when they are given back', async () => {
    const his = { generation: 2, server: 'namespace-2', runId: 'his' };
    await one.takeLease({ spec, host: 'h3', lease: leaseOf(his) });
    const failure = await failureOf(
      all.takeLeases({ spec, lease: leaseOf({ generation: 3, runId: 'mine' }), seen: {} }),
    );
    expect(failure.type).toBe('Locked');
    expect(failure.text.what).toContain('h3');
    const taken = failure.done ?? [];
    expect(taken).toEqual(['h1', 'h2', 'h4']);
    expect(await leases()).toEqual(names.map((name) => (name === 'h3' ? 'his' : 'mine')));
    // Nobody could say any more which they were: all are tried.
    expect((await failureOf(giveBack(3))).type).toBe('Fenced');
    expect(await leases()).toEqual([null, null, 'his', null]);
    await one.releaseLease({ spec, host: 'h3', token: { generation: 2, step: 'releaseLease', attempt: 1 } });
  });

  it('remember their own nodes, and no other ones', async () => {
    await all.takeLeases({ spec, lease: leaseOf({ generation: 4, runId: 'four' }), seen: {} });
    const nodes = spec.hosts.flatMap(({ name, nodes: [node] }) => (node === undefined ? [] : [`${name}:${node.port}`]));
    const identities = Object.fromEntries(nodes.slice(0, 3).map((name, i) => [name, `${i}`.repeat(40)]));
    const token = { generation: 4, step: 'recordIdentities', attempt: 1 };
    for (let time = 0; time < 2; time += 1) await all.recordMembers({ spec, identities, token });
    const known = await Promise.all(names.map(async (name) => Object.values((await recordOf(name)).identities)));
    expect(known).toEqual([['0'.repeat(40)], ['1'.repeat(40)], ['2'.repeat(40)], []]);
    await giveBack(4);
  });
});
