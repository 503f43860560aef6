import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import type { OperationReport } from '../../domain/operation.js';
import { openReshapeStage, type ReshapeStage } from '../support/reshape-stage.js';
import { changesNothing, reshaped } from '../support/reshaped.js';

function kindsOf({ steps }: OperationReport): string[] {
  return [...new Set(steps.map(({ id }) => id.split('/')[0] ?? ''))];
}

describe('replicas come and go, and no slot moves', { timeout: 400_000 }, () => {
  let stage: ReshapeStage;
  /** Written over by each verb. */
  let file: string;

  beforeAll(async () => {
    const name = `scale-replicas-${process.pid}`;
    stage = await openReshapeStage({ temporalAddress: inject('temporalAddress'), name, spares: 1, zones: 7 });
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

  it('by scale add and scale remove', async () => {
    const before = (await masters()).map(({ name, slots }) => ({ name, slots }));
    const come = await scale('add', stage.newHost('h7'), '--as', 'replica', '--of', before[0]?.name ?? '');
    expect(kindsOf(come)).not.toContain('moveSlots');
    const replica = (await stage.nodes(file)).find(({ host }) => host === 'h7');
    expect(replica?.masterId).toBe((await masters())[0]?.id);
    const gone = await scale('remove', 'h7');
    expect(kindsOf(gone)).not.toContain('moveSlots');
    expect((await masters()).map(({ name, slots }) => ({ name, slots }))).toEqual(before);
    expect(await readFile(file, 'utf8')).not.toMatch(/name: h7/);
  });

  it('by the spec alone: apply adds whom it mentions, and removes nobody by silence', async () => {
    const own = stage.spec.hosts.map(({ name }) => name);
    const silent = await stage.specWith({ hosts: own.slice(0, 5) });
    const refused = await stage.operate(['apply'], silent);
    expect(refused.exitCode).not.toBe(0);
    expect(refused.report?.changed ?? false).toBe(false);
    await changesNothing(stage, ['apply'], file);
    const followed = await stage.specWith({
      hosts: [...own, 'h7'],
      shape: { masters: 3, replicasPerMaster: 1, extraReplicas: 1 },
    });
    const { report } = await reshaped(stage, { verb: ['apply'], file: followed });
    expect(kindsOf(report)).toContain('joinNodes');
    expect(kindsOf(report)).not.toContain('moveSlots');
  });
});
