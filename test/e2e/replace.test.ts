import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import type { OperationReport } from '../../domain/operation.js';
import { accountFor, type KilledMaster, ledgerProblems, ledgerWords } from '../support/ledger.js';
import { openReshapeStage, type ReshapeStage } from '../support/reshape-stage.js';
import { changesNothing } from '../support/reshaped.js';
import { until } from '../support/until.js';
import { expectNoProblems } from '../support/no-problems.js';

function beginOf({ steps }: OperationReport, id: string): string {
  const startedAt = steps.find((one) => one.id === id)?.startedAt;
  if (startedAt === undefined) throw new Error(`no step ${id} was begun`);
  return startedAt;
}

describe.each(['redis-7.0', 'valkey-9.1'] as const)(
  'a host that will not come back, on %s',
  { timeout: 300_000 },
  (engine) => {
    let stage: ReshapeStage;

    beforeAll(async () => {
      const name = `replace-${engine.replace('.', '-')}-${process.pid}`;
      stage = await openReshapeStage({
        ...{ temporalAddress: inject('temporalAddress'), name, engine, spares: 1, zones: 7 },
        // The verb is there before the failover is.
        change: (document) => document.setIn(['redis', 'nodeTimeout'], '5s'),
      });
      await stage.startWorker();
      const { exitCode, stderr } = await stage.operate(['apply']);
      expect(exitCode, stderr).toBe(0);
      await stage.fill(5000);
    }, 300_000);
    afterAll(() => stage?.close());

    it('is replaced while clients write: of its acknowledged writes no more is lost than it had not replicated', async () => {
      const dead = (await stage.nodes()).find(({ role }) => role === 'master');
      const host = stage.lab.hosts.find(({ name }) => name === dead?.host);
      if (dead === undefined || host === undefined) throw new Error('there is no master');
      const ledger = await stage.ledger();
      try {
        await until('the ledger writes', async () => (await ledger.counts()).acknowledged > 2000, 30_000);
        const at = Date.now();
        await stage.lab.driver.kill(host);
        const killed: KilledMaster = { node: dead.name, slots: dead.slots, at, goneAt: Date.now() };
        const file = await stage.specWith({});
        const verb = ['replace', dead.host, '--with', stage.newHost('h7'), '--write-spec'];
        const { exitCode, report, stderr } = await stage.operate(verb, file);
        expect(exitCode, stderr).toBe(0);
        expect(report).toMatchObject({ outcome: 'done', verdictAfter: { healthy: true } });
        if (report === null) throw new Error('there is no report');
        const { acknowledged } = await ledger.counts();
        await until(
          'the ledger writes on',
          async () => (await ledger.counts()).acknowledged > acknowledged + 2000,
          30_000,
        );
        const verdict = await ledger.verify();
        console.log(ledgerWords(verdict, [killed]));
        expectNoProblems(ledgerProblems(verdict, { kills: [killed], errors: 'accepted' }));
        // All errors are of the time until the failover, which the plan waits for: the replacement itself gives clients none.
        expect(verdict.lastError?.at ?? 0).toBeLessThan(Date.parse(beginOf(report, 'joinNodes')));
        expect(accountFor(verdict, [killed]).excused[0]?.losses.length).toBeLessThan(300);
        expectNoProblems(await stage.problems({ file }));
        const nodes = await stage.nodes(file);
        expect(nodes.filter(({ role }) => role === 'master')).toHaveLength(3);
        expect(nodes.find((node) => node.host === 'h7')).toMatchObject({ role: 'replica', answered: true });
        await ledger.clear();
        await changesNothing(stage, ['apply'], file);
      } finally {
        await ledger.close();
      }
    });
  },
);
