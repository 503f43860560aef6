import type { Step } from './plan.js';

type SettingsStep = Extract<Step, { kind: 'changeSettings' }>;
/** A step of one host; settings are changed on one node after the other, over Redis, and are none. */
export type HostStep = Exclude<Extract<Step, { host: string }>, SettingsStep>;
export type ClusterWideStep = Exclude<Step, { host: string }>;

/** Steps that go together: those of hosts side by side, host by host in their order; the others one after the other. */
export type Stage =
  | { readonly on: 'hosts'; readonly steps: readonly HostStep[] }
  | { readonly on: 'node'; readonly step: SettingsStep }
  | { readonly on: 'cluster'; readonly step: ClusterWideStep };

/** The steps of a plan in their order, neighbours of hosts together. */
export function stagesOf(steps: readonly Step[]): Stage[] {
  return steps.reduce<Stage[]>((stages, step) => {
    if (!('host' in step)) return [...stages, { on: 'cluster', step }];
    if (step.kind === 'changeSettings') return [...stages, { on: 'node', step }];
    const last = stages.at(-1);
    if (last?.on !== 'hosts') return [...stages, { on: 'hosts', steps: [step] }];
    return [...stages.slice(0, -1), { on: 'hosts', steps: [...last.steps, step] }];
  }, []);
}
