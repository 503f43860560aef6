import { ApplicationFailure, CancelledFailure, TerminatedFailure } from '@temporalio/common';
import { WorkflowFailedError } from '@temporalio/client';
import { describe, expect, inject, it } from 'vitest';
import { ForgeError } from '../../domain/errors.js';
import { operationWorkflowId } from '../../domain/ids.js';
import { declaredNodes } from '../../domain/nodes.js';
import type { OperationReport } from '../../domain/operation.js';
import type { NodeStatus, Verdict } from '../../domain/verdict.js';
import { awaitReport } from '../../starters/reports.js';
import { runScripted, type Script } from '../support/scripted.js';
import { hostOf, specOf } from '../support/spec.js';
import { formedSurveys, surveyOf, verdictOf } from '../support/survey.js';
import { until } from '../support/until.js';
import { starts, world } from '../support/world.js';

const address = inject('temporalAddress');
const HOSTS = specOf().hosts.map(({ name }) => name);

let clusters = 0;
const fresh = () => `op-${process.pid}-${++clusters}`;

async function reportOf(script: Script, input = {}): Promise<OperationReport> {
  return runScripted({ address, cluster: fresh(), workflow: 'applyClusterWorkflow', script, input }, ({ handle }) =>
    awaitReport(handle),
  );
}

