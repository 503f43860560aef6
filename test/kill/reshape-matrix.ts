import type { EngineName } from '../../lab/engines.js';
import { type Chance, chanceOf } from './chance.js';
import { type Calls, drawKills, type Kill, killWords, NODE_VICTIMS, type NodeVictim, type Victim } from './kills.js';
import type { Row, RunRow } from './matrix.js';
import type { Return } from './node-killer.js';
import { ReshapeArena, RESHAPED, rowsOf } from './reshape-arena.js';
import { RESHAPE_OPERATIONS } from './reshape-operations.js';

/** One run of an operation with all its kills, and what clients had of it. */
export interface ReshapeRun extends RunRow {
  readonly engine: EngineName;
  /** One line: what was written, and how it was found. */
  readonly ledger: string;
  /** Acknowledged writes that a killed master had not replicated. */
  readonly lost: number;
}

export interface ReshapeMatrix {
  readonly rows: readonly Row[];
  readonly runs: readonly ReshapeRun[];
}

export interface ReshapeMatrixRequest {
  readonly name: string;
  readonly engine: EngineName;
  readonly seed: number;
  /** Goes on until so many kills have hit. */
  readonly kills: number;
  readonly say: (line: string) => void;
}

/** Kills in one run. */
const FEWEST = 2;
const MOST = 4;
const OTHERS: readonly Victim[] = ['worker', 'worker', 'worker', 'worker', 'both workers', 'temporal', 'ssh'];
/** What is about the cluster as a whole, and comes less often than what is done on each host: hosts are the other matrix's. */
const FAVOURED: Calls = {
  ...{ moveSlots: 12, repairSlots: 8, switchMaster: 8, forgetNodes: 8, awaitForgotten: 8 },
  ...{ joinNodes: 4, attachReplica: 4 },
};
/** Of a move, on this stage. */
const BATCH_MS = 1000;
const LONGEST_DELAY_MS = 1500;

/**
 * Takes a cluster round and round — it grows, gets weights, loses a host and gets another, shrinks — under a ledger, and kills in every operation but those of
 * the first round, which tell what there is to hit. Stops at the first run that is not done and proven, or whose ledger lacks anything that no killed master
 * had taken with it.
 */
export async function runReshapeMatrix({ seed, kills, say, ...on }: ReshapeMatrixRequest): Promise<ReshapeMatrix> {
  const { engine } = on;
  const chance = chanceOf(seed);
  const nodes = dealer(chance, [...NODE_VICTIMS, null]);
  const arena = await ReshapeArena.open(on);
  const rows: Row[] = [];
  const runs: ReshapeRun[] = [];
  try {
    const undisturbed = new Map<string, { calls: Calls; tookMs: number }>();
    while (rows.length < kills) {
      for (const operation of RESHAPE_OPERATIONS) {
        const { name } = operation;
        const known = undisturbed.get(name);
        const drawn = known === undefined ? [] : draw(chance, { calls: known.calls, node: nodes() });
        const returns = chance.pick<Return>(['at once', 'failed over']);
        say(`${engine} ${name}: ${drawn.map(killWords).join('; ') || 'undisturbed'} (${returns})`);
        const done = await arena.perform({ operation, kills: drawn, returns });
        const { outcome, ledger, lost, hits } = done;
        const { tookMs, calls } = done.run;
        if (known === undefined) undisturbed.set(name, { calls, tookMs });
        rows.push(...rowsOf(`${engine}: ${name}`, done));
        const undisturbedMs = known?.tookMs ?? tookMs;
        const counts = { kills: hits.length, undisturbedMs, tookMs, lost };
        runs.push({ engine, operation: name, outcome, ledger, ...counts });
        const batches = `${calls['moveSlots'] ?? 0} batches moved`;
        say(`  ${hits.length} hit; ${outcome}; ${tookMs} ms, ${batches}; ${ledger} (${rows.length} of ${kills})`);
        if (outcome !== RESHAPED) return { rows, runs };
      }
    }
    return { rows, runs };
  } finally {
    await arena.close();
  }
}

export function isReshaped({ rows, runs }: ReshapeMatrix): boolean {
  return [...rows, ...runs].every(({ outcome }) => outcome === RESHAPED);
}

/** Deals all of a pack before any comes again. */
function dealer<T>(chance: Chance, pack: readonly T[]): () => T {
  let left: T[] = [];
  return () => {
    if (left.length === 0) left = [...pack];
    const dealt = chance.pick(left);
    left.splice(left.indexOf(dealt), 1);
    return dealt;
  };
}

function draw(chance: Chance, { calls, node }: { calls: Calls; node: NodeVictim | null }): Kill[] {
  const count = FEWEST + chance.below(MOST - FEWEST + 1);
  const ofNodes = node === null ? [] : drawNode(chance, { node, batches: calls['moveSlots'] ?? 0 });
  const others = drawKills({
    ...{ chance, calls, count: count - ofNodes.length, victims: OTHERS, favoured: FAVOURED },
    ...{ hosts: 'process', survivesReboot: [], longestDelayMs: LONGEST_DELAY_MS },
  });
  return [
    ...ofNodes,
    ...others.filter(({ activity, call }) => !ofNodes.some((kill) => kill.activity === activity && kill.call === call)),
  ];
}

/** A node is killed while slots move, and at no other time: who gives and who gets is nobody before and after. */
function drawNode(chance: Chance, { node, batches }: { node: NodeVictim; batches: number }): Kill[] {
  if (batches === 0) return [];
  const call = 1 + chance.below(batches);
  return [{ victim: node, activity: 'moveSlots', call, moment: { afterMs: 1 + chance.below(BATCH_MS) } }];
}
