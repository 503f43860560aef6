import { MockActivityEnvironment } from '@temporalio/testing';
import type { ForgeActivities } from '../../activities/index.js';
import { ForgeError } from '../../domain/errors.js';
import { portOf } from '../../domain/nodes.js';
import type { Plan, Step } from '../../domain/plan.js';
import type { ClusterSpec } from '../../domain/spec.js';
import type { HostOutcome, HostSurvey, Lease, StepToken } from '../../domain/survey.js';
import { highestGeneration } from '../../domain/survey.js';
import { triedAgain } from './tried-again.js';

/** What an operation does, one thing after the other and without Temporal: for tests of hosts, not of runbooks. */
export interface Direct {
  survey(host: string): Promise<HostSurvey>;
  plan(): Promise<Plan>;
  /** Performs the plan of an apply; what the steps did. Fails with the plan's refusals. */
  apply(): Promise<{ readonly plan: Plan; readonly effects: readonly string[] }>;
  /** Holds all hosts while `work` runs; it gets a token for a step of its own. */
  holding<T>(work: (token: (step: string) => StepToken) => Promise<T>): Promise<T>;
}

export function direct(activities: ForgeActivities, spec: ClusterSpec): Direct {
  const hosts = spec.hosts.map(({ name }) => name);
  const survey = (host: string) => activities.surveyHost({ spec, host });
  const surveyAll = () =>
    Promise.all(
      hosts.map(async (host): Promise<HostOutcome> => ({ host, surveyed: true, survey: await survey(host) })),
    );
  const plan = async () => (await activities.draftApplyPlan({ spec, outcomes: await surveyAll() })).plan;

  const holding: Direct['holding'] = async (work) => {
    const generation = highestGeneration(await surveyAll()) + 1;
    const runId = `run-${generation}`;
    await Promise.all(hosts.map((host) => activities.takeLease({ spec, host, lease: leaseOf(generation, runId) })));
    try {
      return await work((step) => ({ generation, step, attempt: 1 }));
    } finally {
      const token = { generation, step: 'releaseLease', attempt: 1 };
      await Promise.all(hosts.map((host) => activities.releaseLease({ spec, host, token })));
    }
  };

  const perform = async (step: Step, token: StepToken): Promise<readonly string[]> => {
    switch (step.kind) {
      case 'prepareHost':
        return (await activities.prepareHost({ spec, host: step.host, token })).effects;
      case 'applyProfile':
        return (await activities.applyProfile({ spec, host: step.host, settings: step.settings, token })).effects;
      case 'installEngine':
        return (await activities.installEngine({ spec, host: step.host, token })).effects;
      case 'placeNode':
        return (await activities.placeNode({ spec, host: step.host, port: portOf(step.node), token })).effects;
      case 'startNode': {
        const choice = step.empty === undefined ? {} : { empty: step.empty };
        return (await activities.startNode({ spec, host: step.host, port: portOf(step.node), token, ...choice }))
          .effects;
      }
      case 'formCluster': {
        const { masters, replicas } = step;
        const { identities, effects } = await asActivity(activities.formCluster, { spec, masters, replicas, token });
        for (const { name: host, nodes } of spec.hosts) {
          const own = nodes.map(({ port }): [string, string] => [`${port}`, identities[`${host}:${port}`] ?? '']);
          const noting = { ...token, step: 'recordIdentities' };
          await activities.recordIdentities({ spec, host, identities: Object.fromEntries(own), token: noting });
        }
        return effects;
      }
      case 'smokeTest':
        return (await triedAgain(() => asActivity(activities.smokeTest, { spec }))).effects;
      default:
        throw new Error(`${step.kind} is not what these tests are about`);
    }
  };

  return {
    survey,
    plan,
    holding,
    async apply() {
      const shown = await plan();
      const [refusal] = shown.refusals;
      if (refusal !== undefined) {
        const text = { what: shown.refusals.map(({ what }) => what).join(' '), left: '', next: refusal.next };
        throw new ForgeError('Refused', text);
      }
      if (shown.steps.length === 0) return { plan: shown, effects: [] };
      const effects = await holding(async (token) => {
        const done: string[] = [];
        const ofHosts = shown.steps.filter((step) => 'host' in step);
        await Promise.all(
          hosts.map(async (host) => {
            for (const step of ofHosts) if (step.host === host) done.push(...(await perform(step, token(step.id))));
          }),
        );
        for (const step of shown.steps) if (!('host' in step)) done.push(...(await perform(step, token(step.id))));
        return done;
      });
      return { plan: shown, effects };
    },
  };
}

/** Some tell Temporal how far they are. */
function asActivity<I, O>(activity: (input: I) => Promise<O>, input: I): Promise<O> {
  return new MockActivityEnvironment().run<[I], O, typeof activity>(activity, input);
}

function leaseOf(generation: number, runId: string): Lease {
  const who = { server: 'namespace-1', workflowId: 'cluster/orders/operation', operation: 'apply', actor: 'anna' };
  return { generation, runId, since: '2026-11-21T08:00:00.000Z', ...who };
}
