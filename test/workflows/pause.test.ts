import { type WorkflowHandle, WorkflowUpdateFailedError } from '@temporalio/client';
import { describe, expect, inject, it } from 'vitest';
import { ForgeError } from '../../domain/errors.js';
import type { OperationReport, Progress } from '../../domain/operation.js';
import type { Step } from '../../domain/plan.js';
import { awaitReport } from '../../starters/reports.js';
import { namedFailure } from '../../workflows/failures.js';
import type { applyClusterWorkflow } from '../../workflows/index.js';
import { pauseUpdate, progressQuery, resumeUpdate } from '../../workflows/messages.js';
import { PHASE_ATTRIBUTE } from '../../workflows/search-attributes.js';
import { gate } from '../support/gate.js';
import { runScripted, type Script } from '../support/scripted.js';
import { until } from '../support/until.js';
import { starts, world } from '../support/world.js';

const address = inject('temporalAddress');

let clusters = 0;
const fresh = () => `pause-${process.pid}-${++clusters}`;

type Handle = WorkflowHandle<typeof applyClusterWorkflow>;

async function run(script: Script, use: (handle: Handle) => Promise<void>): Promise<OperationReport> {
  return runScripted({ address, cluster: fresh(), workflow: 'applyClusterWorkflow', script }, async ({ handle }) => {
    await use(handle);
    return awaitReport(handle);
  });
}

const ANN = { actor: 'ann@here', reason: 'the network is being worked on' };
const pause = (handle: Handle, request = ANN) => handle.executeUpdate(pauseUpdate, { args: [request] });
const resume = (handle: Handle, actor = 'bob@there') => handle.executeUpdate(resumeUpdate, { args: [{ actor }] });
const progressOf = (handle: Handle): Promise<Progress> => handle.query(progressQuery);
const statesOf = ({ steps }: { steps: Progress['steps'] }) => steps.map(({ state }) => state);

function begunWhilePaused({ steps, pauses = [] }: OperationReport): string[] {
  const paused = (at: string) => pauses.some(({ since, until: end }) => since <= at && at < end);
  return steps.filter(({ startedAt }) => startedAt !== undefined && paused(startedAt)).map(({ id }) => id);
}

/** What the update was refused with. */
async function refusalOf(update: Promise<unknown>): Promise<string | undefined> {
  const error = await update.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof WorkflowUpdateFailedError)) throw new Error('it was not refused', { cause: error });
  const named = namedFailure(error.cause);
  expect(named?.type).toBe('Refused');
  return named?.text.what;
}

/** A start of h1 that is held open, and a test after it. */
const TWO_STEPS: Step[] = [...starts('h1'), { kind: 'smokeTest', id: 'smokeTest' }];
function heldAtFirst(steps = TWO_STEPS, calls: string[] = []) {
  const first = gate();
  const script = world({
    steps,
    calls,
    script: {
      startNode: async ({ host }) => {
        calls.push(`start ${host}`);
        if (host === 'h1') await first.pass();
        return { effects: ['started'] };
      },
      smokeTest: async () => {
        calls.push('smoke');
        return Promise.resolve({ effects: [] });
      },
    },
  });
  return { first, script, calls };
}

