import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  Client,
  Connection,
  WorkflowFailedError,
  type WorkflowHandleWithFirstExecutionRunId,
} from '@temporalio/client';
import { MEMO, operationWorkflowId } from '../../domain/ids.js';
import type { OperationReport } from '../../domain/operation.js';
import type { LabDriverName, LabHost } from '../../lab/driver.js';
import { hostProcesses } from '../../lab/host-processes.js';
import { canListen } from '../../lab/ports.js';
import { findTemporalCli, projectToolsDir } from '../../lab/temporal-cli.js';
import { startTemporalServer, type TemporalServer } from '../../lab/temporal-server.js';
import { openStage, type Stage } from '../support/e2e.js';
import { until } from '../support/until.js';
import { type Gate, GatedWorker } from './gates.js';
import { type Calls, type Kill, NODE_VICTIMS, type NodeVictim } from './kills.js';
import { RunningRun, type Struck } from './running-run.js';

/** Two workers, so that one can take over where the other dies; who dies is replaced. */
const WORKERS = 2;
/** No operation of the matrix comes near this, however often it is killed. */
const RUN_DEADLINE_MS = 180_000;

export interface Run {
  readonly report: OperationReport;
  readonly tookMs: number;
  readonly calls: Calls;
  readonly struck: readonly Struck[];
}

/** Kills nodes of Redis's, and brings them back. */
export interface NodeKiller {
  /** Resolves when the node is dead, with the work of bringing it back; `null` where there is nobody to kill by now. */
  kill(victim: NodeVictim): Promise<{ readonly back: Promise<void> } | null>;
}

export interface ArenaOptions<S extends Stage> {
  readonly hosts?: LabDriverName;
  readonly openStage: (temporalAddress: string) => Promise<S>;
}

/** A lab, a Temporal server on a file and two workers: all of them can be killed at any point of an operation, and are started again. */
export class Arena<S extends Stage = Stage> {
  readonly #workers = new Set<GatedWorker>();
  readonly #starting = new Set<Promise<void>>();
  /** How often each activity had its effect since the arena was opened. */
  readonly effects = new Map<string, number>();
  /** Who is asked where a node is to be killed. */
  nodeKiller: NodeKiller | undefined;
  #run: RunningRun | undefined;
  #temporalStarts = false;
  readonly #booting = new Set<string>();
  #closed = false;
  #failure: unknown;

  private constructor(
    readonly stage: S,
    readonly hosts: LabDriverName,
    private readonly dir: string,
    private temporal: TemporalServer,
    private readonly restartTemporal: () => Promise<TemporalServer>,
    private readonly connection: Connection,
  ) {}

  static async open({ name, hosts = 'process' }: { name: string; hosts?: LabDriverName }): Promise<Arena> {
    const shape = { driver: hosts, hosts: 3, nodesPerHost: 2 };
    return Arena.on({ hosts, openStage: (temporalAddress) => openStage({ temporalAddress, name, ...shape }) });
  }

