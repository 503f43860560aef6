import {
  CancellationScope,
  CancelledFailure,
  condition,
  log,
  patched,
  setHandler,
  upsertMemo,
  workflowInfo,
} from '@temporalio/workflow';
import { MEMO } from '../domain/ids.js';
import type { OperationInput, OperationReport } from '../domain/operation.js';
import type { OperationKind, Plan, Step } from '../domain/plan.js';
import type { StepResult } from '../domain/steps.js';
import type { Lease } from '../domain/survey.js';
import type { Finding, Verdict } from '../domain/verdict.js';
import { activitiesFor, type OperationActivities } from './activity-options.js';
import { failure, namedFailure } from './failures.js';
import { HeldHosts } from './leases.js';
import { type Ending, Logbook, now } from './logbook.js';
import { progressQuery } from './messages.js';
import { acceptPauses } from './pausing.js';
import { StopRequested } from './stop-requested.js';

/** What a verb adds to the shape that all operations share: preflight and plan, steps, proof. */
export interface Runbook {
  readonly kind: OperationKind;
  draft(operation: Operation): Promise<Draft>;
  perform(operation: Operation, plan: Plan): Promise<void>;
  prove(operation: Operation): Promise<Verdict | null>;
}

export interface Draft {
  readonly plan: Plan;
  readonly verdict: Verdict | null;
  /** Highest generation that any host has seen. */
  readonly generation: number;
  /** The generation of each host that was examined. */
  readonly seen: Readonly<Record<string, number>>;
  /** Leases that hosts still have from somebody before. */
  readonly left: readonly Lease[];
}

/** One run of a plan, as its runbook sees it. */
export class Operation {
  readonly activities: OperationActivities;
  readonly held: HeldHosts;
  private stopRequested = false;

  constructor(
    readonly input: OperationInput,
    readonly logbook: Logbook,
    kind: OperationKind,
  ) {
    this.activities = activitiesFor(input.spec);
    this.held = new HeldHosts(input, kind, this.activities);
    // A cancellation asks to stop at the next safe point; nothing that is under way is torn.
    CancellationScope.current().cancelRequested.catch(() => {
      this.stopRequested = true;
    });
  }

  /** Runs one step, unless somebody asked to stop before it. */
  async step(step: Step, perform: (token: StepAddress) => Promise<StepResult>): Promise<void> {
    await this.checkpoint();
    await this.logbook.record(step, () => perform({ generation: this.held.generation, step: step.id }));
  }

  /** A safe point: between steps, where everything is closed. */
  async checkpoint(): Promise<void> {
    await this.standWhilePaused();
    if (this.stopRequested) throw new StopRequested();
  }

  /** Whether somebody wants what runs to come to a safe point now. */
  get interrupted(): boolean {
    return this.stopRequested || this.logbook.paused;
  }

  /** Waits so long, unless somebody asks to stop. */
  async waitFor(ms: number): Promise<void> {
    await condition(() => this.stopRequested, ms);
    await this.checkpoint();
  }

  /** Where the record of a host is gone, so is the lease in it. */
  releasedHost({ host, data }: { readonly host: string; readonly data: 'keep' | 'delete' }): void {
    if (data === 'delete' || !patched('release-kept-hosts')) this.held.forget(host);
  }

  /** A pause ends when somebody lets the operation go on, or asks it to stop. */
  async standWhilePaused(): Promise<void> {
    while (this.logbook.paused && !this.stopRequested) {
      await condition(() => !this.logbook.paused || this.stopRequested);
    }
  }
}

/** Generation and step of a mutating call; the worker adds the attempt. */
export interface StepAddress {
  readonly generation: number;
  readonly step: string;
}

/**
 * The skeleton of every operation: preflight → plan → steps → proof → report. Ends only on proof; whatever happens, leases are given back and
 * a report is left: as the result, or in the memo where the run failed or was cancelled.
 */
export async function runOperation(runbook: Runbook, input: OperationInput): Promise<OperationReport> {
  const logbook = new Logbook(runbook.kind, input);
  setHandler(progressQuery, () => logbook.progress(), {
    description: 'Phase and steps of this operation, with times and effects.',
  });
  acceptPauses(logbook);
  const operation = new Operation(input, logbook, runbook.kind);
  const report = await CancellationScope.nonCancellable(() => conduct(runbook, operation));
  if (report.outcome === 'done') return report;
  upsertMemo({ [MEMO.report]: report });
  if (report.outcome === 'cancelled')
    throw new CancelledFailure(`Stopped at a safe point: ${report.cluster} ${report.operation}.`);
  const { type, text } = report.failure ?? {
    type: 'NotProven',
    text: { what: 'No reason given.', left: '', next: '' },
  };
  throw failure(type, text);
}

