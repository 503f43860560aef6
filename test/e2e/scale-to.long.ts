import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { openReshapeStage, type ReshapeStage } from '../support/reshape-stage.js';
import { reshaped } from '../support/reshaped.js';

/** Eighteen nodes on six hosts: 3×1 uses the first port of each, 6×2 all three. */
describe('scale to', { timeout: 600_000 }, () => {
  let stage: ReshapeStage;
  let file: string;

  beforeAll(async () => {
    stage = await openReshapeStage({ temporalAddress: inject('temporalAddress'), name: `scale-to-${process.pid}` });
    await stage.startWorker();
    file = await stage.specWith({});
    const { exitCode, stderr } = await stage.operate(['apply'], file);
    expect(exitCode, stderr).toBe(0);
    await stage.fill(2000);
  });
  afterAll(() => stage?.close());

  const shape = async () => {
    const nodes = await stage.nodes(file);
    const masters = nodes.filter(({ role }) => role === 'master');
    return masters.map(({ id }) => nodes.filter(({ masterId }) => masterId === id).length).sort();
  };
  const ledger = { perSecond: 1500 };

  it('six masters with two replicas each, the whole way in one plan', async () => {
    const verb = ['scale', 'to', '--masters', '6', '--replicas', '2', '--write-spec'];
    await reshaped(stage, { verb, file, balance: 'even', ledger });
    expect(await shape()).toEqual([2, 2, 2, 2, 2, 2]);
  });

  it('and back to three with one', async () => {
    const verb = ['scale', 'to', '--masters', '3', '--replicas', '1', '--write-spec'];
    await reshaped(stage, { verb, file, balance: 'even', ledger });
    expect(await shape()).toEqual([1, 1, 1]);
  });
});