  static async on<S extends Stage>({ hosts = 'process', openStage: open }: ArenaOptions<S>): Promise<Arena<S>> {
    const dir = await mkdtemp(join(tmpdir(), 'redisforge-kill-'));
    const cli = await findTemporalCli({ env: process.env, toolsDir: projectToolsDir() });
    const files = { dbFile: join(dir, 'temporal.db'), logFile: join(dir, 'temporal.log') };
    const port = await quietPort();
    const start = () => startTemporalServer({ cli, ...files, ui: 'none', lifetime: 'attached', port });
    const temporal = await start();
    const stage = await open(temporal.address);
    const connection = await Connection.connect({ address: temporal.address });
    const arena = new Arena(stage, hosts, dir, temporal, start, connection);
    for (let i = 0; i < WORKERS; i++) arena.#replace();
    await arena.settled();
    return arena;
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.settled();
    for (const worker of this.#workers) worker.kill();
    await Promise.all([...this.#workers].map(({ exited }) => exited));
    await this.connection.close();
    await this.stage.close();
    await this.temporal.stop();
    await rm(this.dir, { recursive: true, force: true });
  }

  /** Runs one operation with these kills, to its end. Throws where it does not end in a report. */
  async operate(argv: readonly string[], kills: readonly Kill[] = []): Promise<Run> {
    await this.settled();
    const before = await this.#currentRunId();
    const run = new RunningRun(kills);
    this.#run = run;
    const startedAt = performance.now();
    try {
      const { exitCode, stderr } = await this.stage.run(...argv, '--yes', '--detach');
      // The server may be killed while the CLI says goodbye: the run is there or it is not, whatever the exit code.
      const runId = await until(`an operation began; the CLI said (${exitCode}): ${stderr}`, async () => {
        const now = await this.#currentRunId();
        return now !== before && now;
      });
      const report = await this.#result(runId);
      return { report, tookMs: Math.round(performance.now() - startedAt), calls: run.calls, struck: run.struck };
    } finally {
      this.#run = undefined;
      this.#throwFailure();
    }
  }

  /** What went wrong where nobody waited for it. */
  #throwFailure(): void {
    if (this.#failure !== undefined) throw new Error('the matrix itself failed', { cause: this.#failure });
  }

  /** Until everybody who was killed has been replaced. */
  async settled(): Promise<void> {
    while (this.#starting.size > 0) await Promise.all(this.#starting);
    this.#throwFailure();
  }

  #handle(runId?: string): WorkflowHandleWithFirstExecutionRunId | ReturnType<Client['workflow']['getHandle']> {
    return new Client({ connection: this.connection }).workflow.getHandle(
      operationWorkflowId(this.stage.spec.name),
      runId,
    );
  }

  async #currentRunId(): Promise<string> {
    try {
      return (await this.#handle().describe()).runId;
    } catch {
      return '';
    }
  }

  /** The server is killed now and then: whoever asks has to ask again. An operation that failed left its report in the memo; one that hangs is not waited for. */
  #result(runId: string): Promise<OperationReport> {
    const end = Date.now() + RUN_DEADLINE_MS;
    return until(
      'the operation ended',
      async () => {
        try {
          const report: unknown = await this.connection.withDeadline(end, () => this.#handle(runId).result());
          return { report: report as OperationReport };
        } catch (error) {
          if (!(error instanceof WorkflowFailedError)) throw error;
          const { memo } = await this.#handle(runId).describe();
          return { failed: error, report: memo?.[MEMO.report] as OperationReport | undefined };
        }
      },
      RUN_DEADLINE_MS,
    ).then(({ report, failed }) => {
      if (report === undefined) throw new Error('the operation ended, and left no report', { cause: failed });
      return report;
    });
  }

  #onGate = (worker: GatedWorker, gate: Gate): void => {
    const { activity, moment } = gate;
    if (moment === 'after') this.effects.set(activity, (this.effects.get(activity) ?? 0) + 1);
    const due = this.#run?.due(gate);
    if (due === undefined) worker.pass(gate);
    else this.#strikeAt(due, worker, gate).catch((error: unknown) => (this.#failure ??= error));
  };

  async #strikeAt(kill: Kill, worker: GatedWorker, gate: Gate): Promise<void> {
    const run = this.#run;
    if (run === undefined) return;
    switch (kill.moment) {
      case 'before':
      case 'after':
        await this.#strike(kill, { worker, gate }, run);
        if (!worker.ended) worker.pass(gate);
        return;
      case 'reported':
        worker.pass(gate);
        await until('the activity was reported', () => this.#isReported(gate), RUN_DEADLINE_MS);
        return this.#strike(kill, { worker, gate }, run, [`${gate.activity}, reported`]);
      default:
        worker.pass(gate);
        setTimeout(() => {
          if (worker.live.has(gate.activityId)) {
            this.#strike(kill, { worker, gate }, run).catch((error: unknown) => (this.#failure ??= error));
            // A node is killed in that activity or not at all: what is at work by now may have no part for it.
          } else if (!NODE_VICTIMS.some((victim) => victim === kill.victim)) run.hitNext(kill);
        }, kill.moment.afterMs);
    }
  }

  /** Killing is at once; only cutting connections has to look for them first. */
  async #strike(
    kill: Kill,
    { worker, gate }: { worker: GatedWorker; gate: Gate },
    run: RunningRun,
    reported: readonly string[] = [],
  ): Promise<void> {
    const host = this.#hostOf(gate);
    const isDown = kill.victim === 'host' ? this.#booting.has(host.name) : this.#temporalStarts;
    if ((kill.victim === 'temporal' || kill.victim === 'host') && isDown) return run.hitNext(kill);
    const alone = kill.victim === 'worker' || kill.victim === 'host';
    const victims = alone ? [worker] : [...this.#workers];
    const live = [...reported, ...victims.flatMap((victim) => [...victim.live.values()])];
    switch (kill.victim) {
      case 'worker':
      case 'both workers':
        for (const victim of victims) this.#kill(victim);
        break;
      case 'temporal':
        process.kill(this.temporal.pid, 'SIGKILL');
        this.#track(this.#startTemporalAgain());
        break;
      case 'ssh':
        await this.#cutConnections();
        break;
      case 'host':
        await this.#cutPower(host);
        break;
      case 'source':
      case 'target':
      case 'replica': {
        const killed = await this.nodeKiller?.kill(kill.victim);
        if (killed === null || killed === undefined) return;
        this.#track(killed.back);
        break;
      }
      default:
        kill.victim satisfies never;
    }
    run.note({ kill, live, resumedAfterMs: null });
  }

  #kill(worker: GatedWorker): void {
    if (worker.ended || !this.#workers.delete(worker)) return;
    worker.kill();
    this.#replace();
  }

  #replace(): void {
    const env: NodeJS.ProcessEnv = {
      ...process.env,
      TEMPORAL_ADDRESS: this.temporal.address,
      REDISFORGE_ACTOR: 'tester@stage',
      NO_COLOR: '1',
    };
    const starting = async () => {
      const worker = await until('a worker starts', () => GatedWorker.start(env, this.#onGate), RUN_DEADLINE_MS);
      this.#workers.add(worker);
      if (this.#closed) worker.kill();
    };
    this.#track(starting());
  }

  async #startTemporalAgain(): Promise<void> {
    this.#temporalStarts = true;
    await this.temporal.stop();
    this.temporal = await until('Temporal starts again', this.restartTemporal, RUN_DEADLINE_MS);
    this.#temporalStarts = false;
  }

  #track(work: Promise<void>): void {
    const tracked = work
      .catch((error: unknown) => {
        this.#failure ??= error;
      })
      .finally(() => this.#starting.delete(tracked));
    this.#starting.add(tracked);
  }

  /** Kills the server side of every connection; the listening sshd and what runs on the host stay. */
  async #cutConnections(): Promise<void> {
    const processes = (await Promise.all(this.stage.lab.hosts.map(({ home }) => hostProcesses(home)))).flat();
    for (const { pid } of processes) {
      const title = await readFile(`/proc/${pid}/cmdline`, 'latin1').catch(() => '');
      if (!title.startsWith('sshd: ') || title.includes('[listener]')) continue;
      try {
        process.kill(pid, 'SIGKILL');
      } catch {
        // It has just ended by itself.
      }
    }
  }

  /** The power of a host goes, and comes back at once; its boot takes some seconds. */
  async #cutPower(host: LabHost): Promise<void> {
    const { driver } = this.stage.lab;
    this.#booting.add(host.name);
    await driver.kill(host);
    this.#track(driver.start(host).finally(() => this.#booting.delete(host.name)));
  }

  /** The host that is worked on; the first where the activity is about none. */
  #hostOf({ host: wanted }: Gate): LabHost {
    const { hosts } = this.stage.lab;
    const host = hosts.find(({ name }) => name === wanted) ?? hosts[0];
    if (host === undefined) throw new Error('the lab has no host');
    return host;
  }

  async #isReported({ activityId }: Gate): Promise<boolean> {
    const { events } = await this.#handle().fetchHistory();
    const scheduled = events?.find(
      ({ activityTaskScheduledEventAttributes: a }) => a?.activityId === activityId,
    )?.eventId;
    return (
      events?.some(
        ({ activityTaskCompletedEventAttributes: a }) =>
          a?.scheduledEventId !== undefined && String(a?.scheduledEventId) === String(scheduled),
      ) ?? false
    );
  }
}

/**
 * Below the ports that the kernel gives to clients: while the server is dead they try its port again and again, and would one time get that very
 * port for themselves.
 */
async function quietPort(): Promise<number> {
  for (let port = 21_000 + (process.pid % 5_000); ; port++) if (await canListen('127.0.0.1', port)) return port;
}
