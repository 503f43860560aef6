import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import type { OperationReport } from '../../domain/operation.js';
import type { NodeStatus } from '../../domain/verdict.js';
import { openReshapeStage, type ReshapeStage } from '../support/reshape-stage.js';
import { reshaped } from '../support/reshaped.js';

/** Two percent, which is what redis-cli takes for even. */
const SLACK = 0.02;

function slotsOf({ slots }: NodeStatus): number {
  return slots.reduce((sum, [from, to]) => sum + to - from + 1, 0);
}

function kindsOf({ steps }: OperationReport): string[] {
  return [...new Set(steps.map(({ id }) => id.split('/')[0] ?? ''))];
}

describe('a cluster grows and shrinks, and its spec with it', { timeout: 400_000 }, () => {
  let stage: ReshapeStage;
  /** Written over by each verb. */
  let file: string;

  beforeAll(async () => {
    const name = `scale-${process.pid}`;
    stage = await openReshapeStage({ temporalAddress: inject('temporalAddress'), name, spares: 2, zones: 8 });
    await stage.startWorker();
    file = await stage.specWith({});
    const { exitCode, stderr } = await stage.operate(['apply'], file);
    expect(exitCode, stderr).toBe(0);
    await stage.fill(5000);
  });
  afterAll(() => stage?.close());

  const scale = async (...verb: string[]) => {
    const { report } = await reshaped(stage, { verb: ['scale', ...verb, '--write-spec'], file, again: 'no' });
    return report;
  };
  const masters = async () => (await stage.nodes(file)).filter(({ role }) => role === 'master');

  it('scale add: a master and its replica, which own their share in the end', async () => {
    const report = await scale('add', stage.newHost('h7'), stage.newHost('h8'));
    expect(kindsOf(report)).toEqual(
      expect.arrayContaining(['prepareHost', 'placeNode', 'startNode', 'joinNodes', 'moveSlots', 'smokeTest']),
    );
    const owners = await masters();
    expect(owners).toHaveLength(4);
    for (const master of owners) expect(Math.abs(slotsOf(master) / 4096 - 1)).toBeLessThan(SLACK);
    const fresh = owners.filter(({ host }) => ['h7', 'h8'].includes(host));
    expect(fresh).toHaveLength(1);
    expect(fresh[0]?.keys).toBeGreaterThan(1000);
    expect(await readFile(file, 'utf8')).toMatch(/name: h8/);
  });

  it('scale remove: a shard goes, its slots first, then both nodes, and nobody knows them any more', async () => {
    const nodes = await stage.nodes(file);
    const master = nodes.find(({ role, host }) => role === 'master' && ['h7', 'h8'].includes(host));
    const leave = nodes.filter(({ id, masterId }) => id === master?.id || masterId === master?.id);
    expect(leave).toHaveLength(2);
    const report = await scale('remove', ...leave.map(({ name }) => name));
    expect(kindsOf(report)).toEqual(expect.arrayContaining(['moveSlots', 'forgetNodes', 'awaitForgotten', 'stopNode']));
    expect(await masters()).toHaveLength(3);
    expect((await masters()).map(slotsOf).reduce((a, b) => a + b)).toBe(16_384);
  });
});
