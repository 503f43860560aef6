import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { OperationReport } from '../../domain/operation.js';
import type { NodeStatus } from '../../domain/verdict.js';
import { hostProcesses, signalAll } from '../../lab/host-processes.js';
import type { JournalEntry, Stage } from '../support/e2e.js';
import { until } from '../support/until.js';

/** An operation of the matrix; one after the other they take a cluster through its life. */
export interface MatrixOperation {
  readonly name: string;
  /** Verb and options of the CLI; called once before all runs. */
  argv(stage: Stage): Promise<readonly string[]>;
  /** Brings the world to where the operation begins. */
  readonly prepare?: (stage: Stage) => Promise<void>;
  /**
   * Activities during which the power of the host that is worked on may go, and the operation ends as it would have: not where a formed cluster would fail over
   * meanwhile, or where the host is only looked at, which is said to be down then.
   */
  readonly survivesReboot: readonly string[];
}

/** In this order: each begins where the one before it has ended. */
export const OPERATIONS: readonly MatrixOperation[] = [
  {
    name: 'apply: six nodes on three bare hosts',
    argv: ({ specFile }) => Promise.resolve(['apply', '-f', specFile]),
    survivesReboot: ['takeLeases', 'prepareHost', 'applyProfile', 'placeNode', 'startNode'],
  },
  {
    name: 'apply: changed settings and users of six running nodes',
    argv: async (stage) => ['apply', '-f', await changedSettings(stage)],
    survivesReboot: [],
  },
  {
    name: 'apply: the replicas were killed',
    argv: async (stage) => ['apply', '-f', await changedSettings(stage)],
    survivesReboot: [],
    prepare: killReplicas,
  },
  {
    name: 'destroy, data and all',
    argv: ({ specFile, spec }) => Promise.resolve(['destroy', '-f', specFile, '--confirm', spec.name, '--delete-data']),
    survivesReboot: ['takeLeases', 'stopNode', 'removeNode'],
  },
];

const variants = new WeakMap<Stage, Promise<string>>();

function changedSettings(stage: Stage): Promise<string> {
  const made =
    variants.get(stage) ??
    stage.variant((document) => {
      document.setIn(['redis', 'extra', 'slowlog-max-len'], 77);
      document.setIn(['users', 'app', 'commands'], '+@all -@admin -@dangerous +info +keys');
    });
  variants.set(stage, made);
  return made;
}

async function killReplicas(stage: Stage): Promise<void> {
  const replicas = (await stage.status()).status.nodes.filter(({ role }) => role === 'replica');
  for (const { host, port } of replicas) {
    const home = stage.lab.hosts.find(({ name }) => name === host)?.root ?? '';
    const [pid] = (await readFile(join(home, `nodes/${port}/run/pid`), 'utf8')).split(' ');
    signalAll([{ pid: Number(pid), stopped: false }], 'SIGKILL');
    await until('the killed replica is gone', async () =>
      (await hostProcesses(home)).every((process) => process.pid !== Number(pid)),
    );
  }
}

/** What an operation has to leave behind, whoever was killed meanwhile. */
export interface Mark {
  /** Roles, slots and masters by node name; Redis's own IDs are random. */
  readonly shape: readonly string[];
  /** What was done on the hosts, sorted, each as often as it was done: without generations and leases, of which every takeover has its own. */
  readonly effects: readonly string[];
}

export function markOf(report: OperationReport, journal: readonly JournalEntry[]): Mark {
  return { shape: shapeOf(report.verdictAfter?.nodes ?? []), effects: effectsOf(journal) };
}

function shapeOf(nodes: readonly NodeStatus[]): string[] {
  const nameOf = (id: string | null) => nodes.find((node) => node.id === id)?.name ?? '-';
  return nodes
    .map(({ name, role, slots, masterId }) => `${name} ${role} of ${nameOf(masterId)} ${JSON.stringify(slots)}`)
    .sort();
}

function effectsOf(journal: readonly JournalEntry[]): string[] {
  return journal
    .filter(({ effect }) => !effect.startsWith('lease.'))
    .map(({ host, effect, detail }) => {
      const random = effect.startsWith('identity.') || effect.startsWith('node.');
      return `${host} ${effect} ${random ? detail.split(' ')[0] : detail}`;
    })
    .sort();
}
