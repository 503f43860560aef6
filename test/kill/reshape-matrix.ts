import type { Plan } from '../../domain/plan.js';
import type { SlotMove } from '../../domain/slot-moves.js';
import type { EngineName } from '../../lab/engines.js';
import { accountFor, type LedgerVerdict, ledgerProblems, ledgerWords, type KilledMaster } from '../support/ledger.js';
import { openReshapeStage, type ReshapeStage } from '../support/reshape-stage.js';
import { until } from '../support/until.js';
import { Arena, type Run } from './arena.js';
import { type Chance, chanceOf } from './chance.js';
import { type Calls, drawKills, type Kill, killWords, type NodeVictim, type Victim } from './kills.js';
import type { Row, RunRow } from './matrix.js';
import { type Return, StageNodeKiller } from './node-killer.js';
import { RESHAPE_OPERATIONS, type ReshapeOperation, type ReshapePlan, type Roster } from './reshape-operations.js';

/** One run of an operation with all its kills, and what clients had of it. */
export interface ReshapeRun extends RunRow {
  readonly engine: EngineName;
  /** One line: what was written, and how it was found. */
  readonly ledger: string;
  /** What a killed master had not replicated. */
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
  /** Before the matrix begins; moved about all the time. */
  readonly keys?: number;
  readonly operations?: readonly ReshapeOperation[];
  readonly say?: (line: string) => void;
}

const RESHAPED = 'done and proven, the ledger complete';
/** Kills in one run. */
const FEWEST = 2;
const MOST = 4;
const KEYS = 5000;
/** Half of the runs kill a node as well as workers. */
const OTHERS: readonly Victim[] = ['worker', 'worker', 'worker', 'worker', 'both workers', 'temporal', 'ssh'];
const NODES: readonly NodeVictim[] = ['source', 'target', 'replica'];
/** What is about the cluster as a whole: hosts are the other matrix's. */
const FAVOURED = [
  'moveSlots',
  'joinNodes',
  'attachReplica',
  'switchMaster',
  'forgetNodes',
  'awaitForgotten',
  'repairSlots',
];
/** A batch of a move is a second long on this stage. */
const LONGEST_DELAY_MS = 1500;
/** Not as fast as it can: the movers are to have the machine, too. */
const LEDGER_PER_SECOND = 1000;

/**
 * Takes a cluster round and round — it grows, gets weights, loses a host and gets another, shrinks — under a ledger, and kills in every operation. Stops at
 * the first run that is not done and proven, or whose ledger lacks anything that no killed master had taken with it.
 */
