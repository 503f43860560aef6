import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { type Document, isMap, parseDocument } from 'yaml';
import { loadSpec } from '../../config/load.js';
import type { LabDriverName, LabHost, LabShape } from '../../lab/driver.js';
import { writeLabSpec } from '../../lab/spec.js';
import type { Engine } from '../../lab/engines.js';
import type { OperationReport } from '../../domain/operation.js';
import type { ClusterSpec, Duty } from '../../domain/spec.js';
import type { Finding, NodeStatus } from '../../domain/verdict.js';
import { openContainerLab } from './containers.js';
import { startLab, type TestLab } from './lab.js';
import { until } from './until.js';

const PROJECT = fileURLToPath(new URL('../..', import.meta.url));
const CLI = join(PROJECT, 'bin/redisforge');
const FAILPOINT_WORKER = join(PROJECT, 'test/support/failpoint-worker.ts');

export interface CliResult {
  readonly exitCode: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** What a status of the contract looks like. */
export interface StatusJson {
  readonly cluster: string;
  readonly healthy: boolean;
  readonly asOf: string;
  readonly findings: readonly Finding[];
  readonly nodes: readonly NodeStatus[];
}

/** What a person at one machine can do: the product's own CLI and worker as processes, with that machine's environment. */
export interface Hands {
  run(...argv: string[]): Promise<CliResult>;
  /** The CLI as a process that is not waited for. */
  begin(...argv: string[]): ChildProcess;
  /** `apply --yes --json`; its report. */
  apply(...argv: string[]): Promise<{ exitCode: number | null; report: OperationReport; stderr: string }>;
  status(): Promise<{ exitCode: number | null; status: StatusJson }>;
  /** A worker that is ready. With a failpoint it kills itself there. */
  startWorker(failpoint?: Failpoint): Promise<Process>;
  /** A worker that is ready and logs all that it can. */
  startChattyWorker(): Promise<Process>;
}

/** A lab and its spec, and somebody to work on it. */
export interface Stage extends Hands {
  readonly lab: TestLab;
  readonly spec: ClusterSpec;
  readonly specFile: string;
  /** Another machine, with the same spec and hosts, whose environment differs. */
  elsewhere(env: NodeJS.ProcessEnv): Hands;
  /** The spec's file with a change, beside the original: its relative references stay right. */
  variant(change: (document: Document) => void): Promise<string>;
  /** The spec's file with this secret for a duty instead of its own. */
  variantWithSecret(duty: Duty, secret: string): Promise<string>;
  journal(): Promise<JournalEntry[]>;
  /** Runs a program on a host, past SSH; what it printed, trimmed. Fails where the program does. */
  onHost(host: LabHost, argv: readonly string[]): Promise<string>;
  close(): Promise<void>;
}

/** Where a worker kills itself: before or after the effect of the n-th call of an activity; or stops itself (SIGSTOP) before it. */
export interface Failpoint {
  readonly when: 'before' | 'after' | 'stopped';
  readonly activity: string;
  readonly call: number;
}

export interface Process {
  readonly child: ChildProcess;
  output(): string;
  kill(signal: NodeJS.Signals): void;
  exited: Promise<void>;
}

export interface JournalEntry {
  readonly host: string;
  readonly generation: string;
  readonly step: string;
  readonly effect: string;
  readonly detail: string;
}

export interface StageOptions {
  readonly temporalAddress: string;
  readonly name: string;
  readonly hosts?: number;
  readonly nodesPerHost?: number;
  /** `process` where nothing is said; `container` for hosts that boot systemd. */
  readonly driver?: LabDriverName;
  /** Of workers: 1 s where nothing is said, as many tests kill them. */
  readonly heartbeat?: string;
  /** Brought to the hosts as an archive; this machine's redis-server where it is not given. */
  readonly engine?: Engine;
  /** Small, so that a proof (a node timeout between two looks) is quick. */
  readonly nodeTimeoutMs?: number;
  /** Of the spec's file, before anybody reads it. */
  readonly change?: (document: Document) => void;
}

export async function openStage({
  temporalAddress,
  name,
  nodeTimeoutMs = 1000,
  driver = 'process',
  heartbeat = '1s',
  engine: own,
  change: changeFirst = () => undefined,
  ...shape
}: StageOptions): Promise<Stage> {
  const { lab, onHost } = await (driver === 'process' ? processLab(shape) : containerLab(shape));
  const specFile = join(lab.dir, 'cluster.yaml');
  const env: NodeJS.ProcessEnv = {
    ...process.env,
    TEMPORAL_ADDRESS: temporalAddress,
    REDISFORGE_ACTOR: 'tester@stage',
    NO_COLOR: '1',
  };
  const engine = own ?? (await lab.driver.engine());
  await writeLabSpec({ lab, driver: lab.driver, engine, cluster: { name, nodeTimeoutMs }, path: specFile });
  await changeFile(specFile, (document) => {
    // A dead worker is noticed by the missing heartbeat.
    document.setIn(['timings', 'heartbeat'], heartbeat);
    changeFirst(document);
  });
  const { spec } = await loadSpec({ path: specFile, env });
  const workers: Process[] = [];
  const variant: Stage['variant'] = async (change) => {
    const document = parseDocument(await readFile(specFile, 'utf8'));
    change(document);
    const file = join(lab.dir, `variant-${randomUUID()}.yaml`);
    await writeFile(file, document.toString());
    return file;
  };
  return {
    ...handsOf({ specFile, env, workers }),
    lab,
    spec,
    specFile,
    variant,
    variantWithSecret: async (duty, secret) => {
      const file = join(lab.dir, `secret-${randomUUID()}`);
      await writeFile(file, `${secret}\n`, { mode: 0o600 });
      return variant((document) => {
        const secrets = document.get('secrets');
        if (!isMap(secrets)) throw new Error('no secrets');
        secrets.set(duty, `file:${file}`);
      });
    },
    elsewhere: (change) => handsOf({ specFile, env: { ...env, ...change }, workers }),
    journal: async () =>
      (
        await Promise.all(
          lab.hosts.map(async (host) => {
            const text = await onHost(host, ['cat', `${host.root}/record/journal`]).catch(() => '');
            return journalOf(host.name, text);
          }),
        )
      ).flat(),
    onHost,
    async close() {
      for (const worker of workers) worker.kill('SIGKILL');
      await Promise.all(workers.map(({ exited }) => exited));
      await lab.down();
    },
  };
}

/** A lab, and the way to its hosts past SSH. */
type OpenLab = Pick<Stage, 'lab' | 'onHost'>;

async function processLab(shape: Partial<LabShape>): Promise<OpenLab> {
  return {
    lab: await startLab(shape),
    async onHost(_, [program = '', ...words]) {
      const { stdout } = await promisify(execFile)(program, words, { maxBuffer: MOST_PRINTED });
      return stdout.trim();
    },
  };
}

async function containerLab(shape: Partial<LabShape>): Promise<OpenLab> {
  const lab = await openContainerLab(shape);
  return { lab: { ...lab, down: () => lab.close() }, onHost: (host, argv) => lab.exec(host, argv) };
}

/** Bytes. */
const MOST_PRINTED = 16 << 20;

async function changeFile(specFile: string, change: (document: Document) => void): Promise<void> {
  const document = parseDocument(await readFile(specFile, 'utf8'));
  change(document);
  await writeFile(specFile, document.toString());
}

function handsOf({ specFile, env, workers }: { specFile: string; env: NodeJS.ProcessEnv; workers: Process[] }): Hands {
  const run = (...argv: string[]) => finished(start(process.execPath, [CLI, ...argv], env));
  const startReady = async (argv: readonly string[]): Promise<Process> => {
    const worker = start(process.execPath, argv, env);
    workers.push(worker);
    await until(
      'the worker is ready',
      () => worker.output().includes('worker is ready') || hasEnded(worker.child),
      30_000,
    );
    if (hasEnded(worker.child)) throw new Error(`the worker ended:\n${worker.output()}`);
    return worker;
  };
  return {
    run,
    begin: (...argv) => start(process.execPath, [CLI, ...argv], env).child,
    async apply(...argv) {
      const { exitCode, stdout, stderr } = await run(
        'apply',
        '-f',
        specFile,
        '--yes',
        '--json',
        '--reason',
        'a test',
        ...argv,
      );
      const last = stdout.trim().split('\n').at(-1) ?? '';
      if (last === '') throw new Error(`apply printed no report (exit ${exitCode}):\n${stderr}`);
      return { exitCode, report: JSON.parse(last) as OperationReport, stderr };
    },
    async status() {
      const { exitCode, stdout } = await run('status', '-f', specFile, '--json');
      return { exitCode, status: JSON.parse(stdout) as StatusJson };
    },
    startWorker: (failpoint) =>
      startReady(
        failpoint === undefined
          ? [CLI, 'worker', '--log', 'json']
          : ['--import', 'tsx', FAILPOINT_WORKER, failpoint.when, failpoint.activity, String(failpoint.call)],
      ),
    startChattyWorker: () => startReady([CLI, 'worker', '--log', 'json', '--log-level', 'trace']),
  };
}

function journalOf(host: string, text: string): JournalEntry[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      const [, generation = '', step = '', , effect = '', detail = ''] = line.split('\t');
      return { host, generation, step, effect, detail };
    });
}

function start(
  command: string,
  argv: readonly string[],
  env: NodeJS.ProcessEnv,
): Process & { stdout(): string; stderr(): string } {
  const child = spawn(command, [...argv], { env, stdio: ['ignore', 'pipe', 'pipe'], cwd: PROJECT });
  let out = '';
  let err = '';
  child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()));
  const exited = new Promise<void>((resolve) => child.once('close', () => resolve()));
  return {
    child,
    exited,
    stdout: () => out,
    stderr: () => err,
    output: () => out + err,
    kill: (signal) => void child.kill(signal),
  };
}

async function finished(process: ReturnType<typeof start>): Promise<CliResult> {
  await process.exited;
  return { exitCode: process.child.exitCode, stdout: process.stdout(), stderr: process.stderr() };
}

function hasEnded(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null;
}
