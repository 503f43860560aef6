import type { Plan } from '../../domain/plan.js';
import type { SlotMove } from '../../domain/slot-moves.js';
import type { EngineName } from '../../lab/engines.js';
import { accountFor, type LedgerVerdict, ledgerProblems, ledgerWords, type KilledMaster } from '../support/ledger.js';
import { openReshapeStage, type ReshapeStage } from '../support/reshape-stage.js';
import { until } from '../support/until.js';
import { Arena, type Run } from './arena.js';
import { type Kill, killWords, NODE_VICTIMS } from './kills.js';
import type { Row } from './matrix.js';
import { type Return, StageNodeKiller } from './node-killer.js';
import type { ReshapeOperation, ReshapePlan, Roster } from './reshape-operations.js';
import type { Struck } from './running-run.js';

/** What every run has to come to. */
export const RESHAPED = 'done and proven, the ledger complete';

export interface ReshapeArenaRequest {
  readonly name: string;
  readonly engine: EngineName;
  /** Before anything begins; moved about all the time. */
  readonly keys?: number;
}

export interface PerformRequest {
  readonly operation: ReshapeOperation;
  readonly kills: readonly Kill[];
  readonly returns: Return;
}

/** One run of an operation with its kills, how it was found, and what clients had of it. */
export interface Performed {
  readonly run: Run;
  /** Kills that hit a live step. */
  readonly hits: readonly Struck[];
  /** `RESHAPED`, or all that is wrong. */
  readonly outcome: string;
  /** One line: what was written, and how it was found. */
  readonly ledger: string;
  /** Acknowledged writes that a killed master had not replicated. */
  readonly lost: number;
}

const KEYS = 5000;
/** Those of a cluster of three masters with a replica each wait for a fourth shard, and for a host that dies. */
const SPARES = 3;
/** Not as fast as it can: the movers are to have the machine, too. */
const LEDGER_PER_SECOND = 1000;
/** Acknowledged before an operation begins. */
const BEFORE = 500;

/** A cluster that changes its shape in an arena, from one operation to the next, under a ledger each. */
export class ReshapeArena {
  readonly #killer: StageNodeKiller;
  #roster: Roster;

  private constructor(private readonly arena: Arena<ReshapeStage>) {
    const { stage } = arena;
    this.#killer = new StageNodeKiller(stage);
    arena.nodeKiller = this.#killer;
    this.#roster = { hosts: stage.spec.hosts.map(({ name }) => name), spares: stage.spares };
  }

  /** With a cluster formed, and keys in it. */
  static async open({ name, engine, keys = KEYS }: ReshapeArenaRequest): Promise<ReshapeArena> {
    const arena = await Arena.on({
      openStage: (temporalAddress) => openReshapeStage({ temporalAddress, name, engine, spares: SPARES, zones: 9 }),
    });
    try {
      const { report } = await arena.operate(['apply', '-f', arena.stage.specFile]);
      if (report.outcome !== 'done') throw new Error(`the cluster was not formed: ${report.failure?.text.what}`);
      await arena.stage.fill(keys);
      return new ReshapeArena(arena);
    } catch (error) {
      await arena.close();
      throw error;
    }
  }

  close(): Promise<void> {
    return this.arena.close();
  }

  async perform({ operation, kills, returns }: PerformRequest): Promise<Performed> {
    const { stage } = this.arena;
    const killer = this.#killer;
    await this.arena.settled();
    const plan = await operation.prepare(stage, this.#roster);
    const leaving = this.#roster.hosts.filter((name) => !plan.roster.hosts.includes(name));
    killer.begin({ moves: await movesOf(stage, plan), returns, leaving });
    const ledger = await stage.ledger({ perSecond: LEDGER_PER_SECOND });
    try {
      await until('the ledger writes', async () => (await ledger.counts()).acknowledged > BEFORE, 30_000);
      const run = await this.arena.operate([...plan.verb, '-f', plan.file], kills);
      await this.arena.settled();
      const verdict = await ledger.verify();
      const { killed } = killer;
      const outcome = await judge({ stage, plan, run, verdict, killed });
      if (outcome === RESHAPED) {
        await ledger.clear();
        await plan.tidy?.();
        this.#roster = plan.roster;
      }
      const hits = run.struck.filter(({ live }) => live.length > 0);
      const lost = verdict.losses.length - accountFor(verdict, killed).unexcused.length;
      return { run, hits, outcome, ledger: ledgerWords(verdict, killed), lost };
    } finally {
      await ledger.close();
    }
  }
}

/** A row for each kill that hit. */
export function rowsOf(operation: string, { hits, outcome }: Performed): Row[] {
  return hits.map(({ kill, live, resumedAfterMs: extraMs }) => ({
    operation,
    point: killWords(kill),
    live,
    outcome,
    extraMs,
  }));
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
  if (outcome !== 'done') {
    const lost = ledgerProblems(verdict, { kills: killed, errors: 'accepted' });
    return [`ended as ${outcome}: ${failure?.text.what ?? 'no reason given'}`, ...lost].join('; ');
  }
  if (verdictAfter?.healthy !== true) return 'done, and not healthy';
  const nodeKilled = run.struck.some(({ kill }) => NODE_VICTIMS.some((victim) => victim === kill.victim));
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
