import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { SlotMove } from '../../domain/slot-moves.js';
import { requireEngine } from '../../lab/engines.js';
import { type Ledger, ledgerProblems, ledgerWords, startLedger } from '../support/ledger.js';
import { type MovingCluster, startMovingCluster } from '../support/moving-cluster.js';
import { cliOf, proofProblems } from '../support/proof.js';
import { until } from '../support/until.js';
import { expectNoProblems } from '../support/no-problems.js';

/** Thirds of all slots, as a new cluster has them. */
const SHARES = [
  [0, 5460],
  [5461, 10_921],
  [10_922, 16_383],
] as const;

describe.each(['redis-7.0', 'redis-8.6', 'valkey-8.1', 'valkey-9.1'] as const)(
  'slots that move on %s while clients write as fast as they can',
  (name) => {
    let cluster: MovingCluster;
    let ledger: Ledger;

    beforeAll(async () => {
      cluster = await startMovingCluster({ replicasPerMaster: 1, engine: await requireEngine(name) });
      ledger = await startLedger({
        nodes: [...cluster.servers.values()].map(({ address, port }) => ({ address, port })),
        app: { user: 'app', password: cluster.password.app },
        admin: { user: 'admin', password: cluster.password.admin },
      });
    });
    afterAll(async () => {
      await ledger?.close();
      await cluster?.stop();
    });

    it('every acknowledged write is there, no client saw an error, and all is where it belongs', async () => {
      await until('it writes', async () => (await ledger.counts()).acknowledged > 4000, 60_000);
      const [a = '', b = '', c = ''] = cluster.masters;
      const round: SlotMove[] = [
        { from: a, to: b, ranges: [[0, 999]] },
        { from: b, to: c, ranges: [[5461, 6460]] },
        { from: c, to: a, ranges: [[10_922, 11_921]] },
      ];
      const back = round.map(({ from, to, ranges }) => ({ from: to, to: from, ranges }));
      for (const moves of [round, back]) {
        const { progress } = await cluster.move(moves);
        expect(progress).toMatchObject({ slotsDone: 3000, slotsLeft: 0 });
      }
      const { acknowledged } = await ledger.counts();
      await until(
        'it wrote afterwards',
        async () => (await ledger.counts()).acknowledged > acknowledged + 2000,
        60_000,
      );
      const verdict = await ledger.verify();
      console.log(`${name}: ${ledgerWords(verdict)}`);
      expectNoProblems(ledgerProblems(verdict));
      const owners = await cluster.owners();
      for (const [i, [from, to]] of SHARES.entries()) {
        expect(owners.slice(from, to + 1).every((names) => names.join() === cluster.masters[i])).toBe(true);
      }
      const nodes = [...cluster.servers.values()].map(({ address, port }) => ({ address, port }));
      const cli = cliOf(await requireEngine(name));
      expectNoProblems(await proofProblems({ nodes, password: cluster.password.admin, cli, balance: 'even' }));
    });
  },
);
