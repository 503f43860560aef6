import type { Plan, Step } from '../../domain/plan.js';
import type { Script } from './scripted.js';
import { surveyOf, verdictOf } from './survey.js';

const nothing = async () => Promise.resolve({ effects: [] });
/** The plan of a test: one node of each of these hosts is started. */
export const starts = (...hosts: string[]): Step[] =>
  hosts.map((host) => ({ kind: 'startNode', id: `startNode/${host}:6379`, host, node: `${host}:6379`, why: 'new' }));

/** Answers as six bare hosts and a willing world would; the test changes what it is about. */
export function world({
  steps = [],
  script = {},
  calls = [],
}: {
  steps?: Step[];
  script?: Script;
  calls?: string[];
} = {}): Script {
  const plan: Plan = {
    cluster: 'c',
    uid: 'u',
    operation: 'apply',
    steps,
    refusals: [],
    drift: [],
    notes: [],
    digest: 'shown',
  };
  const told =
    <I, O>(name: string, answer: (input: I) => Promise<O>) =>
    async (input: I): Promise<O> => {
      calls.push(name);
      return answer(input);
    };
  return {
    surveyHost: async ({ host }) => Promise.resolve(surveyOf(host, { generation: 7 })),
    examinePorts: async () => Promise.resolve({ failures: [], deaf: [], unexamined: [] }),
    draftApplyPlan: async () => Promise.resolve({ plan, verdict: verdictOf({ healthy: false }) }),
    identifyServer: async () => Promise.resolve({ server: 'ns-1' }),
    takeLease: told('take', async ({ host }: { host: string }) => Promise.resolve(surveyOf(host).record)),
    releaseLease: told('release', nothing),
    startNode: told('start', async ({ host }: { host: string }) => Promise.resolve({ effects: [`started ${host}`] })),
    judgeCluster: told('judge', async () => Promise.resolve(verdictOf())),
    awaitHealthy: told('await', async () => Promise.resolve(verdictOf())),
    awaitSettled: told('settled', async () => Promise.resolve(verdictOf())),
    ...script,
  };
}
