/**
 * The kill matrix, long: workers, the Temporal server, SSH connections and the power of hosts are killed at points that a seed draws, several in each run of an
 * operation, until enough have hit a live step. Prints the table, leaves it in test/kill/results, and ends with 1 where a run was not done and proven
 * with each effect once.
 *
 *   npx tsx test/kill/run.ts [--kills N] [--on-containers N] [--seed N]
 *
 * `--kills` of all, `--on-containers` of them on hosts that boot systemd, where power can be cut; 0 where there is no container engine.
 */
import { parseArgs } from 'node:util';
import type { LabDriverName } from '../../lab/driver.js';
import { Arena } from './arena.js';
import { isProven, type Matrix, runMatrix } from './matrix.js';
import { writeResult } from './result.js';
import { tableOf } from './table.js';

const { values } = parseArgs({
  options: {
    kills: { type: 'string', default: '200' },
    'on-containers': { type: 'string', default: '24' },
    seed: { type: 'string' },
  },
});
const kills = Number(values.kills);
const onContainers = Number(values['on-containers']);
const seed = Number(values.seed ?? Date.now() % 2 ** 31);

async function matrixOn(hosts: LabDriverName, count: number): Promise<Matrix> {
  if (count === 0) return { rows: [], runs: [] };
  const arena = await Arena.open({ name: `kill-${hosts}`, hosts });
  try {
    return await runMatrix({ arena, seed, kills: count, say: (line) => console.log(line) });
  } finally {
    await arena.close();
  }
}

console.log(`seed ${seed}: ${kills} kills, ${onContainers} of them on container hosts`);
const startedAt = performance.now();
const containers = await matrixOn('container', onContainers);
const processes = isProven(containers)
  ? await matrixOn('process', kills - containers.rows.length)
  : { rows: [], runs: [] };
const matrix: Matrix = { rows: [...containers.rows, ...processes.rows], runs: [...containers.runs, ...processes.runs] };
for (const line of tableOf(matrix)) console.log(line);
const proven = isProven(matrix);
const minutes = Number(((performance.now() - startedAt) / 60_000).toFixed(1));
const verdict = proven ? 'all done and proven' : 'NOT all proven';
console.log(`${matrix.rows.length} kills hit in ${matrix.runs.length} operations, in ${minutes} min; ${verdict}`);
if (proven) writeResult('kill-matrix', { seed, minutes, ...matrix });
process.exitCode = proven ? 0 : 1;
