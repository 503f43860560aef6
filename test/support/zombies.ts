import type { ChildProcess } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { Client, Connection } from '@temporalio/client';
import { expect } from 'vitest';
import { operationWorkflowId } from '../../domain/ids.js';
import { type CutProxy, startCutProxy } from './cut-proxy.js';
import type { Process, Stage } from './e2e.js';
import { refusalsOn, stateOf } from './snapshot.js';
import { until } from './until.js';

/** Which test haunts which kind of step: hosts of the process lab have the operating system and the engine of the machine that they share. */
export const ZOMBIE_CASES = {
  processHosts: {
    apply: ['takeLeases', 'prepareHost', 'placeNode', 'startNode', 'formCluster', 'recordMembers', 'releaseLeases'],
    change: ['setSettings', 'setUsers'],
    move: ['moveSlots'],
    destroy: ['stopNode', 'removeNode', 'releaseHost'],
  },
  containerHosts: ['applyProfile', 'installEngine'],
} as const;

/** The step in the token where it has another name than the activity. */
const STEP_OF: Readonly<Record<string, string>> = {
  ...{ setSettings: 'changeSettings', setUsers: 'changeSettings', takeLeases: 'takeLease' },
  ...{ releaseLeases: 'releaseLease', recordMembers: 'recordIdentities' },
};

interface Ghost {
  readonly worker: Process;
  readonly proxy: CutProxy;
  readonly activity: string;
  /** Waits until its worker stands before the effect, and takes it away from Temporal. */
  stopped(): Promise<void>;
}

export interface HauntingOptions {
  readonly stage: Stage;
  readonly temporalAddress: string;
  /** All that must not change when they wake; files and nodes where it is not given. */
  readonly state?: () => Promise<Record<string, string>>;
}

/** Workers that are stopped right before an effect, and wake when their successors are done. */
export class Haunting {
  private readonly heirs: Process[] = [];
  private readonly ghosts: Ghost[] = [];

  private constructor(
    private readonly options: Required<HauntingOptions>,
    private readonly connection: Connection,
  ) {}

  static async open({ stage, temporalAddress, state = () => stateOf(stage) }: HauntingOptions): Promise<Haunting> {
    return new Haunting({ stage, temporalAddress, state }, await Connection.connect({ address: temporalAddress }));
  }

  get client(): Client {
    return new Client({ connection: this.connection });
  }

  /**
   * A worker that stops at the first call of this activity, right before its effect. Temporal's debug mode only keeps its watchdog away, which counts the time
   * of the stop against workflow code that ran at that moment and then brings the whole process down.
   */
  async ghostAt(activity: string): Promise<Ghost> {
    const { stage, temporalAddress } = this.options;
    const proxy = await startCutProxy(temporalAddress);
    const worker = await stage
      .elsewhere({ TEMPORAL_ADDRESS: proxy.address, TEMPORAL_DEBUG: '1' })
      .startWorker({ when: 'stopped', activity, call: 1 });
    const stopped = async () => {
      await until(`a worker stands before ${activity}`, () => isStopped(worker), 60_000);
      proxy.cut();
    };
    const ghost = { worker, proxy, activity, stopped };
    this.ghosts.push(ghost);
    return ghost;
  }

  /** A worker that nothing is wrong with. */
  async startHeir(): Promise<void> {
    this.heirs.push(await this.options.stage.startWorker());
  }

  /** Runs one operation in which a worker stops before each of these; the next one takes over, the last one brings it to its end. */
  async throughAll(activities: readonly string[], operation: () => Promise<unknown>): Promise<void> {
    const [first = '', ...others] = activities;
    let ghost = await this.ghostAt(first);
    const running = operation();
    for (const activity of others) {
      await ghost.stopped();
      ghost = await this.ghostAt(activity);
    }
    await ghost.stopped();
    await this.startHeir();
    await running;
  }

  /** Runs an operation for each of these, which is terminated when its worker stands before it. */
  async terminatedAt(activities: readonly string[], verb: readonly string[]): Promise<void> {
    const { stage } = this.options;
    for (const activity of activities) {
      const ghost = await this.ghostAt(activity);
      const cli = stage.begin(...verb);
      await ghost.stopped();
      await this.client.workflow.getHandle(operationWorkflowId(stage.spec.name)).terminate('a person in the UI');
      await ended(cli);
    }
  }

  /** All that were stopped go on; each has to be refused, in its log and on a host, and nothing may change. */
  wakeAll(): Promise<void> {
    return this.wake(this.ghosts);
  }

  /** As `wakeAll`, for some, while their operation stands still: they find no way back to Temporal, where they would go on with it. */
  wakeAlone(ghosts: readonly Ghost[]): Promise<void> {
    for (const { proxy } of ghosts) proxy.block();
    return this.wake(ghosts);
  }

  private async wake(ghosts: readonly Ghost[]): Promise<void> {
    const { stage, state } = this.options;
    const before = await state();
    for (const { worker } of ghosts) worker.kill('SIGCONT');
    for (const { worker, activity } of ghosts) {
      await until(`${activity} is refused`, () => worker.output().includes('"failure":"Fenced"'), 30_000).catch(
        (error: unknown) => {
          throw new Error(worker.output().split('\n').slice(-15).join('\n'), { cause: error });
        },
      );
    }
    expect(await state()).toEqual(before);
    const refused = (await refusalsOn(stage)).map(({ step }) => step.split('/')[0]);
    const steps = ghosts.map(({ activity }) => STEP_OF[activity] ?? activity);
    expect(refused).toEqual(expect.arrayContaining(steps));
  }

  async layToRest(): Promise<void> {
    const workers = [...this.heirs, ...this.ghosts.map(({ worker }) => worker)];
    for (const worker of workers) worker.kill('SIGKILL');
    await Promise.all(workers.map(({ exited }) => exited));
    await Promise.all(this.ghosts.map(({ proxy }) => proxy.close()));
    this.heirs.length = 0;
    this.ghosts.length = 0;
  }

  async close(): Promise<void> {
    await this.layToRest();
    await this.connection.close();
  }
}

async function isStopped(worker: Process): Promise<boolean> {
  const stat = await readFile(`/proc/${worker.child.pid}/stat`, 'utf8');
  return stat.slice(stat.lastIndexOf(')') + 2).startsWith('T');
}

/** The terminal of an operation that was ended elsewhere. */
export async function ended(cli: ChildProcess): Promise<void> {
  cli.kill('SIGKILL');
  await until('the terminal is gone', () => cli.exitCode !== null || cli.signalCode !== null);
}

/** Runs the CLI to its good end. */
export async function done(stage: Stage, words: readonly string[]): Promise<void> {
  const { exitCode, stderr } = await stage.run(...words);
  expect(exitCode, stderr).toBe(0);
}
