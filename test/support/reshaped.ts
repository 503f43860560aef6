import { expect } from 'vitest';
import type { OperationReport } from '../../domain/operation.js';
import { type LedgerRequest, type LedgerVerdict, ledgerProblems, ledgerWords } from './ledger.js';
import type { ProofRequest } from './proof.js';
import type { ReshapeStage } from './reshape-stage.js';
import { until } from './until.js';
import { expectNoProblems } from './no-problems.js';

export interface ReshapedRequest {
  readonly verb: readonly string[];
  /** The spec that it runs with; the first one of the stage where nothing is said. */
  readonly file?: string;
  /** The spec that holds afterwards, where it is another one. */
  readonly after?: string;
  /** Whether redis-cli's rebalance is to have nothing to do. */
  readonly balance?: ProofRequest['balance'];
  readonly ledger?: Partial<LedgerRequest>;
  /** Whether it can be asked once more as it stands: a host can only be added once. `yes` where nothing is said. */
  readonly again?: 'yes' | 'no';
}

export interface Reshaped {
  readonly report: OperationReport;
  readonly ledger: LedgerVerdict;
}

/** No client may wait for so long: engines whose nodes wait for each other give up after more. */
const STANDSTILL_MS = 5000;
/** Writes before it begins and after it has ended. */
const BEFORE = 1000;

/**
 * Runs a verb under a ledger and expects of it what is expected of every operation that changes a shape: done, changed, proven; the ledger complete
 * and no client with an error; redis-cli, the nodes and our own check with nothing to say; the same again with nothing to do, and so `apply`.
 */
export async function reshaped(stage: ReshapeStage, request: ReshapedRequest): Promise<Reshaped> {
  const { verb, file = stage.specFile, after = file, balance, again = 'yes' } = request;
  const ledger = await stage.ledger(request.ledger);
  try {
    const written = async (count: number) => (await ledger.counts()).acknowledged > count;
    await until('the ledger writes', () => written(BEFORE), 60_000);
    const { exitCode, report, stderr } = await stage.operate(verb, file);
    expect(exitCode, stderr).toBe(0);
    expect(report).toMatchObject({ outcome: 'done', changed: true, verdictAfter: { healthy: true } });
    if (report === null) throw new Error('there is no report');
    const { acknowledged } = await ledger.counts();
    await until('the ledger writes on', () => written(acknowledged + BEFORE), 60_000);
    const verdict = await ledger.verify();
    console.log(`${verb.join(' ')}: ${ledgerWords(verdict)}`);
    expectNoProblems(ledgerProblems(verdict));
    expect(verdict.latency.max).toBeLessThan(STANDSTILL_MS);
    expectNoProblems(await stage.problems({ file: after, ...(balance === undefined ? {} : { balance }) }));
    await ledger.clear();
    if (again === 'yes') await changesNothing(stage, verb, after);
    if (verb[0] !== 'apply' || again === 'no') await changesNothing(stage, ['apply'], after);
    return { report, ledger: verdict };
  } finally {
    await ledger.close();
  }
}

/** There is nothing for it to do. */
export async function changesNothing(stage: ReshapeStage, verb: readonly string[], file: string): Promise<void> {
  const { exitCode, report, stderr } = await stage.operate(verb, file);
  expect(exitCode, stderr).toBe(0);
  expect(report).toMatchObject({ outcome: 'done', changed: false, steps: [] });
}
