import type { FailureType } from './errors.js';
import type { AwaitedFailover } from './failovers.js';
import { changeText, type SettingChange } from './settings.js';
import type { NamedNode } from './reshape-steps.js';
import type { MoveForecast, SlotMove } from './slot-moves.js';
import { describeRepair, type SlotRepair } from './slot-repairs.js';
import { slotsIn, type SlotRange } from './slots.js';
import type { NodePart } from './survey.js';

/** One step of a plan: what a person approves and sees going by. `id` is unique in the plan and stable for the same world. */
export type Step =
  | { readonly kind: 'prepareHost'; readonly id: string; readonly host: string; readonly why: string }
  | {
      /** Settings of the operating system: kept for the next boot, set, and read back. */
      readonly kind: 'applyProfile';
      readonly id: string;
      readonly host: string;
      /** All that the host is to keep and to run with, by key. */
      readonly settings: Readonly<Record<string, string>>;
      readonly changes: readonly OsChange[];
    }
  | {
      /** Brings the engine to a host; nodes take it when they are started. */
      readonly kind: 'installEngine';
      readonly id: string;
      readonly host: string;
      /** `redis 8.6 from /srv/redis.tar.gz (098ca08bc166)`. */
      readonly engine: string;
      readonly why: string;
    }
  | {
      readonly kind: 'placeNode';
      readonly id: string;
      readonly host: string;
      readonly node: string;
      readonly files: readonly DifferingFile[];
    }
  | {
      /** Of a node that goes on running. Where the users' file is among `files`, the rights of the running users are set, too. */
      readonly kind: 'changeSettings';
      readonly id: string;
      readonly host: string;
      readonly node: string;
      readonly settings: readonly SettingChange[];
      readonly files: readonly DifferingFile[];
      /** What of the new files the running node does not take, in words. */
      readonly atNextStart: readonly string[];
    }
  | {
      readonly kind: 'startNode';
      readonly id: string;
      readonly host: string;
      readonly node: string;
      readonly why: string;
      /** Where it is to start although its data is not there. */
      readonly empty?: 'accepted';
    }
  | {
      readonly kind: 'formCluster';
      readonly id: string;
      readonly masters: readonly PlannedMaster[];
      readonly replicas: readonly PlannedReplica[];
    }
  | { readonly kind: 'repairSlots'; readonly id: string; readonly repairs: readonly SlotRepair[] }
  | { readonly kind: 'pinReplicas'; readonly id: string; readonly nodes: readonly string[] }
  | {
      /** Nodes that are no members yet: masters without slots, and replicas. */
      readonly kind: 'joinNodes';
      readonly id: string;
      readonly masters: readonly string[];
      readonly replicas: readonly PlannedReplica[];
    }
  | {
      readonly kind: 'attachReplica';
      readonly id: string;
      readonly node: string;
      readonly of: string;
      readonly why: string;
    }
  | {
      /** A replica takes over from its master, without a lost write. */
      readonly kind: 'switchMaster';
      readonly id: string;
      readonly node: string;
      readonly was: string;
      readonly why: string;
    }
  | { readonly kind: 'moveSlots'; readonly id: string; readonly moves: readonly SlotMove[]; readonly why: string }
  | { readonly kind: 'forgetNodes'; readonly id: string; readonly nodes: readonly NamedNode[]; readonly why: string }
  | { readonly kind: 'awaitForgotten'; readonly id: string; readonly nodes: readonly NamedNode[] }
  | { readonly kind: 'unpinReplicas'; readonly id: string; readonly nodes: readonly string[] }
  | { readonly kind: 'smokeTest'; readonly id: string }
  | { readonly kind: 'stopNode'; readonly id: string; readonly host: string; readonly node: string }
  | {
      readonly kind: 'removeNode';
      readonly id: string;
      readonly host: string;
      readonly node: string;
      readonly data: 'keep' | 'delete';
    }
  | { readonly kind: 'releaseHost'; readonly id: string; readonly host: string; readonly data: 'keep' | 'delete' };

/** A setting of a host; `from` is `to` where it runs already and only the next boot would not bring it. */
export interface OsChange {
  readonly key: string;
  readonly from: string;
  readonly to: string;
}

/** A file of a node, or its link, that is not on its host as the spec wants it. */
export interface DifferingFile {
  readonly role: NodePart;
  readonly action: 'create' | 'update';
}

export interface PlannedMaster {
  readonly node: string;
  readonly slots: readonly SlotRange[];
}

export interface PlannedReplica {
  readonly node: string;
  readonly of: string;
}

/** Why an operation may not go ahead. Nothing has been changed. */
export interface Refusal {
  readonly host?: string;
  readonly node?: string;
  /** What kind of failure it is, where it is not a precondition of ours: it decides the exit code. */
  readonly failure?: FailureType;
  readonly what: string;
  readonly next: string;
  /** What is on its way without anybody's doing, and takes the refusal away. */
  readonly awaited?: { readonly failovers: readonly AwaitedFailover[] };
}

/** A difference that the plan sees and does not act on. */
export interface Drift extends SettingChange {
  readonly node: string;
  /** Why `apply` leaves it. */
  readonly why: string;
}

