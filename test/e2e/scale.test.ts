import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import type { NodeStatus } from '../../domain/verdict.js';
import { openReshapeStage, type ReshapeStage } from '../support/reshape-stage.js';
import { reshaped } from '../support/reshaped.js';

const OWN = ['h1', 'h2', 'h3', 'h4', 'h5', 'h6'];
/** Two percent, which is what redis-cli takes for even. */
const SLACK = 0.02;

function slotsOf({ slots }: NodeStatus): number {
  return slots.reduce((sum, [from, to]) => sum + to - from + 1, 0);
}

describe('a cluster grows and shrinks by what its spec says', { timeout: 300_000 }, () => {
  let stage: ReshapeStage;

  beforeAll(async () => {
    const name = `scale-${process.pid}`;
    stage = await openReshapeStage({ temporalAddress: inject('temporalAddress'), name, spares: 3, zones: 9 });
    await stage.startWorker();
    const { exitCode, stderr } = await stage.operate(['apply']);
    expect(exitCode, stderr).toBe(0);
    await stage.fill(5000);
  });
  afterAll(() => stage?.close());

  const grown = () => stage.specWith({ hosts: [...OWN, 'h7', 'h8'], shape: { masters: 4, replicasPerMaster: 1 } });
  const followed = (hosts: readonly string[] = [...OWN, 'h7', 'h8', 'h9']) =>
    stage.specWith({ hosts, shape: { masters: 4, replicasPerMaster: 1, extraReplicas: 1 } });

  it('by a master and its replica: the new master owns its share', async () => {
    const file = await grown();
    const { report } = await reshaped(stage, { verb: ['apply'], file, balance: 'even' });
    expect(report.steps.map(({ id }) => id.split('/')[0])).toEqual(
      expect.arrayContaining(['prepareHost', 'placeNode', 'startNode', 'joinNodes', 'moveSlots', 'smokeTest']),
    );
    const masters = (await stage.nodes(file)).filter(({ role }) => role === 'master');
    expect(masters).toHaveLength(4);
    for (const master of masters) expect(Math.abs(slotsOf(master) / 4096 - 1)).toBeLessThan(SLACK);
    const fresh = masters.filter(({ host }) => ['h7', 'h8'].includes(host));
    expect(fresh).toHaveLength(1);
    expect(fresh[0]?.keys).toBeGreaterThan(1000);
  });

  it('by a replica, and back again: no slot is moved', async () => {
    const before = (await stage.nodes(await grown())).filter(({ role }) => role === 'master').map(({ slots }) => slots);
    const bigger = await followed();
    const { report } = await reshaped(stage, { verb: ['apply'], file: bigger });
    expect(report.steps.filter(({ id }) => id.startsWith('moveSlots'))).toEqual([]);
    const replicas = (await stage.nodes(bigger)).filter(({ role }) => role === 'replica');
    expect(replicas.map(({ host }) => host)).toContain('h9');
    const leaving = await stage.specWith({
      hosts: [...OWN, 'h7', 'h8', 'h9'],
      shape: { masters: 4, replicasPerMaster: 1 },
      leaving: { [portOn('h9')]: 'drain' },
    });
    const gone = await reshaped(stage, { verb: ['apply'], file: leaving, after: await grown() });
    expect(gone.report.steps.filter(({ id }) => id.startsWith('moveSlots'))).toEqual([]);
    const after = (await stage.nodes(await grown())).filter(({ role }) => role === 'master').map(({ slots }) => slots);
    expect(after).toEqual(before);
  });

  it('by a shard that leaves: its slots go first, then both nodes, and nobody knows them any more', async () => {
    const nodes = await stage.nodes(await grown());
    const master = nodes.find(({ role, host }) => role === 'master' && ['h7', 'h8'].includes(host));
    const leave = nodes.filter(({ id, masterId }) => id === master?.id || masterId === master?.id);
    expect(leave).toHaveLength(2);
    const hosts = [...OWN, 'h7', 'h8'];
    const leaving = Object.fromEntries(leave.map(({ name }) => [name, 'drain' as const]));
    const file = await stage.specWith({ hosts, shape: { masters: 3, replicasPerMaster: 1 }, leaving });
    const stayed = hosts.filter((host) => !leave.some((node) => node.host === host));
    const after = await stage.specWith({ hosts: stayed, shape: { masters: 3, replicasPerMaster: 1 } });
    const { report } = await reshaped(stage, { verb: ['apply'], file, after });
    expect(report.steps.map(({ id }) => id.split('/')[0])).toEqual(
      expect.arrayContaining(['moveSlots', 'forgetNodes', 'awaitForgotten', 'stopNode']),
    );
    const masters = (await stage.nodes(after)).filter(({ role }) => role === 'master');
    expect(masters).toHaveLength(3);
    expect(masters.map(slotsOf).reduce((a, b) => a + b)).toBe(16_384);
  });

  it('not by silence: who is only not mentioned stays, and is named', async () => {
    const file = await stage.specWith({ hosts: OWN.slice(0, 5), shape: { masters: 3, replicasPerMaster: 1 } });
    const { exitCode, report } = await stage.operate(['apply'], file);
    expect(exitCode).not.toBe(0);
    expect(report?.changed ?? false).toBe(false);
  });

  function portOn(host: string): string {
    const port = stage.lab.hosts.find(({ name }) => name === host)?.nodePorts[0];
    return `${host}:${port}`;
  }
});
