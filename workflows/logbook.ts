import { setCurrentDetails, upsertSearchAttributes } from '@temporalio/workflow';
import { PHASE_ATTRIBUTE } from './search-attributes.js';
import type { OperationInput, Phase, Progress, StepRecord } from '../domain/operation.js';
import { describeStep, type OperationKind, type Step } from '../domain/plan.js';
import type { StepResult } from '../domain/steps.js';

/** What has happened in this run so far; the `progress` query, the Temporal UI's details and the report all read from it. */
export class Logbook {
  private phase: Phase = 'preflight';
  private records: StepRecord[] = [];
  readonly startedAt = now();

  constructor(
    private readonly kind: OperationKind,
    private readonly input: OperationInput,
  ) {
    this.publish();
  }

  enter(phase: Phase): void {
    this.phase = phase;
    upsertSearchAttributes([{ key: PHASE_ATTRIBUTE, value: phase }]);
    this.publish();
  }

  expect(steps: readonly Step[]): void {
    this.records = steps.map((step) => ({ id: step.id, title: describeStep(step), state: 'waiting', effects: [] }));
    this.publish();
  }

  /** Runs one step and records its times, its effects and its end. */
  async record(step: Step, perform: () => Promise<StepResult>): Promise<void> {
    this.update(step.id, { state: 'running', startedAt: now() });
    try {
      const { effects } = await perform();
      this.update(step.id, { state: effects.length > 0 ? 'changed' : 'unchanged', effects, endedAt: now() });
    } catch (error) {
      this.update(step.id, { state: 'failed', endedAt: now() });
      throw error;
    }
  }

  /** Steps that never began, once it is sure that they will not. */
  close(): void {
    this.records = this.records.map((record) =>
      record.state === 'waiting' ? { ...record, state: 'skipped' } : record,
    );
    this.publish();
  }

  get steps(): readonly StepRecord[] {
    return this.records;
  }

  /** Whether any step was begun; until then an operation has changed nothing. */
  get begun(): boolean {
    return this.records.some(({ state }) => state !== 'waiting' && state !== 'skipped');
  }

  get changed(): boolean {
    return this.records.some((record) => record.state === 'changed' || record.state === 'failed');
  }

  progress(): Progress {
    const { actor, reason, spec } = this.input;
    const { phase, startedAt, records: steps } = this;
    return { operation: this.kind, cluster: spec.name, actor, reason, startedAt, phase, steps };
  }

  private update(id: string, change: Partial<StepRecord>): void {
    this.records = this.records.map((record) => (record.id === id ? { ...record, ...change } : record));
    this.publish();
  }

  private publish(): void {
    const lines = this.records.map((record) => `- ${MARKS[record.state]} ${record.title}`);
    const head = `**${this.kind} ${this.input.spec.name}**: ${this.phase} — ${this.input.actor}: ${this.input.reason || 'no reason given'}`;
    setCurrentDetails([head, '', ...lines].join('\n'));
  }
}

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
