import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Client, Connection } from '@temporalio/client';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { findTemporalCli, projectToolsDir } from '../../lab/temporal-cli.js';
import { operationWorkflowId } from '../../domain/ids.js';
import type { Finding } from '../../domain/leftovers.js';
import { nodeName } from '../../domain/nodes.js';
import { openStage, type Process, type Stage } from '../support/e2e.js';
import { freePort } from '../support/ports.js';
import { asAdminOf } from '../support/snapshot.js';
import { until } from '../support/until.js';

const temporalAddress = inject('temporalAddress');

interface Told {
  readonly healthy: boolean;
  readonly temporal: { readonly msPerStep: number | null; readonly serverVersion: string } | null;
  readonly findings: readonly Finding[];
  readonly cleaned?: readonly string[];
}

let stage: Stage;
let worker: Process;

beforeAll(async () => {
  stage = await openStage({ temporalAddress, name: `doctor-${process.pid}`, hosts: 3, nodesPerHost: 2 });
});
afterAll(() => stage.close());

async function doctor(...argv: string[]): Promise<{ exitCode: number | null; told: Told; stderr: string }> {
  const { exitCode, stdout, stderr } = await stage.run('doctor', '-f', stage.specFile, '--json', ...argv);
  return { exitCode, told: JSON.parse(stdout || 'null') as Told, stderr };
}

/** But for the server's speed, which on a busy machine may be anything. */
const problems = ({ findings }: Told) =>
  findings
    .filter(({ severity, what }) => severity === 'problem' && !what.startsWith('A step that does nothing'))
    .map(({ about, what }) => `${about ?? ''} ${what}`);