describe('a paused operation', () => {
  it('lets the running step come to its end, begins no other, shows who holds it and why, and goes on when resumed', async () => {
    const { first, script, calls } = heldAtFirst();
    const report = await run(script, async (handle) => {
      await first.reached;
      const asked = await pause(handle);
      expect(asked).toMatchObject({ phase: 'steps', paused: ANN });
      expect(statesOf(asked)).toEqual(['running', 'waiting']);
      first.open();
      await until('the step has ended', async () => statesOf(await progressOf(handle))[0] === 'changed');
      expect((await handle.describe()).typedSearchAttributes.get(PHASE_ATTRIBUTE)).toBe('paused');
      expect(calls).not.toContain('smoke');
      const resumed = await resume(handle);
      expect(resumed.paused).toBeUndefined();
    });
    expect(report).toMatchObject({ outcome: 'done', pauses: [{ ...ANN, resumedBy: 'bob@there' }] });
    expect(calls).toContain('smoke');
    expect(begunWhilePaused(report)).toEqual([]);
  });

  it('begins no step and takes no lease where it was paused before the first', async () => {
    const { first, script, calls } = heldAtFirst();
    const survey = gate();
    first.open();
    const report = await run(
      {
        ...script,
        draftApplyPlan: async (input) => {
          await survey.pass();
          return script.draftApplyPlan?.(input) ?? Promise.reject(new Error('the script drafts'));
        },
      },
      async (handle) => {
        await survey.reached;
        await pause(handle);
        survey.open();
        await until('the plan is known', async () => (await progressOf(handle)).steps.length > 0);
        expect(calls).toEqual([]);
        await resume(handle);
      },
    );
    expect(report.outcome).toBe('done');
    expect(calls.filter((call) => call === 'take')).toHaveLength(6);
  });

  it('stands before the proof where it was paused during the last step', async () => {
    const { first, script, calls } = heldAtFirst(starts('h1'));
    await run(script, async (handle) => {
      await first.reached;
      await pause(handle);
      first.open();
      await until('the last step has ended', async () => statesOf(await progressOf(handle))[0] === 'changed');
      expect((await progressOf(handle)).phase).toBe('steps');
      expect(calls).not.toContain('await');
      await resume(handle);
    });
    expect(calls).toContain('await');
  });

  it('holds all hosts at once', async () => {
    const { first, script, calls } = heldAtFirst([...starts('h1', 'h2', 'h3'), { kind: 'smokeTest', id: 'smokeTest' }]);
    const report = await run(script, async (handle) => {
      await first.reached;
      await until('h3 has ended', async () => statesOf(await progressOf(handle))[2] === 'changed');
      await pause(handle);
      first.open();
      await until('h1 has ended', async () => statesOf(await progressOf(handle))[0] === 'changed');
      expect(calls).not.toContain('smoke');
      await resume(handle);
    });
    expect(statesOf(report)).toEqual(['changed', 'changed', 'changed', 'unchanged']);
    expect(begunWhilePaused(report)).toEqual([]);
  });

  it('can be cancelled: nothing new begins, leases go back, the report says that nobody resumed it', async () => {
    const { first, script, calls } = heldAtFirst();
    const report = await run(script, async (handle) => {
      await first.reached;
      await pause(handle);
      first.open();
      await until('the step has ended', async () => statesOf(await progressOf(handle))[0] === 'changed');
      await handle.cancel();
    });
    expect(report).toMatchObject({ outcome: 'cancelled', pauses: [ANN] });
    expect(report.pauses?.[0]?.resumedBy).toBeUndefined();
    expect(statesOf(report)).toEqual(['changed', 'skipped']);
    expect(calls.filter((call) => call === 'release')).toHaveLength(6);
  });

  it('reports a failure of a step that ran while it stood', async () => {
    const first = gate();
    const script = world({
      steps: starts('h1'),
      script: {
        startNode: async () => {
          await first.pass();
          throw new ForgeError('NodeWontStart', { what: 'h1:6379 will not start', left: 'l', next: 'n' });
        },
      },
    });
    const report = await run(script, async (handle) => {
      await first.reached;
      await pause(handle);
      first.open();
    });
    expect(report).toMatchObject({ outcome: 'failed', failure: { type: 'NodeWontStart' }, pauses: [ANN] });
  });

  it('can be held more than once; each pause is in the report', async () => {
    const { first, script } = heldAtFirst();
    const report = await run(script, async (handle) => {
      await first.reached;
      for (const reason of ['once', 'twice']) {
        await pause(handle, { ...ANN, reason });
        await resume(handle);
      }
      first.open();
    });
    expect(report.pauses?.map(({ reason }) => reason)).toEqual(['once', 'twice']);
  });
});

describe('a request to pause or resume is refused', () => {
  it('where it stands already, with who holds it; and the pause stays as it was', async () => {
    const { first, script } = heldAtFirst();
    await run(script, async (handle) => {
      await first.reached;
      await pause(handle);
      expect(await refusalOf(pause(handle, { actor: 'eve', reason: 'me too' }))).toMatch(
        /is paused already: by ann@here since .*, because: the network is being worked on/,
      );
      expect((await progressOf(handle)).paused).toMatchObject(ANN);
      await resume(handle);
      first.open();
    });
  });

  it('where it is not paused', async () => {
    const { first, script } = heldAtFirst();
    const report = await run(script, async (handle) => {
      await first.reached;
      expect(await refusalOf(resume(handle))).toMatch(/is not paused \(phase: steps\)/);
      first.open();
    });
    expect(report).not.toHaveProperty('pauses');
  });

  it('where no step is left to stop before', async () => {
    const proof = gate();
    const { first, script } = heldAtFirst();
    first.open();
    const { awaitHealthy } = script;
    const report = await run(
      {
        ...script,
        awaitHealthy: async (input) => {
          await proof.pass();
          return awaitHealthy?.(input) ?? Promise.reject(new Error('the script proves'));
        },
      },
      async (handle) => {
        await proof.reached;
        expect(await refusalOf(pause(handle))).toMatch(/no step left to stop before \(phase: proof\)/);
        proof.open();
      },
    );
    expect(report.outcome).toBe('done');
  });

  it('where it does not say who asks; the run is not troubled', async () => {
    const { first, script } = heldAtFirst();
    const report = await run(script, async (handle) => {
      await first.reached;
      for (const request of [undefined, null, {}, { actor: '' }, { actor: 7 }, { actor: 'ann', reason: 7 }]) {
        for (const name of ['pause', 'resume']) {
          const update = handle.executeUpdate<unknown, [unknown]>(name, { args: [request] });
          await expect(update, JSON.stringify(request)).rejects.toBeInstanceOf(WorkflowUpdateFailedError);
        }
      }
      first.open();
    });
    expect(report.outcome).toBe('done');
  });
});
