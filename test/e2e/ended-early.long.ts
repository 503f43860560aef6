import { Client, Connection } from '@temporalio/client';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { operationWorkflowId } from '../../domain/ids.js';
import type { OperationReport, Progress } from '../../domain/operation.js';
import type { Process } from '../support/e2e.js';
import { type Ledger, ledgerProblems } from '../support/ledger.js';
import { redisCli } from '../support/redis-cli.js';
import { openReshapeStage, type ReshapeStage } from '../support/reshape-stage.js';
import { changesNothing } from '../support/reshaped.js';
import { until } from '../support/until.js';
import { expectNoProblems } from '../support/no-problems.js';

const KEYS = 20_000;
/** So that a move of thousands of keys lasts long enough to be ended in its middle. */
const SLOWLY = 700;
/** A heartbeat, three node timeouts, and what two busy cores take for the rest: seconds, and no minutes. */
const SOON_MS = 45_000;
const PIN = 'cluster-allow-replica-migration';

describe('a move that does not come to its end', { timeout: 300_000 }, () => {
  let stage: ReshapeStage;
  let worker: Process;
  let ledger: Ledger | undefined;

  beforeAll(async () => {
    stage = await openReshapeStage({
      ...{ temporalAddress: inject('temporalAddress'), name: `ended-early-${process.pid}` },
      change: (document) => document.setIn(['redis', 'replicaMigration'], 'free'),
    });
    worker = await stage.startWorker();
    const { exitCode, stderr } = await stage.operate(['apply']);
    expect(exitCode, stderr).toBe(0);
    await stage.fill(KEYS);
  });
  afterAll(async () => {
    await ledger?.close();
    await stage?.close();
  });

  /** Whether Redis may move replicas by itself, as the nodes say. */
  async function migration(): Promise<string[]> {
    const password = await stage.secret('admin');
    const asked = (await stage.nodes()).map(async ({ address, port }) => {
      const argv = ['-h', address, '-p', `${port}`, 'CONFIG', 'GET', PIN];
      return (await redisCli({ argv, password })).text.trim().split('\n').at(-1) ?? '';
    });
    return [...new Set(await Promise.all(asked))];
  }

  /** An apply of a spec with other shares, of which some keys have gone. */
  async function beginSlowly(weight: number) {
    const [heavy] = (await stage.nodes()).filter(({ role }) => role === 'master');
    const slow = await stage.specWith({
      change: (document) => {
        document.setIn(['moves', 'maxKeysPerSecond'], SLOWLY);
        document.set('balance', document.createNode({ weights: { [heavy?.name ?? '']: weight } }));
      },
    });
    ledger = await stage.ledger({ perSecond: 1500 });
    const child = stage.begin('apply', '-f', slow, '--yes', '--json', '--reason', 'a test');
    let out = '';
    child.stdout?.on('data', (chunk: Buffer) => (out += chunk.toString()));
    const ended = new Promise<number | null>((resolve) => child.once('close', resolve));
    const show = async () => JSON.parse((await stage.run('ops', 'show', stage.spec.name, '--json')).stdout) as Progress;
    // Until it has begun, the one before it is shown.
    const moves = ({ steps }: Progress) =>
      steps.some(({ state, moved }) => state === 'running' && (moved?.keys ?? 0) > 0);
    await until('slots are on their way', async () => moves(await show()), 60_000);
    expect(await migration()).toEqual(['no']);
    return { ended, report: () => JSON.parse(out.trim().split('\n').at(-1) ?? '') as OperationReport };
  }

  async function expectLedgerComplete(): Promise<void> {
    const verdict = await ledger?.verify();
    if (verdict === undefined) throw new Error('there is no ledger');
    expectNoProblems(ledgerProblems(verdict));
    await ledger?.clear();
    await ledger?.close();
  }

  it('is over within seconds when it is cancelled after its worker died: nothing is open, replicas are free again', async () => {
    const { ended, report } = await beginSlowly(3);
    worker.kill('SIGKILL');
    await worker.exited;
    const cancelled = await stage.run('ops', 'cancel', stage.spec.name);
    expect(cancelled.exitCode, cancelled.stderr).toBe(0);
    worker = await stage.startWorker();
    const readyAt = performance.now();
    expect(await ended).toBe(5);
    expect(performance.now() - readyAt).toBeLessThan(SOON_MS);
    expect(report()).toMatchObject({ outcome: 'cancelled', changed: true, verdictAfter: { healthy: true } });
    expect(await migration()).toEqual(['yes']);
    await expectLedgerComplete();
    expectNoProblems(await stage.problems());
  });

  it('is healed by repair when it was terminated and its worker died: slots are closed, replicas are free again', async () => {
    const { ended } = await beginSlowly(2);
    worker.kill('SIGKILL');
    await worker.exited;
    const connection = await Connection.connect({ address: inject('temporalAddress') });
    await new Client({ connection }).workflow.getHandle(operationWorkflowId(stage.spec.name)).terminate('a test');
    await connection.close();
    expect(await ended).not.toBe(0);
    expect(await migration()).toEqual(['no']);
    expect((await stage.run('check', '-f', stage.specFile)).stdout).toContain('MovePinLeft');
    worker = await stage.startWorker();
    const { exitCode, report, stderr } = await stage.operate(['repair']);
    expect(exitCode, stderr).toBe(0);
    expect(report).toMatchObject({ outcome: 'done', changed: true, verdictAfter: { healthy: true } });
    expect(report?.steps.map(({ id }) => id)).toContain('unpinReplicas');
    expect(await migration()).toEqual(['yes']);
    await expectLedgerComplete();
    expectNoProblems(await stage.problems());
    await changesNothing(stage, ['repair'], stage.specFile);
  });
});
