import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { declaredNodes } from '../../domain/nodes.js';
import { openStage, type Process, type Stage } from '../support/e2e.js';

const execute = promisify(execFile);

describe('apply, from six bare hosts', () => {
  let stage: Stage;
  let worker: Process;
  beforeAll(async () => {
    stage = await openStage({ temporalAddress: inject('temporalAddress'), name: 'orders' });
    worker = await stage.startWorker();
  });
  afterAll(() => stage.close());

  it('shows the plan and exits with 10 where there is something to do', async () => {
    const { exitCode, stdout } = await stage.run('plan', '-f', stage.specFile);
    expect(exitCode).toBe(10);
    for (const node of declaredNodes(stage.spec)) expect(stdout).toContain(`start ${node.name} (new)`);
    expect(stdout).toContain('form the cluster: 3 masters, 3 replicas');
    expect(await stage.journal()).toEqual([]);
  });

  it('asks before it changes anything, and refuses where nobody can be asked', async () => {
    const { exitCode, stderr } = await stage.run('apply', '-f', stage.specFile);
    expect(exitCode).toBe(2);
    expect(stderr).toContain('--yes');
    expect(await stage.journal()).toEqual([]);
  });

  it('forms a cluster that is proven, and reports who, why, what and when', async () => {
    const { exitCode, report } = await stage.apply();
    expect(exitCode).toBe(0);
    expect(report).toMatchObject({
      operation: 'apply',
      cluster: 'orders',
      workflowId: 'cluster/orders/operation',
      outcome: 'done',
      changed: true,
      actor: 'tester@stage',
      reason: 'a test',
      generation: 1,
      verdictBefore: { healthy: false },
      verdictAfter: { healthy: true, findings: [] },
    });
    expect(report.steps.every(({ state }) => state === 'changed')).toBe(true);
    expect(report.steps.map(({ id }) => id)).toContain('smokeTest');
  });

  it('agrees with redis-cli --cluster check', async () => {
    const [node] = declaredNodes(stage.spec);
    if (node === undefined) throw new Error('no node');
    const password = await secretOf(stage, 'admin');
    const { stdout } = await execute('redis-cli', ['--cluster', 'check', `${node.address}:${node.port}`], {
      env: { ...process.env, REDISCLI_AUTH: password },
    }).catch(async () =>
      execute('redis-cli', ['--user', 'admin', '--cluster', 'check', `${node.address}:${node.port}`], {
        env: { ...process.env, REDISCLI_AUTH: password },
      }),
    );
    expect(stdout).toContain('All 16384 slots covered');
    expect(stdout).toContain('All nodes agree about slots configuration');
  });

  it('changes nothing the second time, and says so', async () => {
    const before = await stage.journal();
    const { exitCode, report, stderr } = await stage.apply();
    expect(exitCode).toBe(0);
    expect(report).toMatchObject({ outcome: 'done', changed: false, steps: [], verdictAfter: { healthy: true } });
    expect(stderr).toContain('nothing to change');
    expect(await stage.journal()).toEqual(before);
    expect((await stage.run('plan', '-f', stage.specFile)).exitCode).toBe(0);
  });

  it('has a status of the documented form', async () => {
    const { exitCode, status } = await stage.status();
    expect(exitCode).toBe(0);
    expect(status).toMatchObject({ cluster: 'orders', healthy: true, findings: [] });
    expect(status.nodes).toHaveLength(6);
    for (const node of status.nodes) {
      expect(node).toMatchObject({
        id: expect.stringMatching(/^[0-9a-f]{40}$/) as string,
        port: expect.any(Number) as number,
        zone: expect.stringMatching(/^z[123]$/) as string,
        version: expect.stringMatching(/^7\.0\./) as string,
      });
      expect(node.role === 'replica' ? node.lagBytes : null).toSatisfy(
        (lag) => lag === null || typeof lag === 'number',
      );
    }
    const slots = status.nodes.flatMap((node) => node.slots).reduce((sum, [from, to]) => sum + to - from + 1, 0);
    expect(slots).toBe(16384);
  });

  it('says how to connect, without the secret itself', async () => {
    const { stdout, exitCode } = await stage.run('connect', '-f', stage.specFile, '--json');
    expect(exitCode).toBe(0);
    const connect = JSON.parse(stdout) as { nodes: string[]; user: string; secret: string };
    expect(connect.nodes).toEqual(declaredNodes(stage.spec).map(({ address, port }) => `${address}:${port}`));
    expect(connect.secret).toBe(stage.spec.secrets.app.current);
    const [host = '', port = ''] = (connect.nodes[0] ?? '').split(':');
    const client = new Redis({
      host,
      port: Number(port),
      username: connect.user,
      password: await secretOf(stage, 'app'),
    });
    expect(await client.ping()).toBe('PONG');
    client.disconnect();
  });

  it("shows a node's log", async () => {
    const { exitCode, stdout } = await stage.run('logs', 'h1:6379', '-f', stage.specFile);
    expect(exitCode).toBe(0);
    expect(stdout).toContain('Ready to accept connections');
  });

  it('shows a setting that was changed by hand, in status and plan, with both values', async () => {
    const [node] = declaredNodes(stage.spec);
    if (node === undefined) throw new Error('no node');
    const admin = new Redis({
      host: node.address,
      port: node.port,
      username: 'admin',
      password: await secretOf(stage, 'admin'),
    });
    await admin.config('SET', 'maxmemory-policy', 'allkeys-lru');
    const { status } = await stage.status();
    expect(status.findings).toMatchObject([{ code: 'ConfigDrift', node: node.name }]);
    expect(status.findings[0]?.evidence).toContain('allkeys-lru');
    const { stdout } = await stage.run('plan', '-f', stage.specFile);
    expect(stdout).toContain(`change settings of ${node.name}: maxmemory-policy allkeys-lru → noeviction`);
    await admin.config('SET', 'maxmemory-policy', 'noeviction');
    admin.disconnect();
  });

  it('starts a node again that was killed, and proves the cluster once more', async () => {
    const { status } = await stage.status();
    const replica = status.nodes.find(({ role }) => role === 'replica');
    if (replica === undefined) throw new Error('no replica');
    const client = new Redis({
      host: replica.address,
      port: replica.port,
      username: 'admin',
      password: await secretOf(stage, 'admin'),
    });
    const info = await client.info('server');
    client.disconnect();
    process.kill(Number(/process_id:(\d+)/.exec(info)?.[1]), 'SIGKILL');
    const broken = await stage.status();
    expect(broken.exitCode).toBe(1);
    expect(broken.status.healthy).toBe(false);
    const { exitCode, report } = await stage.apply();
    expect(report.steps.map(({ id }) => id)).toEqual([`startNode/${replica.name}`, 'smokeTest']);
    expect(exitCode).toBe(0);
  });

  it('keeps every step in the journals of the hosts exactly once for each run', async () => {
    const entries = await stage.journal();
    const keys = entries.map((entry) => JSON.stringify(entry));
    expect(keys.filter((key, index) => keys.indexOf(key) !== index)).toEqual([]);
  });

  it('is in the list of operations, and can be shown afterwards', async () => {
    const list = await stage.run('ops', 'list', 'orders', '--json');
    const rows = list.stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { state: string; actor: string });
    expect(rows.length).toBeGreaterThanOrEqual(3);
    expect(rows[0]).toMatchObject({ state: 'completed', actor: 'tester@stage' });
    const { stdout, exitCode } = await stage.run('ops', 'show', 'orders');
    expect(exitCode).toBe(0);
    expect(stdout).toContain('why      a test');
  });

  it('refuses to destroy a cluster that holds data, unless it is named once more', async () => {
    const [node] = declaredNodes(stage.spec);
    if (node === undefined) throw new Error('no node');
    await writeKeys(stage, 50);
    const refused = await stage.run('destroy', '-f', stage.specFile, '--yes');
    expect(refused.exitCode).toBe(3);
    expect(refused.stderr).toContain('--confirm orders');
    const misnamed = await stage.run('destroy', '-f', stage.specFile, '--yes', '--confirm', 'order');
    expect(misnamed.exitCode).toBe(2);
    expect((await stage.status()).status.healthy).toBe(true);
  });

  it('destroys it, keeps the data, and an apply brings the same data back', async () => {
    const destroyed = await stage.run('destroy', '-f', stage.specFile, '--yes', '--confirm', 'orders');
    expect(destroyed.exitCode, destroyed.stderr).toBe(0);
    expect((await stage.status()).status.nodes.every(({ answered }) => !answered)).toBe(true);
    const again = await stage.apply();
    expect(again.exitCode, again.stderr).toBe(0);
    expect(
      again.report.verdictAfter?.nodes
        .filter(({ role }) => role === 'master')
        .reduce((sum, { keys }) => sum + (keys ?? 0), 0),
    ).toBe(50);
  });

  it('destroys it with its data: nothing of ours stays on the hosts', async () => {
    const destroyed = await stage.run('destroy', '-f', stage.specFile, '--yes', '--confirm', 'orders', '--delete-data');
    expect(destroyed.exitCode, destroyed.stderr).toBe(0);
    for (const { root } of stage.lab.hosts) {
      const { stdout } = await execute('find', [root, '-mindepth', '1']).catch(() => ({ stdout: '' }));
      expect(stdout).toBe('');
    }
    const again = await stage.run('destroy', '-f', stage.specFile, '--yes');
    expect(again.exitCode, again.stderr).toBe(0);
  });

  it('lets the worker end in order', async () => {
    worker.kill('SIGTERM');
    await worker.exited;
    expect(worker.child.exitCode, worker.output()).toBe(0);
    expect(worker.output()).toContain('worker has ended in order');
  });
});

async function secretOf(stage: Stage, duty: 'admin' | 'app'): Promise<string> {
  return (await readFile(stage.spec.secrets[duty].current.slice('file:'.length), 'utf8')).trimEnd();
}

async function writeKeys(stage: Stage, count: number): Promise<void> {
  const { Cluster } = await import('ioredis');
  const nodes = declaredNodes(stage.spec).map(({ address, port }) => ({ host: address, port }));
  const cluster = new Cluster(nodes, { redisOptions: { username: 'app', password: await secretOf(stage, 'app') } });
  await Promise.all(Array.from({ length: count }, (_, n) => cluster.set(`key:${n}`, `value ${n}`)));
  cluster.disconnect();
}
