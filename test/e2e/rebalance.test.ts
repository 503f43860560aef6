import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import type { OperationReport, Progress } from '../../domain/operation.js';
import type { NodeStatus } from '../../domain/verdict.js';
import { type Ledger, ledgerProblems } from '../support/ledger.js';
import { openReshapeStage, type ReshapeStage } from '../support/reshape-stage.js';
import { changesNothing, reshaped } from '../support/reshaped.js';
import { until } from '../support/until.js';
import { expectNoProblems } from '../support/no-problems.js';

const KEYS = 20_000;
/** So that a move of thousands of keys lasts long enough to be held in its middle. */
const SLOWLY = 700;

function slotsOf({ slots }: NodeStatus): number {
  return slots.reduce((sum, [from, to]) => sum + to - from + 1, 0);
}

describe('shares of slots', { timeout: 300_000 }, () => {
  let stage: ReshapeStage;
  let slow: string;
  let ledger: Ledger | undefined;

  beforeAll(async () => {
    const name = `rebalance-${process.pid}`;
    stage = await openReshapeStage({ temporalAddress: inject('temporalAddress'), name });
    await stage.startWorker();
    const { exitCode, stderr } = await stage.operate(['apply']);
    expect(exitCode, stderr).toBe(0);
    await stage.fill(KEYS);
    slow = await stage.specWith({ change: (document) => document.setIn(['moves', 'maxKeysPerSecond'], SLOWLY) });
  });
  afterAll(async () => {
    await ledger?.close();
    await stage?.close();
  });

  const masters = async () => (await stage.nodes()).filter(({ role }) => role === 'master');
  const show = async () => JSON.parse((await stage.run('ops', 'show', stage.spec.name, '--json')).stdout) as Progress;
  const openSlots = async () =>
    (await stage.problems({ search: 'one node' })).filter((line) => /is open|owned by/.test(line));

  /** Begins a slow move, and returns when keys of it have gone. */
  async function beginSlowly(...argv: string[]) {
    const child = stage.begin('rebalance', '-f', slow, '--yes', '--json', '--reason', 'a test', ...argv);
    let out = '';
    child.stdout?.on('data', (chunk: Buffer) => (out += chunk.toString()));
    const ended = new Promise<number | null>((resolve) => child.once('close', resolve));
    await until('slots are on their way', async () => movedKeys(await show()) > 0, 60_000);
    return { ended, report: () => JSON.parse(out.trim().split('\n').at(-1) ?? '') as OperationReport };
  }
  const movedKeys = ({ steps }: Progress) => steps.reduce((sum, { moved }) => sum + (moved?.keys ?? 0), 0);

  it('follow weights, with no more slots moved than that takes', async () => {
    const [heavy] = await masters();
    const { report } = await reshaped(stage, { verb: ['rebalance', '--weights', `${heavy?.name}=2`] });
    const shares = (await masters()).map((node) => [node.name, slotsOf(node)] as const);
    for (const [name, slots] of shares)
      expect(Math.abs(slots - (name === heavy?.name ? 8192 : 4096))).toBeLessThan(180);
    expect(report.steps.find(({ id }) => id.startsWith('moveSlots'))?.moved).toMatchObject({ slotsLeft: 0 });
  });

  it('stand still within seconds when it is paused, with no slot open, and go on when it is resumed', async () => {
    ledger = await stage.ledger({ perSecond: 1500 });
    const { ended, report } = await beginSlowly();
    const pausedAt = performance.now();
    const paused = await stage.run('ops', 'pause', stage.spec.name, '--reason', 'clients complain', '--json');
    expect(paused.exitCode, paused.stderr).toBe(0);
    await until('no slot is open', async () => (await openSlots()).length === 0, 15_000);
    expect(performance.now() - pausedAt).toBeLessThan(20_000);
    const standing = await masters();
    const { acknowledged } = (await ledger?.counts()) ?? { acknowledged: 0 };
    await until(
      'clients went on',
      async () => ((await ledger?.counts())?.acknowledged ?? 0) > acknowledged + 3000,
      30_000,
    );
    expect((await masters()).map(slotsOf)).toEqual(standing.map(slotsOf));
    expect((await show()).paused).toMatchObject({ reason: 'clients complain' });
    const resumed = await stage.run('ops', 'resume', stage.spec.name, '--json');
    expect(resumed.exitCode, resumed.stderr).toBe(0);
    expect(await ended).toBe(0);
    expect(report()).toMatchObject({ outcome: 'done', verdictAfter: { healthy: true } });
    for (const master of await masters()) expect(Math.abs(slotsOf(master) - 5461)).toBeLessThan(120);
    const verdict = await ledger.verify();
    expectNoProblems(ledgerProblems(verdict));
    expectNoProblems(await stage.problems({ balance: 'even' }));
    await ledger.clear();
    await changesNothing(stage, ['rebalance'], stage.specFile);
  });

  it('are left where they are when it is cancelled: nothing is open, and it says how far it got', async () => {
    await ledger?.close();
    ledger = await stage.ledger({ perSecond: 1500 });
    const [heavy] = await masters();
    const { ended, report } = await beginSlowly('--weights', `${heavy?.name}=3`);
    const cancelled = await stage.run('ops', 'cancel', stage.spec.name);
    expect(cancelled.exitCode, cancelled.stderr).toBe(0);
    expect(await ended).toBe(5);
    const { outcome, steps, verdictAfter } = report();
    expect(outcome).toBe('cancelled');
    expect(verdictAfter).toMatchObject({ healthy: true });
    const moved = steps.find(({ id }) => id.startsWith('moveSlots'))?.moved;
    expect(moved?.slotsDone).toBeGreaterThan(0);
    expect(moved?.slotsLeft).toBeGreaterThan(0);
    const verdict = await ledger.verify();
    expectNoProblems(ledgerProblems(verdict));
    expectNoProblems(await stage.problems());
    await ledger.clear();
    await ledger.close();
    await reshaped(stage, { verb: ['rebalance', '--threshold', '0'], balance: 'even' });
  });
});
