import type { LabDriverName } from '../../lab/driver.js';
import type { JournalEntry } from '../support/e2e.js';
import { type Arena, type Run } from './arena.js';
import { type Chance, chanceOf } from './chance.js';
import { type Calls, drawKills, type Kill, killWords } from './kills.js';
import { type Mark, markOf, type MatrixOperation, OPERATIONS } from './operations.js';

/** One kill that hit a live step, and what became of the operation. */
export interface Row {
  readonly operation: string;
  readonly point: string;
  readonly live: readonly string[];
  readonly outcome: string;
  /** Until the operation went on, milliseconds. */
  readonly extraMs: number | null;
}

/** One run of an operation with all its kills. */
export interface RunRow {
  readonly operation: string;
  readonly kills: number;
  readonly outcome: string;
  readonly undisturbedMs: number;
  readonly tookMs: number;
}

export interface Matrix {
  readonly rows: readonly Row[];
  readonly runs: readonly RunRow[];
}

export interface MatrixRequest {
  readonly arena: Arena;
  readonly seed: number;
  /** Goes on until so many kills have hit. */
  readonly kills: number;
  readonly say?: (line: string) => void;
}

const PROVEN = 'done and proven, each effect once';
/** Kills in one run. */
const FEWEST = 4;
const MOST = 8;

interface Undisturbed {
  readonly mark: Mark;
  readonly calls: Calls;
  readonly tookMs: number;
}

/** Takes a cluster through its life again and again, and kills in every operation, until enough kills have hit. Stops at the first run that is not as it would have been undisturbed. */
export async function runMatrix({ arena, seed, kills, say = () => undefined }: MatrixRequest): Promise<Matrix> {
  const chance = chanceOf(seed);
  const undisturbed = new Map<string, Undisturbed>();
  const rows: Row[] = [];
  const runs: RunRow[] = [];
  const operations = OPERATIONS.filter(({ survivesReboot }) => arena.hosts === 'process' || survivesReboot.length > 0);
  for (const operation of operations) {
    const { run, mark } = await perform(arena, operation, []);
    undisturbed.set(operation.name, { mark, calls: run.calls, tookMs: run.tookMs });
    say(`${operation.name}: ${run.tookMs} ms undisturbed, ${sum(run.calls)} activities`);
  }
  while (rows.length < kills) {
    for (const operation of operations) {
      const wanted = undisturbed.get(operation.name);
      if (wanted === undefined) throw new Error(`${operation.name} was not run undisturbed`);
      const { survivesReboot } = operation;
      const { hosts } = arena;
      const drawn = drawKills({ chance, calls: wanted.calls, count: countOf(chance), hosts, survivesReboot });
      say(`${operation.name}: ${drawn.map(killWords).join('; ')}`);
      const { run, mark } = await perform(arena, operation, drawn);
      const outcome = judge(run, { found: mark, wanted: wanted.mark, hosts });
      const hits = run.struck.filter(({ live }) => live.length > 0);
      for (const { kill, live, resumedAfterMs } of hits) {
        rows.push({ operation: operation.name, point: killWords(kill), live, outcome, extraMs: resumedAfterMs });
      }
      const { tookMs } = run;
      runs.push({ operation: operation.name, kills: hits.length, outcome, undisturbedMs: wanted.tookMs, tookMs });
      say(`  ${hits.length} hit; ${outcome}; ${tookMs} ms (${rows.length} of ${kills})`);
      if (outcome !== PROVEN) return { rows, runs };
    }
  }
  return { rows, runs };
}

export function isProven({ rows, runs }: Matrix): boolean {
  return [...rows, ...runs].every(({ outcome }) => outcome === PROVEN);
}

function countOf(chance: Chance): number {
  return FEWEST + chance.below(MOST - FEWEST + 1);
}

function sum(calls: Calls): number {
  return Object.values(calls).reduce((total, times) => total + times, 0);
}

async function perform(
  arena: Arena,
  operation: MatrixOperation,
  kills: readonly Kill[],
): Promise<{ run: Run; mark: Mark }> {
  await arena.settled();
  await operation.prepare?.(arena.stage);
  const before = await arena.stage.journal();
  const run = await arena.operate(await operation.argv(arena.stage), kills);
  const after = await arena.stage.journal();
  return { run, mark: markOf(run.report, added(before, after)) };
}

/** A host that was given back has no journal any more. */
function added(before: readonly JournalEntry[], after: readonly JournalEntry[]): JournalEntry[] {
  const hosts = [...new Set(after.map(({ host }) => host))];
  return hosts.flatMap((host) => {
    const of = (journal: readonly JournalEntry[]) => journal.filter((entry) => entry.host === host);
    return of(after).slice(of(before).length);
  });
}

function judge({ report }: Run, { found, wanted, hosts }: { found: Mark; wanted: Mark; hosts: LabDriverName }): string {
  if (report.outcome !== 'done') return `ended as ${report.outcome}: ${report.failure?.text.what ?? 'no reason given'}`;
  if (report.verdictAfter?.healthy === false) return 'done, and not healthy';
  if (JSON.stringify(found.shape) !== JSON.stringify(wanted.shape)) {
    return `another shape: ${differenceOf(found.shape, wanted.shape)}`;
  }
  const [done, due] =
    hosts === 'container' ? [lasting(found.effects), lasting(wanted.effects)] : [found.effects, wanted.effects];
  if (JSON.stringify(done) === JSON.stringify(due)) return PROVEN;
  return `other effects: ${differenceOf(done, due)}`;
}

/**
 * A node that went down with its host is started and stopped again, and rightly so. Settings of a container's network are gone with its power, and
 * stay with a host that was only given back.
 */
function lasting(effects: readonly string[]): string[] {
  return effects.filter((effect) => !/ (node\.(started|stopping)|os\.\S+) /.test(effect));
}

function differenceOf(found: readonly string[], wanted: readonly string[]): string {
  const rest = [...wanted];
  const more = found.filter((line) => {
    const at = rest.indexOf(line);
    if (at >= 0) rest.splice(at, 1);
    return at < 0;
  });
  return JSON.stringify({ more, missing: rest });
}
