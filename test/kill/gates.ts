import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { until } from '../support/until.js';

/** What a gated worker says where it stands: before an activity, or after its effect, or after it failed. */
export interface Gate {
  readonly gate: number;
  readonly moment: 'before' | 'after' | 'failed';
  readonly activity: string;
  readonly activityId: string;
  readonly attempt: number;
  /** The host that the activity is about, where it is about one. */
  readonly host?: string;
}

/** The answer: go on. */
export interface Passed {
  readonly gate: number;
}

/** A worker process that stops at every gate until it is let through. */
export class GatedWorker {
  /** By activity ID: what it is at, from the gate before it to the gate after. */
  readonly live = new Map<string, string>();
  readonly exited: Promise<void>;
  #output = '';

  private constructor(
    readonly child: ChildProcess,
    onGate: (worker: GatedWorker, gate: Gate) => void,
  ) {
    child.stdout?.on('data', (chunk: Buffer) => (this.#output += chunk.toString()));
    child.stderr?.on('data', (chunk: Buffer) => (this.#output += chunk.toString()));
    child.on('message', (gate: Gate) => {
      if (gate.moment === 'before') this.live.set(gate.activityId, gate.activity);
      onGate(this, gate);
    });
    this.exited = new Promise((resolve) => child.once('close', () => resolve()));
  }

  /** Returns once it takes work. */
  static async start(env: NodeJS.ProcessEnv, onGate: (worker: GatedWorker, gate: Gate) => void): Promise<GatedWorker> {
    const file = fileURLToPath(new URL('./gated-worker.ts', import.meta.url));
    const child = spawn(process.execPath, ['--import', 'tsx', file], { env, stdio: ['ignore', 'pipe', 'pipe', 'ipc'] });
    const worker = new GatedWorker(child, onGate);
    await until('a worker is ready', () => worker.#output.includes('worker is ready') || worker.ended, 60_000);
    if (worker.ended) throw new Error(`the worker ended at its start:\n${worker.#output}`);
    return worker;
  }

  get ended(): boolean {
    return this.child.exitCode !== null || this.child.signalCode !== null;
  }

  pass({ gate, moment, activityId }: Gate): void {
    if (moment !== 'before') this.live.delete(activityId);
    // It may be gone by now, and with it the channel.
    if (this.child.connected) this.child.send({ gate } satisfies Passed, () => undefined);
  }

  kill(): void {
    this.child.kill('SIGKILL');
  }
}
