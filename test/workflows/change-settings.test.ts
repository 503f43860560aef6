import { describe, expect, inject, it } from 'vitest';
import { ForgeError } from '../../domain/errors.js';
import type { OperationReport } from '../../domain/operation.js';
import type { Step } from '../../domain/plan.js';
import { awaitReport } from '../../starters/reports.js';
import { runScripted, type Script } from '../support/scripted.js';
import { starts, world } from '../support/world.js';

const address = inject('temporalAddress');

let clusters = 0;
const fresh = () => `settings-${process.pid}-${++clusters}`;

type SettingsStep = Extract<Step, { kind: 'changeSettings' }>;

function changes(host: string, change: Partial<SettingsStep> = {}): SettingsStep {
  const settings = [{ setting: 'maxclients', running: '1000', wanted: '500' }];
  const node = `${host}:6379`;
  return {
    kind: 'changeSettings',
    id: `changeSettings/${node}`,
    host,
    node,
    settings,
    files: [],
    atNextStart: [],
    ...change,
  };
}

const FILES: SettingsStep['files'] = [
  { role: 'config', action: 'update' },
  { role: 'acl', action: 'update' },
];

/** Activities that take a moment, so that two at once would be seen, and write down what they were asked. */
function told(calls: string[]): Script {
  let running = 0;
  const does = async (what: string) => {
    running += 1;
    calls.push(running > 1 ? `${what} beside another` : what);
    await new Promise((resolve) => setTimeout(resolve, 20));
    running -= 1;
    return { effects: [what] };
  };
  return {
    startNode: async ({ host }) => does(`start ${host}`),
    setSettings: async ({ host, settings }) => does(`set ${host} ${settings.map(({ wanted }) => wanted).join()}`),
    setUsers: async ({ host }) => does(`users ${host}`),
    placeNode: async ({ host, roles, token }) => does(`place ${host} ${roles?.join()} as ${token.step}`),
    smokeTest: async () => does('smoke'),
  };
}

async function reportOf(steps: Step[], script: Script): Promise<OperationReport> {
  return runScripted(
    { address, cluster: fresh(), workflow: 'applyClusterWorkflow', script: world({ steps, script }) },
    ({ handle }) => awaitReport(handle),
  );
}

describe('changing running nodes', () => {
  it('goes from node to node in the order of the plan, after the work of the hosts and before that of the cluster', async () => {
    const calls: string[] = [];
    const steps: Step[] = [...starts('h3'), changes('h2'), changes('h1'), { kind: 'smokeTest', id: 'smokeTest' }];
    const report = await reportOf(steps, told(calls));
    expect(report.outcome).toBe('done');
    expect(calls).toEqual(['start h3', 'set h2 500', 'set h1 500', 'smoke']);
  });

  it('sets what Redis takes while it runs before it writes the files, and says what only a restart takes', async () => {
    const calls: string[] = [];
    const report = await reportOf([changes('h1', { files: FILES, atNextStart: ['io-threads 1 → 2'] })], told(calls));
    expect(calls).toEqual(['set h1 500', 'users h1', 'place h1 config,acl as changeSettings/h1:6379']);
    expect(report.steps[0]?.effects).toEqual([...calls, 'h1:6379: only a restart takes io-threads 1 → 2']);
  });

  it('writes a file alone where nothing else is to be done', async () => {
    const calls: string[] = [];
    await reportOf([changes('h1', { settings: [], files: FILES.slice(0, 1) })], told(calls));
    expect(calls).toEqual(['place h1 config as changeSettings/h1:6379']);
  });

  it('stops at the first node that refuses, and writes no file there', async () => {
    const calls: string[] = [];
    const refuses: Script = {
      ...told(calls),
      setSettings: async ({ host }) => {
        calls.push(`set ${host}`);
        return Promise.reject(
          new ForgeError('CommandFailed', {
            what: `${host}:6379 refuses maxclients`,
            left: 'the rest',
            next: 'correct it',
          }),
        );
      },
    };
    const report = await reportOf([changes('h2', { files: FILES }), changes('h1')], refuses);
    expect(report).toMatchObject({ outcome: 'failed', failure: { type: 'CommandFailed' } });
    expect(report.steps.map(({ state }) => state)).toEqual(['failed', 'skipped']);
    expect(calls).toEqual(['set h2']);
  });
});
