/**
 * What grows with the size of a move, and what does not: history of the operation, memory of the worker and time per slot, for 1,000 to 1,000,000 keys in the same
 * slots, and for 3 to 30 masters. Key by key, as every engine can.
 *
 *   npx tsx bench/scale.ts [keys|masters]     both where none is named
 */
import { readFile, writeFile } from 'node:fs/promises';
import { Client, Connection } from '@temporalio/client';
import { Secret } from '../config/secrets.js';
import type { SlotRange } from '../domain/slots.js';
import { slotsIn } from '../domain/slots.js';
import { openReshapeStage, type ReshapeStage } from '../test/support/reshape-stage.js';
import { startTestTemporal } from '../test/support/temporal.js';
import { fillOwners } from './support/fill.js';
import { moveSpan } from './support/moved.js';
import { mastersOf } from './support/move-stage.js';
import { writeResult } from './support/result.js';

const KEYS = [1000, 10_000, 100_000, 1_000_000];
const RANGE: SlotRange = [0, 4095];
const MASTERS = [3, 6, 12, 30];
/** Fewer than any of thirty masters owns. */
const NARROW: SlotRange = [0, 511];
const KEYS_IN_NARROW = 20_000;
const VALUES = { bytes: 100 };

interface Row {
  readonly masters: number;
  readonly keys: number;
  readonly slots: number;
  readonly moveMs: number;
  readonly msPerSlot: number;
  readonly totalMs: number;
  readonly history: { readonly events: number; readonly bytes: number };
  /** Of the worker's process: before, and the most during the operation. */
  readonly workerMiB: { readonly before: number; readonly most: number };
}

interface Open {
  readonly stage: ReshapeStage;
  readonly masters: number;
  readonly workerPid: number;
}

const temporal = await startTestTemporal();
try {
  const [only] = process.argv.slice(2);
  if (only !== 'masters') writeResult('scale-keys', { rows: await byKeys() });
  if (only !== 'keys') writeResult('scale-masters', { rows: await byMasters() });
} finally {
  await temporal.stop();
}

async function byKeys(): Promise<Row[]> {
  return withStage(3, async (open) => {
    const rows: Row[] = [];
    await moved(open, RANGE, 1000);
    for (const keys of KEYS) rows.push(await moved(open, RANGE, keys));
    return rows;
  });
}

async function byMasters(): Promise<Row[]> {
  const rows: Row[] = [];
  for (const masters of MASTERS) {
    rows.push(
      await withStage(masters, async (open) => {
        await moved(open, NARROW, KEYS_IN_NARROW);
        return moved(open, NARROW, KEYS_IN_NARROW);
      }),
    );
  }
  return rows;
}

async function withStage<T>(masters: number, use: (open: Open) => Promise<T>): Promise<T> {
  const stage = await openReshapeStage({
    ...{ temporalAddress: temporal.address, name: 'bench' },
    shape: { masters, replicasPerMaster: 0, withoutReplicas: 'a measurement' },
    change: (document) => {
      document.setIn(['redis', 'maxmemory'], '2gb');
      document.set('persistence', { data: 'cache', appendonly: false, save: '' });
      document.setIn(['timings', 'moveBatch'], '5s');
      document.set('moves', { mover: 'keys' });
    },
  });
  try {
    const worker = await stage.startWorker();
    const { exitCode, stderr } = await stage.operate(['apply']);
    if (exitCode !== 0) throw new Error(stderr);
    return await use({ stage, masters, workerPid: worker.child.pid ?? 0 });
  } finally {
    await stage.close();
  }
}

/** Fills the slots, and moves them from the one of two masters that has them to the other. */
async function moved({ stage, masters, workerPid }: Open, range: SlotRange, keys: number): Promise<Row> {
  const nodes = await mastersOf(stage);
  const password = new Secret(await stage.secret('app'));
  await fillOwners({ owners: nodes, user: 'app', password, keys, values: VALUES, within: range });
  const [owner, other] = nodes;
  const before = await memoryMiB(workerPid, 'VmRSS');
  await writeFile(`/proc/${workerPid}/clear_refs`, '5');
  const startedAt = performance.now();
  const to = owner?.slots.some(([from]) => from === range[0]) === true ? other : owner;
  const { exitCode, report, stderr } = await stage.operate([
    ...['reshard', '--slots', `${range[0]}-${range[1]}`, '--to', to?.name ?? ''],
  ]);
  const totalMs = Math.round(performance.now() - startedAt);
  if (exitCode !== 0 || report === null) throw new Error(stderr);
  const { from, to: until } = moveSpan(report);
  const row = {
    ...{ masters, keys, slots: slotsIn([range]), moveMs: until - from, totalMs },
    msPerSlot: Number(((until - from) / slotsIn([range])).toFixed(2)),
    history: await historyOf(report),
    workerMiB: { before, most: await memoryMiB(workerPid, 'VmHWM') },
  };
  console.log(JSON.stringify(row));
  return row;
}

async function historyOf({ workflowId, runId }: { workflowId: string; runId: string }): Promise<Row['history']> {
  const connection = await Connection.connect({ address: temporal.address });
  try {
    const { raw } = await new Client({ connection }).workflow.getHandle(workflowId, runId).describe();
    const { historyLength, historySizeBytes } = raw.workflowExecutionInfo ?? {};
    return { events: Number(historyLength ?? 0), bytes: Number(historySizeBytes ?? 0) };
  } finally {
    await connection.close();
  }
}

/** `VmRSS` is what it has now, `VmHWM` the most that it had since it was asked to forget. */
async function memoryMiB(pid: number, field: 'VmRSS' | 'VmHWM'): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  return Math.round(Number(new RegExp(`${field}:\\s+(\\d+) kB`).exec(status)?.[1] ?? 0) / 1024);
}
