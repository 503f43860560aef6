/**
 * Kills while a cluster changes its shape under a ledger of acknowledged writes, long: workers, the Temporal server, SSH connections, and nodes that give slots, get them
 * or follow, on an engine that moves key by key and on two that move slots in one go. Prints the table, leaves it in test/kill/results, and ends with
 * 1 where a run was not done and proven, or its ledger lacked more than what a killed master had not replicated.
 *
 *   npx tsx test/kill/run-reshape.ts [--kills N] [--seed N] [--engines redis-7.0,redis-8.6,valkey-9.1]
 *
 * Each engine gets its part of the kills; the result is kept where all three had one.
 */
import { parseArgs } from 'node:util';
import { ENGINE_NAMES, type EngineName, fetchEngines } from '../../lab/engines.js';
import { isReshaped, type ReshapeMatrix, runReshapeMatrix } from './reshape-matrix.js';
import { writeResult } from './result.js';
import { tableOf } from './table.js';

const ENGINES: readonly EngineName[] = ['redis-7.0', 'redis-8.6', 'valkey-9.1'];

const { values } = parseArgs({
  options: {
    kills: { type: 'string', default: '60' },
    seed: { type: 'string' },
    engines: { type: 'string', default: ENGINES.join(',') },
  },
});
const kills = Number(values.kills);
const seed = Number(values.seed ?? Date.now() % 2 ** 31);
const engines = ENGINE_NAMES.filter((name) => values.engines.split(',').includes(name));

console.log(`seed ${seed}: ${kills} kills on ${engines.join(', ')}`);
await fetchEngines();
const startedAt = performance.now();
let matrix: ReshapeMatrix = { rows: [], runs: [] };
for (const engine of engines) {
  const name = `reshape-${engine.replace('.', '-')}`;
  const done = await runReshapeMatrix({
    ...{ name, engine, seed, kills: Math.ceil(kills / engines.length) },
    say: (line) => console.log(line),
  });
  matrix = { rows: [...matrix.rows, ...done.rows], runs: [...matrix.runs, ...done.runs] };
  if (!isReshaped(done)) break;
}
for (const line of tableOf(matrix)) console.log(line);
const proven = isReshaped(matrix);
const minutes = Number(((performance.now() - startedAt) / 60_000).toFixed(1));
const lost = matrix.runs.reduce((sum, run) => sum + run.lost, 0);
console.log(
  `${matrix.rows.length} kills hit in ${matrix.runs.length} operations, in ${minutes} min; ${lost} acknowledged writes lost with killed masters; ${proven ? 'all done and proven, all ledgers complete' : 'NOT all proven'}`,
);
if (proven && engines.length === ENGINES.length) writeResult('reshape-kills', { seed, minutes, ...matrix });
process.exitCode = proven ? 0 : 1;
