import { describe, expect, it } from 'vitest';
import { membersOf } from '../../domain/cluster-members.js';
import { awaitedFailovers, failoverWaitMs } from '../../domain/failovers.js';
import { place } from '../../domain/placement.js';
import { planApply } from '../../domain/plan-apply.js';
import { ModelCluster } from '../support/cluster-model.js';
import { hostOf, specOf } from '../support/spec.js';

const LOST = specOf({
  hosts: [
    ...specOf().hosts.map((host) =>
      host.name === 'h1' ? { ...host, nodes: host.nodes.map((node) => ({ ...node, leaving: 'lost' as const })) } : host,
    ),
    hostOf('h7', { zone: 'z1', address: '10.0.0.7' }),
  ],
});
const six = () => {
  const cluster = new ModelCluster(specOf(), place(specOf()));
  cluster.declare(LOST);
  return cluster;
};

function awaitedIn(cluster: ModelCluster) {
  const members = membersOf(cluster.world(LOST));
  if (members === null) throw new Error('there are members');
  return awaitedFailovers(members);
}

function heirOf(cluster: ModelCluster, master: string): string {
  const [heir] = cluster.replicasOf(master);
  if (heir === undefined) throw new Error(`${master} has a replica`);
  return heir.node.name;
}

describe('a failover is waited for', () => {
  it('where a master with slots does not answer and its replica does', () => {
    const cluster = six();
    const heir = heirOf(cluster, 'h1:6379');
    cluster.get('h1:6379').running = false;
    expect(awaitedIn(cluster)).toEqual([{ of: 'h1:6379', replicas: [heir] }]);
    cluster.failOver(heir);
    expect(awaitedIn(cluster)).toEqual([]);
  });

  it('not where all is well, where the replica is gone as well, or where too few masters are left to vote', () => {
    const cluster = six();
    expect(awaitedIn(cluster)).toEqual([]);
    cluster.get('h1:6379').running = false;
    const heir = cluster.get(heirOf(cluster, 'h1:6379'));
    heir.running = false;
    expect(awaitedIn(cluster)).toEqual([]);
    heir.running = true;
    cluster.get('h2:6379').running = false;
    expect(awaitedIn(cluster)).toEqual([]);
  });

  it('not where nobody owns some of the slots: that is mended by no failover', () => {
    const cluster = six();
    cluster.get('h1:6379').running = false;
    const other = cluster.get('h2:6379');
    other.slots = other.slots.map(([from, to]) => [from + 1, to]);
    expect(awaitedIn(cluster)).toEqual([]);
  });

  it('for as long as an election may have to be held twice', () => {
    const timeout = (nodeTimeoutMs: number) => specOf({ redis: { ...specOf().redis, nodeTimeoutMs } });
    expect(failoverWaitMs(timeout(1000))).toBe(10_000);
    expect(failoverWaitMs(timeout(15_000))).toBe(105_000);
  });
});

describe('the plan of a replacement', () => {
  const refusalOf = (cluster: ModelCluster) => planApply(cluster.world(LOST)).refusals[0];

  it('is refused while the failover is on its way, says so, and names the replica', () => {
    const cluster = six();
    const heir = heirOf(cluster, 'h1:6379');
    cluster.get('h1:6379').running = false;
    const refusal = refusalOf(cluster);
    expect(refusal?.awaited?.failovers).toEqual([{ of: 'h1:6379', replicas: [heir] }]);
    expect(refusal?.next).toContain(`Wait for the failover of h1:6379 to ${heir}`);
    cluster.failOver(heir);
    expect(planApply(cluster.world(LOST)).refusals).toEqual([]);
  });

  it('awaits nothing where the owner alone can bring its slots back', () => {
    const cluster = six();
    cluster.get(heirOf(cluster, 'h1:6379')).running = false;
    cluster.get('h1:6379').running = false;
    expect(refusalOf(cluster)).toMatchObject({ next: expect.stringMatching(/^Bring the owner back/) as string });
    expect(refusalOf(cluster)?.awaited).toBeUndefined();
  });
});
