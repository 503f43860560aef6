import { setCurrentDetails, upsertSearchAttributes } from '@temporalio/workflow';
import { PHASE_ATTRIBUTE } from './search-attributes.js';
import type {
  EndedPause,
  MoveTotals,
  OperationInput,
  Outcome,
  Pause,
  Phase,
  Progress,
  StepRecord,
} from '../domain/operation.js';
import { moveText } from '../domain/move-totals.js';
import { describeStep, type OperationKind, type Step } from '../domain/plan.js';
import type { StepResult } from '../domain/steps.js';
import type { NamedFailure } from './failures.js';
import { StopRequested } from './stop-requested.js';

/** How a run came to its end. */
export interface Ending {
  readonly outcome: Outcome;
  readonly failure?: NamedFailure;
}

/** What has happened in this run so far; the `progress` query, the Temporal UI's details and the report all read from it. */
export class Logbook {
  private phase: Phase = 'preflight';
  private records: StepRecord[] = [];
  private ending: Ending | undefined;
  private pausedNow: Pause | null = null;
  private readonly ended: EndedPause[] = [];
  private atItsEnd = false;
  readonly startedAt = now();

  constructor(
    private readonly kind: OperationKind,
    private readonly input: OperationInput,
  ) {
    this.publish();
  }

  enter(phase: Phase): void {
    this.phase = phase;
    this.publishPhase();
  }

  pause(pause: Pause): void {
    this.pausedNow = pause;
    this.publishPhase();
  }

  /** Without a name where the operation came to its end while it stood. */
  endPause(resumedBy?: string): void {
    if (this.pausedNow === null) return;
    this.ended.push({ ...this.pausedNow, until: now(), ...(resumedBy === undefined ? {} : { resumedBy }) });
    this.pausedNow = null;
    this.publishPhase();
  }

  get paused(): boolean {
    return this.pausedNow !== null;
  }

  /** No step will begin any more. */
  get closed(): boolean {
    return this.atItsEnd;
  }

  get pauses(): readonly EndedPause[] {
    return this.ended;
  }

  expect(steps: readonly Step[]): void {
    this.records = steps.map(waiting);
    this.publish();
  }

  /** A step that no plan could know of. */
  expectMore(step: Step): void {
    this.records = [...this.records, waiting(step)];
    this.publish();
  }

  /** Runs one step and records its times, its effects and its end. */
  async record(step: Step, perform: () => Promise<StepResult>): Promise<void> {
    this.update(step.id, { state: 'running', startedAt: now() });
    try {
      const { effects } = await perform();
      this.update(step.id, { state: effects.length > 0 ? 'changed' : 'unchanged', effects, endedAt: now() });
    } catch (error) {
      if (error instanceof StopRequested) {
        const { effects } = error;
        this.update(step.id, { state: effects.length > 0 ? 'changed' : 'unchanged', effects, endedAt: now() });
      } else this.update(step.id, { state: 'failed', endedAt: now() });
      throw error;
    }
  }

  /** How far a step that moves slots is. */
  moved({ id }: Step, moved: MoveTotals): void {
    this.update(id, { moved });
  }

  /** Steps that never began, once it is sure that they will not. A pause that lasts until here ends with them. */
  close(): void {
    this.atItsEnd = true;
    this.endPause();
    this.records = this.records.map((record) =>
      record.state === 'waiting' ? { ...record, state: 'skipped' } : record,
    );
    this.publish();
  }

  /** All is over but the report. */
  conclude(ending: Ending): void {
    this.ending = ending;
    this.enter('report');
  }

  get steps(): readonly StepRecord[] {
    return this.records;
  }

  /** Whether any step was begun; until then an operation has changed nothing. */
  get begun(): boolean {
    return this.records.some(({ state }) => state !== 'waiting' && state !== 'skipped');
  }

  /** Whether the step with this ID was begun. */
  hasBegun(id: string): boolean {
    return this.records.some((record) => record.id === id && record.startedAt !== undefined);
  }

  get changed(): boolean {
    return this.records.some((record) => record.state === 'changed' || record.state === 'failed');
  }

  progress(): Progress {
    const { actor, reason, spec } = this.input;
    const { phase, startedAt, records: steps, pausedNow } = this;
    const paused = pausedNow === null ? {} : { paused: pausedNow };
    return { operation: this.kind, cluster: spec.name, actor, reason, startedAt, phase, ...paused, steps };
  }

  private update(id: string, change: Partial<StepRecord>): void {
    this.records = this.records.map((record) => (record.id === id ? { ...record, ...change } : record));
    this.publish();
  }

  private publishPhase(): void {
    upsertSearchAttributes([{ key: PHASE_ATTRIBUTE, value: this.paused ? 'paused' : this.phase }]);
    this.publish();
  }

  private publish(): void {
    const { actor, reason, spec } = this.input;
    const lines = [
      `**${this.kind} ${spec.name}: ${this.ending?.outcome ?? this.phase}**`,
      '',
      `${actor}: ${reason || 'no reason given'}`,
      '',
      ...this.pauseDetails(),
      ...endingLines(this.ending),
      ...this.records.map((record) => `- ${MARKS[record.state]} ${record.title}${movedText(record)}`),
      '',
      LAST_LINE,
    ];
    setCurrentDetails(lines.join('\n'));
  }

  private pauseDetails(): string[] {
    if (this.pausedNow === null) return [];
    const { actor, since, reason } = this.pausedNow;
    return [`**paused** by ${actor} since ${since}: ${reason || 'no reason given'}`, ''];
  }
}

/** A failure in the words that the CLI has for it, each part a paragraph. */
function endingLines(ending: Ending | undefined): string[] {
  if (ending?.failure === undefined) return [];
  const { type, text } = ending.failure;
  const parts = [`**${type}**: ${text.what}`, text.left, text.next === '' ? '' : `next: ${text.next}`];
  return parts.filter((part) => part !== '').flatMap((part) => [part, '']);
}

function movedText({ moved }: StepRecord): string {
  return moved === undefined ? '' : `: ${moveText(moved)}`;
}

/** The Temporal UI makes the frame for the details a line too low: a blank one is what is cut off. */
const LAST_LINE = '\u00a0';

const MARKS = {
  waiting: '·',
  running: '▶',
  changed: '✔',
  unchanged: '=',
  failed: '✘',
  skipped: '–',
} as const satisfies Record<StepRecord['state'], string>;

/** The workflow's own time: deterministic in replay. */
export function now(): string {
  return new Date().toISOString();
}

function waiting(step: Step): StepRecord {
  return { id: step.id, title: describeStep(step), state: 'waiting', effects: [] };
}
