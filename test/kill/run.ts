/**
 * The kill matrix, long: workers, the Temporal server and SSH connections are killed at points that a seed draws, several in each run of an operation, until
 * enough have hit a live step. Prints the table, leaves it in test/kill/results, and ends with 1 where a run was not done and proven with each effect once.
 *
 *   npx tsx test/kill/run.ts [--kills N] [--seed N]
 */
import { parseArgs } from 'node:util';
import { Arena } from './arena.js';
import { isProven, runMatrix } from './matrix.js';
import { writeResult } from './result.js';
import { tableOf } from './table.js';

const { values } = parseArgs({ options: { kills: { type: 'string', default: '200' }, seed: { type: 'string' } } });
const kills = Number(values.kills);
const seed = Number(values.seed ?? Date.now() % 2 ** 31);
console.log(`seed ${seed}: ${kills} kills`);
const startedAt = performance.now();
const arena = await Arena.open({ name: 'kill-matrix' });
try {
  const matrix = await runMatrix({ arena, seed, kills, say: (line) => console.log(line) });
  for (const line of tableOf(matrix)) console.log(line);
  const proven = isProven(matrix);
  const minutes = Number(((performance.now() - startedAt) / 60_000).toFixed(1));
  console.log(
    `${matrix.rows.length} kills hit in ${matrix.runs.length} operations, in ${minutes} min; ${proven ? 'all done and proven' : 'NOT all proven'}`,
  );
  if (proven) writeResult({ seed, minutes, ...matrix });
  process.exitCode = proven ? 0 : 1;
} finally {
  await arena.close();
}
