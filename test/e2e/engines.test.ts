import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { ENGINE_NAMES, fetchEngines, requireEngine } from '../../lab/engines.js';
import { openStage, type Stage } from '../support/e2e.js';

const temporalAddress = inject('temporalAddress');

describe.each(ENGINE_NAMES)('%s, brought to the hosts as an archive', (name) => {
  let stage: Stage;
  beforeAll(async () => {
    const fetched = (await fetchEngines()).find((engine) => engine.name === name);
    if (fetched?.engine === null) throw new Error(`${name}: ${fetched.problem}`);
    const cluster = `${name.replace('.', '-')}-${process.pid}`;
    stage = await openStage({
      temporalAddress,
      name: cluster,
      hosts: 3,
      nodesPerHost: 2,
      engine: await requireEngine(name),
    });
    await stage.startWorker();
  }, 300_000);
  afterAll(() => stage?.close());

  it('is installed, formed to a cluster, tried and proven', async () => {
    const { exitCode, report, stderr } = await stage.apply();
    expect(exitCode, stderr).toBe(0);
    expect(report).toMatchObject({ outcome: 'done', verdictAfter: { healthy: true, findings: [] } });
    expect(report.steps.filter(({ id }) => id.startsWith('installEngine/'))).toHaveLength(3);
    expect(report.steps.at(-1)?.id).toBe('smokeTest');
  });

  it('needs nothing more the second time', async () => {
    const { exitCode, report, stderr } = await stage.apply();
    expect(exitCode, stderr).toBe(0);
    expect(report).toMatchObject({ outcome: 'done', changed: false, steps: [], verdictAfter: { healthy: true } });
    expect((await stage.status()).status.findings).toEqual([]);
  });
});
