import { setMaxListeners } from 'node:events';
import { setTimeout } from 'node:timers/promises';
import type { WorkflowHandle } from '@temporalio/client';
import type { OperationReport, Progress, StepRecord } from '../domain/operation.js';
import type { applyClusterWorkflow } from '../workflows/index.js';
import { progressQuery } from '../workflows/messages.js';
import type { CliIo } from './io.js';
import { renderMoved } from './render/moves.js';
import { renderPause, renderStep } from './render/progress.js';
import { awaitReport } from './reports.js';

/**
 * How often one asks how far things are: on a terminal often enough to look live, and cheap enough for a query that touches no history. Where nobody can
 * look at it live, the worker is left to its work.
 */
const LOOK_EVERY_MS = { live: 250, told: 1_000 };
/** After this long without an answer a person wants to know why nothing moves. */
const SILENCE_IS_NEWS_MS = 5_000;

export type Followed = { readonly ended: true; readonly report: OperationReport } | { readonly ended: false };

/**
 * Shows the run going by until it ends or the person has seen enough (Ctrl-C): the operation does not depend on anybody watching it.
 * Steps are printed once each, when they end; on a terminal the ones that run are redrawn below.
 */
export async function follow(handle: WorkflowHandle<typeof applyClusterWorkflow>, io: CliIo): Promise<Followed> {
  const detach = new Promise<Followed>((resolve) => {
    process.once('SIGINT', () => resolve({ ended: false }));
  });
  const screen = new Screen(io);
  const leaving = new AbortController();
  // The client asks anew for the end of a long run every few seconds, and never takes its listener back: after four minutes Node would call that a leak.
  setMaxListeners(0, leaving.signal);
  const ended = handle.client
    .withAbortSignal(leaving.signal, () => awaitReport(handle))
    .then((report): Followed => ({ ended: true, report }));
  const watching = watch(handle, screen, {
    signal: leaving.signal,
    everyMs: LOOK_EVERY_MS[io.redraw ? 'live' : 'told'],
  });
  try {
    const followed = await Promise.race([ended, detach]);
    if (followed.ended) screen.show({ steps: followed.report.steps, phase: 'report' });
    return followed;
  } finally {
    // No question may outlive the connection, which the caller closes next.
    leaving.abort();
    await watching;
    screen.clear();
  }
}

async function watch(
  handle: WorkflowHandle<typeof applyClusterWorkflow>,
  screen: Screen,
  { signal, everyMs }: { signal: AbortSignal; everyMs: number },
): Promise<void> {
  let lastAnswer = Date.now();
  while (!signal.aborted) {
    const progress = await askProgress(handle, signal);
    if (signal.aborted) return;
    if (progress !== undefined) {
      lastAnswer = Date.now();
      screen.show(progress);
    } else if (Date.now() - lastAnswer > SILENCE_IS_NEWS_MS) {
      screen.note('no worker answers at the moment; the operation waits for one and goes on by itself');
    }
    await pause(everyMs, signal);
  }
}

/** `undefined` where no worker answers in time: the run itself is not troubled by that. Nothing of the question outlives its answer. */
export async function askProgress(
  handle: WorkflowHandle<typeof applyClusterWorkflow>,
  signal?: AbortSignal,
): Promise<Progress | undefined> {
  const patience = AbortSignal.timeout(SILENCE_IS_NEWS_MS);
  const enough = signal === undefined ? patience : AbortSignal.any([signal, patience]);
  try {
    return await handle.client.withAbortSignal(enough, () => handle.query(progressQuery));
  } catch {
    return undefined;
  }
}

/** Ends early where the signal says so. */
async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await setTimeout(ms, undefined, { signal }).catch((error: unknown) => {
    if (!signal.aborted) throw error;
  });
}

const ENDED: ReadonlySet<StepRecord['state']> = new Set<StepRecord['state']>([
  'changed',
  'unchanged',
  'failed',
  'skipped',
]);

/** Ended steps and pauses scroll by, running steps stay at the bottom and are redrawn where the terminal can. */
class Screen {
  private readonly printed = new Set<string>();
  private live = 0;
  private noted = '';
  private pausedSince: string | undefined;

  constructor(private readonly io: CliIo) {}

  show({ steps, phase, paused }: Pick<Progress, 'steps' | 'phase' | 'paused'>): void {
    this.noted = '';
    this.clear();
    this.tellPause(paused);
    for (const step of steps) {
      if (!ENDED.has(step.state) || this.printed.has(step.id)) continue;
      this.printed.add(step.id);
      for (const line of [renderStep(step, this.io), ...renderMoved(step, this.io)]) this.io.err(line);
    }
    this.draw([
      ...steps
        .filter(({ state }) => state === 'running')
        .flatMap((step) => [renderStep(step, this.io), ...renderMoved(step, this.io)]),
      `  ${this.io.colors.dim(paused === undefined ? PHASE_TEXTS[phase] : 'paused: what runs comes to its end, nothing new begins')}`,
    ]);
  }

  /** Once when it begins and once when it ends. */
  private tellPause(paused: Progress['paused']): void {
    if (this.pausedSince === paused?.since) return;
    this.pausedSince = paused?.since;
    this.io.err(`  ${paused === undefined ? 'no longer paused' : renderPause(paused, this.io)}`);
  }

  note(text: string): void {
    if (this.noted === text) return;
    this.noted = text;
    this.io.err(`  ${this.io.colors.yellow(text)}`);
  }

  clear(): void {
    if (this.live > 0) this.io.erase(this.live);
    this.live = 0;
  }

  private draw(lines: readonly string[]): void {
    if (!this.io.redraw) return;
    for (const line of lines) this.io.err(line);
    this.live = lines.length;
  }
}

const PHASE_TEXTS = {
  preflight: 'preflight: asking all hosts',
  plan: 'making the plan',
  steps: 'steps',
  proof: 'proof: reading back from every node',
  report: 'report',
} as const satisfies Record<Progress['phase'], string>;