describe('an operation', () => {
  it('changes nothing, takes no lease and proves with one observation where the plan is empty', async () => {
    const calls: string[] = [];
    const report = await reportOf(world({ calls }));
    expect(report).toMatchObject({
      outcome: 'done',
      changed: false,
      generation: null,
      actor: 'tester@here',
      reason: 'to see',
    });
    expect(calls).toEqual(['judge']);
  });

  it("brings an engine to a host before a node of it is started, under the operation's own token", async () => {
    const calls: string[] = [];
    const install = {
      kind: 'installEngine',
      id: 'installEngine/h1',
      host: 'h1',
      engine: 'redis 8.6',
      why: 'not there',
    } as const;
    const report = await reportOf(
      world({
        calls,
        steps: [install, ...starts('h1')],
        script: {
          installEngine: async ({ host, token }) => {
            calls.push(`install ${host} ${token.step} ${token.generation}`);
            return Promise.resolve({ effects: ['installed'] });
          },
        },
      }),
    );
    expect(report.outcome).toBe('done');
    expect(calls.filter((call) => /^(install|start)/.test(call))).toEqual(['install h1 installEngine/h1 8', 'start']);
  });

  it('has the hosts try each other before the plan, and gives the plan what they found', async () => {
    const calls: string[] = [];
    const reach = { failures: [], deaf: [], unexamined: [{ host: 'h2', why: 'it has neither perl nor python3' }] };
    const sound = world();
    const { draftApplyPlan } = sound;
    const report = await reportOf({
      ...sound,
      examinePorts: async ({ hosts }) => {
        calls.push(`examine ${hosts.length}`);
        return Promise.resolve(reach);
      },
      draftApplyPlan: async (input) => {
        calls.push('draft');
        expect(input.reach).toEqual(reach);
        if (draftApplyPlan === undefined) throw new Error('the world drafts no plan');
        return draftApplyPlan(input);
      },
    });
    expect(report.outcome).toBe('done');
    expect(calls).toEqual(['examine 6', 'draft']);
  });

  it('tries no ports where every node runs and is a member', async () => {
    const report = await reportOf({
      ...world(),
      surveyHost: async ({ host }) => {
        const survey = formedSurveys().find((one) => one.host === host);
        return Promise.resolve(survey ?? surveyOf(host));
      },
      examinePorts: async () => Promise.reject(new Error('nobody asked for it')),
    });
    expect(report.outcome).toBe('done');
  });

  it.each([
    ['takes over the lease of an earlier run where nothing is to be done', 'ns-1', 8, ['take', 'judge', 'release']],
    ['leaves the lease of somebody else where nothing is to be done', 'ns-2', null, ['judge']],
  ])('%s', async (_, server, generation, expected) => {
    const calls: string[] = [];
    const cluster = fresh();
    const lease = { generation: 7, server, workflowId: operationWorkflowId(cluster), runId: 'r', operation: 'apply' };
    const report = await runScripted(
      {
        address,
        cluster,
        workflow: 'applyClusterWorkflow',
        script: world({
          calls,
          script: {
            surveyHost: async ({ host }) =>
              Promise.resolve(
                surveyOf(host, { generation: 7, lease: { ...lease, actor: 'anna', since: '2026-11-21T00:00:00Z' } }),
              ),
          },
        }),
      },
      ({ handle }) => awaitReport(handle),
    );
    expect(report).toMatchObject({ outcome: 'done', changed: false, generation });
    expect([...new Set(calls)]).toEqual(expected);
  });

  it('raises the generation above the highest seen on all hosts before the first step, and gives the leases back after the proof', async () => {
    const calls: string[] = [];
    const generations: number[] = [];
    const report = await reportOf(
      world({
        steps: starts('h1', 'h2'),
        calls,
        script: {
          takeLease: async ({ host, lease }) => {
            calls.push('take');
            generations.push(lease.generation);
            return Promise.resolve(surveyOf(host).record);
          },
        },
      }),
    );
    expect(report).toMatchObject({ outcome: 'done', changed: true, generation: 8 });
    expect(generations).toEqual(HOSTS.map(() => 8));
    const six = <T>(value: T) => HOSTS.map(() => value);
    expect(calls).toEqual([...six('take'), 'start', 'start', 'await', 'judge', ...six('release')]);
    expect(report.steps.map(({ state, effects }) => [state, effects])).toEqual([
      ['changed', ['started h1']],
      ['changed', ['started h2']],
    ]);
  });

  it('stamps every mutating call with generation, step, attempt and run', async () => {
    const tokens: unknown[] = [];
    const report = await reportOf(
      world({
        steps: starts('h1'),
        script: {
          startNode: async ({ token }) => {
            tokens.push(token);
            if (token.attempt === 1) throw new ForgeError('HostUnreachable', { what: 'gone', left: '', next: '' });
            return Promise.resolve({ effects: [] });
          },
        },
      }),
    );
    const step = { generation: 8, step: 'startNode/h1:6379', run: report.runId };
    expect(tokens).toEqual([1, 2].map((attempt) => ({ ...step, attempt })));
  });

  it('refuses a plan that is not the one that was shown, with nothing changed', async () => {
    const calls: string[] = [];
    const report = await reportOf(world({ steps: starts('h1'), calls }), { planDigest: 'another' });
    expect(report).toMatchObject({ outcome: 'refused', changed: false, failure: { type: 'PlanChanged' } });
    expect(calls).toEqual([]);
  });

  it('gives back the leases that it got where a host refuses its own', async () => {
    const calls: string[] = [];
    const report = await reportOf(
      world({
        steps: starts('h1'),
        calls,
        script: {
          takeLease: async ({ host }) => {
            if (host === 'h6')
              throw new ForgeError('Locked', { what: 'h6 is held by ann', left: 'left', next: 'wait' });
            return Promise.resolve(surveyOf(host).record);
          },
        },
      }),
    );
    expect(report).toMatchObject({
      outcome: 'refused',
      failure: { type: 'Locked', text: { what: 'h6 is held by ann' } },
    });
    expect(calls.filter((call) => call === 'release')).toHaveLength(5);
    expect(calls).not.toContain('start');
  });

  it.each([3, 30])(
    'looks at, takes and gives back %i hosts in one activity each: its history is as long for more',
    async (count) => {
      const cluster = fresh();
      const hosts = Array.from({ length: count }, (_, i) => hostOf(`h${i + 1}`, { zone: `z${i % 3}` }));
      const events = await runScripted(
        {
          ...{ address, cluster, workflow: 'applyClusterWorkflow', script: world({ steps: starts('h1') }) },
          input: { spec: specOf({ name: cluster, hosts }) },
        },
        async ({ handle }) => {
          expect(await awaitReport(handle)).toMatchObject({ outcome: 'done', changed: true });
          return (await handle.fetchHistory()).events ?? [];
        },
      );
      const asked = events.flatMap((event) => event.activityTaskScheduledEventAttributes?.activityType?.name ?? []);
      const all = ['surveyHosts', 'takeLeases', 'releaseLeases'];
      expect(asked.filter((name) => all.includes(name))).toEqual(all);
      expect(asked.filter((name) => /Host|Lease/.test(name) && !all.includes(name))).toEqual([]);
      expect(events.length).toBeLessThan(80);
    },
  );

  it('asks again for the lease of a host that does not answer, and gives back what it got where it stays away', async () => {
    const calls: string[] = [];
    const tries = new Map<string, number>();
    const report = await reportOf(
      world({
        steps: starts('h1'),
        calls,
        script: {
          takeLease: async ({ host }) => {
            const times = (tries.get(host) ?? 0) + 1;
            tries.set(host, times);
            if (host === 'h5' && times === 1)
              throw new ForgeError('HostUnreachable', { what: 'h5', left: '', next: '' });
            if (host === 'h6' && times === 2)
              throw new ForgeError('Locked', { what: 'h6 is held', left: '', next: '' });
            return Promise.resolve(surveyOf(host).record);
          },
          releaseLease: async ({ host, token }) => {
            calls.push(`release ${host} ${token.step} ${token.generation}`);
            return Promise.resolve({ effects: [] });
          },
        },
      }),
    );
    expect(report).toMatchObject({ outcome: 'refused', failure: { type: 'Locked', text: { what: 'h6 is held' } } });
    expect(calls.sort()).toEqual(['h1', 'h2', 'h3', 'h4', 'h5'].map((host) => `release ${host} releaseLease 8`));
  });

  it('gives back what an attempt before took, where the last one got no further than a host that does not answer', async () => {
    const given: string[] = [];
    let tries = 0;
    const report = await reportOf(
      world({
        steps: starts('h1'),
        script: {
          takeLease: async ({ host }) => {
            if (host === 'h1' && ++tries < 3)
              throw new ForgeError('HostUnreachable', { what: 'h1', left: '', next: '' });
            if (host === 'h1') throw new ForgeError('HostKeyChanged', { what: 'h1 is another', left: '', next: '' });
            if (tries > 1) throw new ForgeError('HostUnreachable', { what: host, left: '', next: '' });
            return Promise.resolve(surveyOf(host).record);
          },
          releaseLease: async ({ host }) => {
            given.push(host);
            return Promise.resolve({ effects: [] });
          },
        },
      }),
    );
    expect(report).toMatchObject({ outcome: 'refused', failure: { type: 'HostKeyChanged' } });
    expect(given.sort()).toEqual(['h2', 'h3', 'h4', 'h5', 'h6']);
  });

  it('asks again for a lease that may still be given back, beside one that cannot be', async () => {
    const given: string[] = [];
    let tries = 0;
    const report = await reportOf(
      world({
        steps: starts('h1'),
        script: {
          releaseLease: async ({ host }) => {
            if (host === 'h1') throw new ForgeError('Fenced', { what: 'h1 has a newer one', left: '', next: '' });
            if (host === 'h2' && ++tries < 3)
              throw new ForgeError('HostUnreachable', { what: 'h2', left: '', next: '' });
            given.push(host);
            return Promise.resolve({ effects: [] });
          },
        },
      }),
    );
    expect(report).toMatchObject({ outcome: 'done' });
    expect(given).toContain('h2');
  });

  it('tries to give every other lease back where one cannot be, and says nothing of it in the report', async () => {
    const given: string[] = [];
    const report = await reportOf(
      world({
        steps: starts('h1'),
        script: {
          releaseLease: async ({ host }) => {
            if (host === 'h1') throw new ForgeError('Fenced', { what: 'h1 has a newer one', left: '', next: '' });
            given.push(host);
            return Promise.resolve({ effects: [] });
          },
        },
      }),
    );
    expect(report).toMatchObject({ outcome: 'done' });
    expect(given.sort()).toEqual(['h2', 'h3', 'h4', 'h5', 'h6']);
  });

  it('lets the other hosts come to their end where one fails, and reports the failure with a last look', async () => {
    const calls: string[] = [];
    const report = await reportOf(
      world({
        steps: starts(...HOSTS),
        calls,
        script: {
          startNode: async ({ host }) => {
            if (host === 'h2')
              throw new ForgeError('NodeWontStart', { what: 'h2:6379 will not start', left: 'l', next: 'n' });
            return Promise.resolve({ effects: ['started'] });
          },
        },
      }),
    );
    expect(report).toMatchObject({ outcome: 'failed', changed: true, failure: { type: 'NodeWontStart' } });
    expect(report.steps.map(({ state }) => state)).toEqual([
      'changed',
      'failed',
      'changed',
      'changed',
      'changed',
      'changed',
    ]);
    expect(report.verdictAfter).not.toBeNull();
    expect(calls.filter((call) => call === 'release')).toHaveLength(6);
  });

  it('names every host that failed, not only the first', async () => {
    const report = await reportOf(
      world({
        steps: starts(...HOSTS),
        script: {
          startNode: async ({ host }) => {
            const text = { what: `${host} will not start.`, left: 'It was left.', next: `See the log on ${host}.` };
            if (['h2', 'h5'].includes(host)) throw new ForgeError('NodeWontStart', text);
            return Promise.resolve({ effects: [] });
          },
        },
      }),
    );
    expect(report.failure?.type).toBe('NodeWontStart');
    expect(report.failure?.text.what).toMatch(
      /^(h2 will not start\. h5 will not start\.|h5 will not start\. h2 will not start\.)$/,
    );
    expect(report.failure?.text.left).toBe('It was left.');
    expect(report.failure?.text.next).toContain('See the log on h2.');
    expect(report.failure?.text.next).toContain('See the log on h5.');
  });

  it('fails where the steps are done and the verdict is not healthy', async () => {
    const sick = verdictOf({
      healthy: false,
      findings: [{ code: 'DeadMaster', severity: 'error', node: 'h1:6379', evidence: 'no answer', next: 'start it' }],
    });
    const report = await reportOf(
      world({ steps: starts('h1'), script: { awaitHealthy: async () => Promise.resolve(sick) } }),
    );
    expect(report).toMatchObject({
      outcome: 'failed',
      failure: { type: 'NotProven' },
      verdictAfter: { healthy: false },
    });
    expect(report.failure?.text.what).toContain('DeadMaster h1:6379: no answer');
  });

  it('has a master follow that came back without slots, and proves anew', async () => {
    const calls: string[] = [];
    const unlike = (name: string, status: Partial<NodeStatus>): NodeStatus => {
      const node = declaredNodes(specOf()).find((one) => one.name === name);
      if (node === undefined) throw new Error(`no node ${name}`);
      return {
        ...{ ...node, id: `id of ${name}`, role: 'replica', masterId: null, slots: [], keys: 0, answered: true },
        ...{ usedMemoryBytes: 0, maxmemoryBytes: 0, lagBytes: null, version: '7', ...status },
      };
    };
    const nodes = [
      unlike('h1:6379', { role: 'master' }),
      unlike('h2:6379', { role: 'master', slots: [[0, 5000]] }),
      unlike('h3:6379', { role: 'master', slots: [[5001, 9000]] }),
      unlike('h4:6379', { masterId: 'id of h2:6379' }),
      unlike('h5:6379', { masterId: 'id of h3:6379' }),
      unlike('h6:6379', { role: 'master', slots: [[9001, 16_383]] }),
    ];
    const report = await reportOf(
      world({
        steps: starts('h1'),
        calls,
        script: {
          awaitHealthy: async () =>
            Promise.resolve(verdictOf({ nodes, healthy: calls.includes('h1:6379 of h6:6379') })),
          attachReplica: async ({ node, of }: { node: string; of: string }) => {
            calls.push(`${node} of ${of}`);
            return Promise.resolve({ effects: [`attached ${node}`] });
          },
          judgeCluster: async () => Promise.resolve(verdictOf({ nodes })),
        },
      }),
    );
    expect(report).toMatchObject({ outcome: 'done', verdictAfter: { healthy: true } });
    expect(report.steps.at(-1)).toMatchObject({ id: 'attachReplica/h1:6379/back', effects: ['attached h1:6379'] });
  });

  it('shows in the Temporal UI how it ended, what to do next, and each step', async () => {
    const failing = async () =>
      Promise.reject(
        ApplicationFailure.nonRetryable('', 'NodeWontStart', { what: 'h1 ended.', left: '', next: 'Mend.' }),
      );
    const script = world({ steps: starts('h1', 'h2'), script: { startNode: failing } });
    const details = await runScripted(
      { address, cluster: fresh(), workflow: 'applyClusterWorkflow', script },
      async ({ handle }) => {
        await awaitReport(handle);
        return handle.query<{ currentDetails: string }>('__temporal_workflow_metadata');
      },
    );
    expect(details.currentDetails).toMatch(/^\*\*apply op-.*: failed\*\*$/m);
    expect(details.currentDetails).toContain('**NodeWontStart**: h1 ended.\n\nnext: Mend.\n');
    expect(details.currentDetails).toContain('- ✘ start h1:6379 (new)');
  });

  it('does not call a cluster proven whose observations never agree', async () => {
    let look = 0;
    const shifting = async (): Promise<Verdict> =>
      Promise.resolve(
        verdictOf({
          nodes: [
            {
              id: `${++look}`,
              name: 'a',
              host: 'h1',
              address: '10.0.0.1',
              port: 1,
              zone: null,
              role: 'master',
              masterId: null,
              slots: [],
              keys: 0,
              usedMemoryBytes: 0,
              maxmemoryBytes: 0,
              lagBytes: null,
              version: '7',
              answered: true,
            },
          ],
        }),
      );
    const report = await reportOf(
      world({ steps: starts('h1'), script: { judgeCluster: shifting, awaitHealthy: shifting } }),
    );
    expect(report).toMatchObject({ outcome: 'failed', failure: { type: 'NotProven' } });
    expect(report.failure?.text.what).toContain('does not hold still');
  });

  it('stops at the next safe point when it is cancelled: what runs comes to its end, nothing new begins, leases go back', async () => {
    const calls: string[] = [];
    let arrived = () => {};
    const running = new Promise<void>((resolve) => (arrived = resolve));
    let go = () => {};
    const released = new Promise<void>((resolve) => (go = resolve));
    const script = world({
      steps: [...starts('h1'), { kind: 'smokeTest', id: 'smokeTest' }],
      calls,
      script: {
        startNode: async () => {
          arrived();
          await released;
          return { effects: ['started'] };
        },
      },
    });
    const report = await runScripted(
      { address, cluster: fresh(), workflow: 'applyClusterWorkflow', script },
      async ({ handle }) => {
        await running;
        await handle.cancel();
        await until('the cancellation is in the history', async () => {
          const { events } = await handle.fetchHistory();
          return events?.some((event) => event.workflowExecutionCancelRequestedEventAttributes) ?? false;
        });
        go();
        const error = await handle.result().catch((thrown: unknown) => thrown);
        expect(error).toBeInstanceOf(WorkflowFailedError);
        expect((error as WorkflowFailedError).cause).toBeInstanceOf(CancelledFailure);
        return awaitReport(handle);
      },
    );
    expect(report).toMatchObject({ outcome: 'cancelled', changed: true });
    expect(report.steps.map(({ state }) => state)).toEqual(['changed', 'skipped']);
    expect(calls.filter((call) => call === 'release')).toHaveLength(6);
    expect(report.verdictAfter).not.toBeNull();
  });

  it('says of a terminated run that it could not report, and what to do', async () => {
    let arrived = () => {};
    const running = new Promise<void>((resolve) => (arrived = resolve));
    let go = () => {};
    const released = new Promise<void>((resolve) => (go = resolve));
    const script = world({
      steps: starts('h1'),
      script: {
        startNode: async () => {
          arrived();
          await released;
          return { effects: [] };
        },
      },
    });
    await runScripted({ address, cluster: fresh(), workflow: 'applyClusterWorkflow', script }, async ({ handle }) => {
      await running;
      await handle.terminate('from the UI');
      go();
      const error = await awaitReport(handle).catch((thrown: unknown) => thrown);
      expect(error).toBeInstanceOf(ForgeError);
      expect((error as ForgeError).text.what).toContain('was terminated');
      const raw = await handle.result().catch((thrown: unknown) => thrown);
      expect((raw as WorkflowFailedError).cause).toBeInstanceOf(TerminatedFailure);
    });
  });
});
