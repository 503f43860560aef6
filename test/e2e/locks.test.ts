import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { openStage, type Stage } from '../support/e2e.js';
import { startTestTemporal } from '../support/temporal.js';

const temporalAddress = inject('temporalAddress');

describe('two at once', () => {
  let stage: Stage;
  beforeAll(async () => {
    stage = await openStage({ temporalAddress, name: `locks-${process.pid}` });
  });
  afterAll(() => stage.close());

  it('refuses a second operation at once, with who, what and since when', async () => {
    const worker = await stage.startWorker({ when: 'before', activity: 'startNode', call: 1 });
    const first = stage.begin('apply', '-f', stage.specFile, '--yes', '--reason', 'the first one');
    await worker.exited;
    const second = await stage.run('apply', '-f', stage.specFile, '--yes');
    expect(second.exitCode).toBe(3);
    expect(second.stderr).toMatch(/Locked: .*apply by tester@stage since .*the first one/);
    expect(second.stderr).toContain('ops watch');
    const shown = await stage.run('ops', 'show', stage.spec.name);
    expect(shown.exitCode).toBe(4);
    expect(shown.stderr).toMatch(/NoWorker: Run .* no worker answers for it/);
    first.kill('SIGKILL');
  });

  it('refuses on the hosts what comes from a second Temporal server, which knows nothing of the first', async () => {
    const other = await startTestTemporal();
    const laptop = stage.elsewhere({ TEMPORAL_ADDRESS: other.address });
    const worker = await laptop.startWorker();
    try {
      const refused = await laptop.apply();
      expect(refused.exitCode).toBe(3);
      expect(refused.report).toMatchObject({ outcome: 'refused', changed: false, failure: { type: 'Locked' } });
      const what = refused.report.failure?.text.what ?? '';
      expect(what).toMatch(/tester@stage/);
      const run = /run ([0-9a-f-]{36})/.exec(what)?.[1] ?? '';
      const taken = await laptop.apply('--break-lease', run);
      expect(taken.exitCode, taken.stderr).toBe(0);
      expect(taken.report).toMatchObject({ outcome: 'done', changed: true });
    } finally {
      worker.kill('SIGTERM');
      await worker.exited;
      await other.stop();
    }
  });

  it('fences the operation that lost its lease: it changes nothing more and says why', async () => {
    const before = await stage.journal();
    const worker = await stage.startWorker();
    const watched = await stage.run('ops', 'watch', stage.spec.name, '--json');
    expect(watched.exitCode).toBe(3);
    const report = JSON.parse(watched.stdout.trim().split('\n').at(-1) ?? '') as { failure: { type: string } };
    expect(report.failure.type).toBe('Fenced');
    expect(await stage.journal()).toEqual(before);
    worker.kill('SIGKILL');
  });

  it('runs one of two that are started at the same moment', async () => {
    const worker = await stage.startWorker();
    const results = await Promise.all([
      stage.run('apply', '-f', stage.specFile, '--yes'),
      stage.run('apply', '-f', stage.specFile, '--yes'),
    ]);
    const codes = results.map(({ exitCode }) => exitCode).sort();
    expect(codes[0]).toBe(0);
    expect([0, 3]).toContain(codes[1]);
    worker.kill('SIGKILL');
  });

  it('stops at a safe point when it is cancelled, and the next apply goes on from there', async () => {
    const name = stage.spec.name;
    // It stands in the middle for as long as the cancellation takes to come.
    const mortal = await stage.startWorker({ when: 'before', activity: 'startNode', call: 1 });
    const bare = await stage.run('destroy', '-f', stage.specFile, '--yes', '--confirm', name, '--delete-data');
    expect(bare.exitCode, bare.stderr).toBe(0);
    const applying = stage.apply();
    await mortal.exited;
    expect((await stage.run('ops', 'cancel', name)).exitCode).toBe(0);
    const worker = await stage.startWorker();
    const { exitCode, report } = await applying;
    expect(report.outcome).toBe('cancelled');
    expect(exitCode).toBe(5);
    expect(report.steps.some(({ state }) => state === 'skipped')).toBe(true);
    const again = await stage.apply();
    expect(again.exitCode, again.stderr).toBe(0);
    expect(again.report.verdictAfter?.healthy).toBe(true);
    worker.kill('SIGKILL');
  });
});