export async function runReshapeMatrix(request: ReshapeMatrixRequest): Promise<ReshapeMatrix> {
  const { name, engine, seed, kills, operations = RESHAPE_OPERATIONS, say = () => undefined } = request;
  const chance = chanceOf(seed);
  const arena = await Arena.on({
    openStage: (temporalAddress) => openReshapeStage({ temporalAddress, name, engine, spares: 3, zones: 9 }),
  });
  const killer = new StageNodeKiller(arena.stage);
  arena.nodeKiller = killer;
  const rows: Row[] = [];
  const runs: ReshapeRun[] = [];
  try {
    let roster = await formed(arena, request.keys ?? KEYS);
    const undisturbed = new Map<string, { calls: Calls; tookMs: number }>();
    while (rows.length < kills) {
      for (const operation of operations) {
        const known = undisturbed.get(operation.name);
        const drawn = known === undefined ? [] : draw(chance, known.calls);
        killer.returns = chance.pick<Return>(['at once', 'failed over']);
        say(`${engine} ${operation.name}: ${drawn.map(killWords).join('; ') || 'undisturbed'} (${killer.returns})`);
        const done = await perform({ arena, killer, operation, roster, kills: drawn });
        roster = done.roster;
        const { tookMs, calls } = done.run;
        if (known === undefined) undisturbed.set(operation.name, { calls, tookMs });
        const hits = done.run.struck.filter(({ live }) => live.length > 0);
        for (const { kill, live, resumedAfterMs: extraMs } of hits) {
          const row = { operation: `${engine}: ${operation.name}`, point: killWords(kill), live, extraMs };
          rows.push({ ...row, outcome: done.outcome });
        }
        const { outcome, ledger, lost } = done;
        const undisturbedMs = known?.tookMs ?? tookMs;
        runs.push({
          engine,
          operation: operation.name,
          kills: hits.length,
          outcome,
          undisturbedMs,
          tookMs,
          ledger,
          lost,
        });
        say(`  ${hits.length} hit; ${outcome}; ${tookMs} ms; ${ledger} (${rows.length} of ${kills})`);
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

function draw(chance: Chance, calls: Calls): Kill[] {
  const count = FEWEST + chance.below(MOST - FEWEST + 1);
  const one = chance.below(2) === 0 ? [] : [chance.pick(NODES)];
  const common = {
    chance,
    hosts: 'process' as const,
    survivesReboot: [],
    favoured: FAVOURED,
    longestDelayMs: LONGEST_DELAY_MS,
  };
  // A node is killed while slots move, and at no other time: who gives and who gets is nobody before and after.
  const moving = { moveSlots: calls['moveSlots'] ?? 0 };
  const ofNodes = drawKills({ ...common, calls: moving, count: one.length, victims: one });
  const others = drawKills({ ...common, calls, count: count - ofNodes.length, victims: OTHERS });
  return [
    ...ofNodes,
    ...others.filter(({ activity, call }) => !ofNodes.some((kill) => kill.activity === activity && kill.call === call)),
  ];
}

async function formed(arena: Arena<ReshapeStage>, keys: number): Promise<Roster> {
  const { stage } = arena;
  const { report } = await arena.operate(['apply', '-f', stage.specFile]);
  if (report.outcome !== 'done') throw new Error(`the cluster was not formed: ${report.failure?.text.what}`);
  await stage.fill(keys);
  return { hosts: stage.spec.hosts.map(({ name }) => name), spares: stage.spares };
}

interface Performed {
  readonly run: Run;
  readonly roster: Roster;
  readonly outcome: string;
  readonly ledger: string;
  readonly lost: number;
}

async function perform(request: {
  readonly arena: Arena<ReshapeStage>;
  readonly killer: StageNodeKiller;
  readonly operation: ReshapeOperation;
  readonly roster: Roster;
  readonly kills: readonly Kill[];
}): Promise<Performed> {
  const { arena, killer, operation, kills } = request;
  const { stage } = arena;
  await arena.settled();
  const plan = await operation.prepare(stage, request.roster);
  killer.killed.length = 0;
  killer.moves = await movesOf(stage, plan);
  const ledger = await stage.ledger({ perSecond: LEDGER_PER_SECOND });
  try {
    await until('the ledger writes', async () => (await ledger.counts()).acknowledged > 500, 30_000);
    const run = await arena.operate([...plan.verb, '-f', plan.file], kills);
    await arena.settled();
    const killed = [...killer.killed];
    const verdict = await ledger.verify();
    const outcome = await judge({ stage, plan, run, verdict, killed });
    if (outcome === RESHAPED) {
      await ledger.clear();
      await plan.tidy?.();
    }
    const lost = accountFor(verdict, killed).excused.reduce((sum, { losses }) => sum + losses.length, 0);
    return { run, roster: plan.roster, outcome, ledger: ledgerWords(verdict, killed), lost };
  } finally {
    await ledger.close();
  }
}

/** What is going to be moved, as the plan says it. */
async function movesOf(stage: ReshapeStage, { verb, file }: ReshapePlan): Promise<readonly SlotMove[]> {
  const argv = verb[0] === 'apply' ? ['plan', '-f', file, '--json'] : [...verb, '-f', file, '--plan-only', '--json'];
  const { stdout, stderr } = await stage.run(...argv);
  if (stdout === '') throw new Error(`no plan: ${stderr}`);
  const { steps } = JSON.parse(stdout) as Plan;
  return steps.flatMap((step) => (step.kind === 'moveSlots' ? step.moves : []));
}

async function judge(of: {
  readonly stage: ReshapeStage;
  readonly plan: ReshapePlan;
  readonly run: Run;
  readonly verdict: LedgerVerdict;
  readonly killed: readonly KilledMaster[];
}): Promise<string> {
  const { stage, plan, run, verdict, killed } = of;
  const { outcome, failure, verdictAfter } = run.report;
  if (outcome !== 'done') return `ended as ${outcome}: ${failure?.text.what ?? 'no reason given'}`;
  if (verdictAfter?.healthy !== true) return 'done, and not healthy';
  const nodeKilled = run.struck.some(({ kill }) => NODES.some((victim) => victim === kill.victim));
  const problems = [
    ...ledgerProblems(verdict, { kills: killed, errors: nodeKilled ? 'accepted' : 'none' }),
    ...(await stage.problems({ file: plan.after ?? plan.file, search: 'one node' })),
    ...(await againProblems(stage, plan)),
  ];
  return problems.length === 0 ? RESHAPED : `done, and: ${problems.join('; ')}`;
}

/** The same again has nothing to do. */
async function againProblems(stage: ReshapeStage, { verb, file, after = file }: ReshapePlan): Promise<string[]> {
  const planning = verb[0] === 'apply' ? ['plan', '-f', after] : [...verb, '-f', after, '--plan-only'];
  const { exitCode, stdout, stderr } = await stage.run(...planning);
  return exitCode === 0 ? [] : [`the same again is not without anything to do (${exitCode}): ${stdout}${stderr}`];
}