async function conduct(runbook: Runbook, operation: Operation): Promise<OperationReport> {
  const { logbook, held } = operation;
  let draft: Draft | undefined;
  let after: Verdict | null = null;
  let end: Ending = { outcome: 'done' };
  try {
    draft = await runbook.draft(operation);
    agreeOnPlan(operation.input, draft.plan);
    logbook.expect(draft.plan.steps);
    if (draft.plan.steps.length > 0) {
      await operation.checkpoint();
      await held.take({ generation: draft.generation + 1, seen: draft.seen });
      logbook.enter('steps');
      await runbook.perform(operation, draft.plan);
    } else if (draft.left.length > 0 && patched('left-leases')) {
      // Nothing is to be done, and what a terminated run began may still come: it must not undo that.
      await held.takeOver({ generation: draft.generation + 1, seen: draft.seen }, draft.left);
    }
    await operation.standWhilePaused();
    logbook.enter('proof');
    after = await runbook.prove(operation);
    requireProof(after, logbook);
  } catch (error) {
    end = endingOf(error, logbook);
    after ??= await lastLook(runbook, operation, end);
  }
  logbook.close();
  await held.release();
  logbook.conclude(end);
  return reportOf(operation, runbook.kind, { draft, after, end });
}

/** What was shown is what runs. */
function agreeOnPlan(input: OperationInput, plan: Plan): void {
  const refusal = plan.refusals[0];
  if (refusal !== undefined) {
    throw failure(refusal.failure ?? 'Refused', {
      what: plan.refusals.map((one) => one.what).join(' '),
      left: 'Nothing was changed.',
      next: [...new Set(plan.refusals.map((one) => one.next))].join(' '),
    });
  }
  if (plan.digest === input.planDigest) return;
  throw failure('PlanChanged', {
    what: `The plan that was shown (${input.planDigest.slice(0, 12)}) is not what ${plan.cluster} needs now (${plan.digest.slice(0, 12)}): the hosts or the nodes have changed since, or the worker is of another version.`,
    left: 'Nothing was changed.',
    next: 'Run the same command again and read the new plan.',
  });
}

function requireProof(verdict: Verdict | null, { begun }: Logbook): void {
  if (verdict === null || verdict.healthy) return;
  const errors = verdict.findings.filter((finding) => finding.severity === 'error');
  throw failure('NotProven', {
    what: `${begun ? 'All steps are done' : 'There is nothing to change'}, and ${verdict.cluster} is not healthy. ${errors.map(findingText).join(' ')}`,
    left: begun ? 'What the steps have done stays.' : 'Nothing was changed.',
    next: errors[0]?.next ?? 'Run `redisforge status`.',
  });
}

function findingText({ code, node, host, evidence }: Finding): string {
  const about = node ?? host;
  return `${about === undefined ? code : `${code} ${about}`}: ${evidence}`;
}

function endingOf(error: unknown, logbook: Logbook): Ending {
  if (error instanceof StopRequested) return { outcome: 'cancelled' };
  const named = namedFailure(error);
  // Not a refusal and not a failure of a step, so a bug of ours: let the workflow task fail, where it is seen and can be mended.
  if (named === undefined) throw error;
  const refused = !logbook.begun && named.type !== 'NotProven';
  return { outcome: refused ? 'refused' : 'failed', failure: named };
}

/** The state that a stopped or failed operation leaves behind belongs into its report, where it can be had. */
async function lastLook(runbook: Runbook, operation: Operation, { outcome }: Ending): Promise<Verdict | null> {
  if (runbook.kind === 'destroy' || !operation.logbook.changed) return null;
  try {
    const moved = operation.logbook.hasBegun('moveSlots') || operation.logbook.hasBegun('repairSlots');
    if (outcome === 'cancelled' && moved && patched('settled-when-cancelled')) {
      // What it closed has to be seen by all before it is said.
      return await operation.activities.settle.awaitSettled.executeWithOptions(
        { summary: 'proof: nothing is left open' },
        [{ spec: operation.input.spec }],
      );
    }
    return await operation.activities.read.judgeCluster.executeWithOptions({ summary: 'a last look, for the report' }, [
      { spec: operation.input.spec },
    ]);
  } catch (error) {
    log.warn('no verdict could be had for the report', { error });
    return null;
  }
}

function reportOf(
  { input, logbook, held }: Operation,
  kind: OperationKind,
  { draft, after, end }: { draft: Draft | undefined; after: Verdict | null; end: Ending },
): OperationReport {
  const { workflowId, runId } = workflowInfo();
  return {
    operation: kind,
    cluster: input.spec.name,
    workflowId,
    runId,
    outcome: end.outcome,
    changed: logbook.changed,
    actor: input.actor,
    reason: input.reason,
    startedAt: logbook.startedAt,
    endedAt: now(),
    generation: held.generationOrNull,
    plan: draft?.plan ?? null,
    steps: logbook.steps,
    ...(logbook.pauses.length === 0 ? {} : { pauses: logbook.pauses }),
    verdictBefore: draft?.verdict ?? null,
    verdictAfter: after,
    ...(end.failure === undefined ? {} : { failure: end.failure }),
  };
}