export interface PlanBody {
  readonly cluster: string;
  readonly uid: string;
  readonly operation: OperationKind;
  readonly steps: readonly Step[];
  readonly refusals: readonly Refusal[];
  readonly drift: readonly Drift[];
  /** Facts worth reading before saying yes. */
  readonly notes: readonly string[];
}

export interface Plan extends PlanBody {
  /** sha256 over the canonical form of what decides (domain/plan-digest.ts): what was shown is what runs. */
  readonly digest: string;
  /** What the exam of the ports could not see, or saw and does not forbid. No part of what is agreed: the next look may see something else. */
  readonly remarks?: readonly string[];
  /** What the move of slots will take, where there is one. No part of what is agreed: it changes with every write. */
  readonly forecast?: MoveForecast;
}

export type OperationKind = 'apply' | 'destroy' | 'scale' | 'rebalance' | 'reshard' | 'replace' | 'repair';

/** JSON with sorted keys: the same body has the same text. */
export function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`;
  if (value !== null && typeof value === 'object') {
    const fields = Object.entries(value)
      .filter(([, field]) => field !== undefined)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, field]) => `${JSON.stringify(key)}:${canonicalJson(field)}`);
    return `{${fields.join(',')}}`;
  }
  return JSON.stringify(value);
}

/** A step in words, as `plan`, the terminal and the Temporal UI show it. */
export function describeStep(step: Step): string {
  switch (step.kind) {
    case 'prepareHost':
      return `prepare host ${step.host} (${step.why})`;
    case 'applyProfile':
      return profileWords(step);
    case 'installEngine':
      return `install ${step.engine} on ${step.host} (${step.why})`;
    case 'placeNode':
      return `write ${fileWords(step.files)} for ${step.node}`;
    case 'changeSettings':
      return changeWords(step);
    case 'startNode':
      return `start ${step.node} (${step.why})`;
    case 'formCluster':
      return `form the cluster: ${step.masters.length} masters, ${step.replicas.length} replicas`;
    case 'repairSlots':
      return `repair slots: ${step.repairs.map(describeRepair).join('; ')}`;
    case 'pinReplicas':
      return `keep Redis from moving replicas by itself, on ${step.nodes.length} nodes`;
    case 'joinNodes':
      return joinWords(step);
    case 'attachReplica':
      return `attach ${step.node} to ${step.of} (${step.why})`;
    case 'switchMaster':
      return `${step.node} takes over from ${step.was} (${step.why})`;
    case 'moveSlots':
      return `move ${step.moves.reduce((sum, { ranges }) => sum + slotsIn(ranges), 0)} slots (${step.why})`;
    case 'forgetNodes':
      return `forget ${step.nodes.map(({ name }) => name).join(', ')} on all nodes (${step.why})`;
    case 'awaitForgotten':
      return `look again for ${step.nodes.map(({ name }) => name).join(', ')} when Redis would learn of them again`;
    case 'unpinReplicas':
      return `let Redis move replicas by itself again, on ${step.nodes.length} nodes`;
    case 'smokeTest':
      return 'smoke test through the cluster as the application user';
    case 'stopNode':
      return `stop ${step.node}`;
    case 'removeNode':
      return `remove ${step.node} (${step.data === 'keep' ? 'data folder stays' : 'with its data folder'})`;
    case 'releaseHost':
      return `give host ${step.host} back (${step.data === 'keep' ? 'record stays beside the data' : 'nothing of ours stays'})`;
    default:
      return step satisfies never;
  }
}

function joinWords({ masters, replicas }: Extract<Step, { kind: 'joinNodes' }>): string {
  const parts = [
    ...(masters.length === 0 ? [] : [`${masters.join(', ')} as ${masters.length === 1 ? 'a master' : 'masters'}`]),
    ...replicas.map(({ node, of }) => `${node} as replica of ${of}`),
  ];
  return `join ${parts.join(', ')}`;
}

function profileWords({ host, changes }: Extract<Step, { kind: 'applyProfile' }>): string {
  const set = changes.filter(({ from, to }) => from !== to).map(({ key, from, to }) => `${key} ${from} -> ${to}`);
  const kept = changes.filter(({ from, to }) => from === to).map(({ key }) => key);
  const words = [
    ...(set.length === 0 ? [] : [`set ${set.join(', ')}`]),
    ...(kept.length === 0 ? [] : [`write for the next boot: ${kept.join(', ')}`]),
  ];
  return `OS profile of ${host}: ${words.join('; ')}`;
}

function fileWords(files: readonly DifferingFile[]): string {
  return files.map(({ role, action }) => `${role} (${action})`).join(', ');
}

function changeWords({ node, settings, files, atNextStart }: Extract<Step, { kind: 'changeSettings' }>): string {
  const rights = files.some(({ role }) => role === 'acl') ? ['rights of its users'] : [];
  const running = [...settings.map(changeText), ...rights];
  const changed = running.length === 0 ? [] : [`change settings of ${node}: ${running.join(', ')}`];
  const written = files.length === 0 ? [] : [`write ${fileWords(files)}${changed.length === 0 ? ` for ${node}` : ''}`];
  const later = atNextStart.length === 0 ? [] : [`only a restart takes ${atNextStart.join(', ')}`];
  return [...changed, ...written, ...later].join('; ');
}