describe('doctor', () => {
  it('finds nothing to do where all is well, and measures the server', async () => {
    worker = await stage.startWorker();
    const applied = await stage.apply();
    expect(applied.exitCode, applied.stderr).toBe(0);
    const { exitCode, told } = await doctor();
    expect(problems(told)).toEqual([]);
    expect(exitCode).toBe(told.healthy ? 0 : 1);
    expect(told.temporal?.msPerStep).toBeGreaterThan(0);
    expect(told.temporal?.serverVersion).toMatch(/^1\.\d+/);
    expect(told.findings.map(({ what }) => what)).toContainEqual(expect.stringContaining('forgets operations'));
  });

  it('names what a terminated operation and a crash have left, each with what to do', async () => {
    await leaveThings();
    const { exitCode, told } = await doctor();
    expect(exitCode).toBe(1);
    const [host] = stage.spec.hosts;
    const node = nodeName(host?.name ?? '', host?.nodes[0]?.port ?? 0);
    expect(problems(told)).toEqual([
      expect.stringMatching(/^h1 The lease of a run that has ended was not released: apply by tester@stage/),
      expect.stringMatching(/^h1 An ended operation left job fetch \(running pid \d+, generation 2/),
      expect.stringMatching(/^h1 nodes\/9999 is a node that the spec does not declare/),
      expect.stringMatching(/^h2 The lease of a run that has ended/),
      expect.stringMatching(/^h3 The lease of a run that has ended/),
      `${node} Ended operations left a fence user there: redisforge-fence-1-0a1b2c3d-1.`,
      `${node} cluster-node-timeout is 500 from a formation that did not come to its end, and has to be 1000.`,
    ]);
    expect(told.findings.every(({ next }) => next !== '')).toBe(true);
  });

  it('takes away what is surely over, and only when it is told so', async () => {
    const asked = await stage.run('doctor', '-f', stage.specFile, '--clean');
    expect(asked.exitCode).toBe(3);
    expect(asked.stderr).toContain('say --yes');
    const { exitCode, told } = await doctor('--clean', '--yes');
    expect(exitCode).toBe(1);
    expect(told.cleaned?.map((effect) => effect.split(' ').slice(0, 4).join(' '))).toEqual(
      expect.arrayContaining([
        'h1: gave back the',
        'h2: gave back the',
        'h1: ended job fetch',
        'h1: forgot job fetch',
        'h1: removed the unfinished',
      ]),
    );
    expect(problems(told).map((problem) => problem.split(' ').slice(0, 2).join(' '))).toEqual([
      'h1 nodes/9999',
      expect.stringMatching(/cluster-node-timeout$/),
    ]);
    const journal = (await stage.journal()).filter(({ step }) => step.startsWith('by-hand:doctor:'));
    expect(journal.map(({ effect }) => effect)).toEqual(expect.arrayContaining(['lease.released', 'job.ended']));
  });

  it('says what it cannot ask: no Temporal, no worker, no host', async () => {
    worker.kill('SIGKILL');
    const away = stage.elsewhere({ TEMPORAL_ADDRESS: '127.0.0.1:1' });
    const alone = await away.run('doctor');
    expect(alone.exitCode).toBe(4);
    expect(alone.stdout).toMatch(/Temporal {2}cannot be asked[\s\S]*next: Start one with `redisforge dev`/);
    const hosts = await away.run('doctor', '-f', stage.specFile, '--json');
    expect(hosts.exitCode).toBe(1);
    const unreachable = await stage.variant((document) => {
      for (const i of [0, 1, 2]) document.setIn(['hosts', i, 'ssh', 'port'], 1);
    });
    const { exitCode, stdout } = await away.run('doctor', '-f', unreachable);
    expect(exitCode).toBe(4);
    expect(stdout).toContain('hosts     0 of 3 answer');
  });

  it('says of a server with default settings which keys make it quick', async () => {
    const server = await startDefaultServer();
    const there = stage.elsewhere({ TEMPORAL_ADDRESS: server.address });
    const slow = await there.startWorker();
    try {
      const { exitCode, stdout } = await there.run('doctor');
      expect(exitCode, stdout).toBe(1);
      expect(stdout).toMatch(/A step that does nothing takes \d+(\.\d)? ms/);
      expect(stdout).toContain('history.transferProcessorMaxPollRPS');
    } finally {
      slow.kill('SIGKILL');
      await slow.exited;
      await server.stop();
    }
  });
});

/** What an operation leaves that was terminated, and things of older ones. */
async function leaveThings(): Promise<void> {
  const [host] = stage.lab.hosts;
  const [declared] = stage.spec.hosts;
  if (host === undefined || declared === undefined) throw new Error('no host');
  await leaveLeases();
  const token = ['--generation', '2', '--step', 'fetch', '--attempt', '1'];
  const helper = spawn(join(host.root, 'bin/redisforge-host'), [
    ...token,
    'job',
    'start',
    'fetch',
    '--',
    'sleep',
    '300',
  ]);
  await once(helper, 'exit');
  const unfinished = join(host.root, 'record/lease.new');
  await writeFile(unfinished, 'half');
  await utimes(unfinished, 1, 1);
  await mkdir(join(host.root, 'nodes/9999'));
  const node = { ...declared, name: '', host: declared.name, port: declared.nodes[0]?.port ?? 0 };
  await asAdminOf(stage, node, async (connection) => {
    await connection.ask('ACL', 'SETUSER', 'redisforge-fence-1-0a1b2c3d-1', 'on');
    await connection.ask('CONFIG', 'SET', 'cluster-node-timeout', '500');
  });
}

/** An apply that was terminated while it held the hosts: its worker stood before the first setting. */
async function leaveLeases(): Promise<void> {
  worker.kill('SIGTERM');
  await worker.exited;
  const file = await stage.variant((document) => document.setIn(['redis', 'maxclients'], 500));
  const doomed = await stage.startWorker({ when: 'before', activity: 'setSettings', call: 1 });
  const cli = stage.begin('apply', '-f', file, '--yes');
  await doomed.exited;
  const connection = await Connection.connect({ address: temporalAddress });
  await new Client({ connection }).workflow.getHandle(operationWorkflowId(stage.spec.name)).terminate('a test');
  await connection.close();
  cli.kill('SIGKILL');
  worker = await stage.startWorker();
}

/** Temporal's dev server as its own command line starts it. */
async function startDefaultServer(): Promise<{ address: string; stop(): Promise<void> }> {
  const cli = await findTemporalCli({ env: process.env, toolsDir: projectToolsDir() });
  const port = await freePort('127.0.0.1');
  const child = spawn(cli, ['server', 'start-dev', '--headless', '--port', `${port}`], { stdio: 'ignore' });
  const address = `127.0.0.1:${port}`;
  await until(
    'the server answers',
    async () => {
      const connection = await Connection.connect({ address, connectTimeout: 500 });
      await connection.workflowService.describeNamespace({ namespace: 'default' });
      await connection.close();
      return true;
    },
    60_000,
  );
  return {
    address,
    stop: async () => {
      const ended = once(child, 'exit');
      child.kill('SIGTERM');
      await ended;
    },
  };
}
