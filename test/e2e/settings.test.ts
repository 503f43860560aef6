import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { type DeclaredNode, declaredNodes } from '../../domain/nodes.js';
import type { OperationReport } from '../../domain/operation.js';
import { type JournalEntry, openStage, type Stage } from '../support/e2e.js';

const temporalAddress = inject('temporalAddress');

describe('settings of running nodes', () => {
  let stage: Stage;
  let nodes: DeclaredNode[];
  let clients: ReadonlyMap<string, Redis>;

  beforeAll(async () => {
    stage = await openStage({ temporalAddress, name: `settings-${process.pid}` });
    nodes = declaredNodes(stage.spec);
    const worker = await stage.startWorker();
    const { exitCode, stderr } = await stage.apply();
    expect(exitCode, stderr).toBe(0);
    worker.kill('SIGTERM');
    await worker.exited;
    const password = await secretOf('admin');
    clients = new Map(nodes.map((node) => [node.name, connect(node, 'admin', password)]));
  });
  afterAll(async () => {
    for (const client of clients.values()) client.disconnect();
    await stage.close();
  });

  function connect({ address, port }: DeclaredNode, username: string, password: string): Redis {
    return new Redis({ host: address, port, username, password, enableReadyCheck: false, retryStrategy: () => null });
  }

  async function secretOf(duty: 'admin' | 'app'): Promise<string> {
    return (await readFile(stage.spec.secrets[duty].current.slice('file:'.length), 'utf8')).trimEnd();
  }

  /** Does something while a worker runs. */
  async function withWorker<T>(work: () => Promise<T>): Promise<T> {
    const worker = await stage.startWorker();
    try {
      return await work();
    } finally {
      worker.kill('SIGTERM');
      await worker.exited;
    }
  }

  function admin(node: string): Redis {
    const client = clients.get(node);
    if (client === undefined) throw new Error(`no client of ${node}`);
    return client;
  }

  /** All that CONFIG GET shows of every node. */
  async function configs(): Promise<Record<string, Record<string, string>>> {
    const all = nodes.map(async ({ name }) => {
      const flat = (await admin(name).call('CONFIG', 'GET', '*')) as string[];
      const pairs = flat.flatMap((key, i) => (i % 2 === 0 ? [[key, flat[i + 1] ?? ''] as const] : []));
      return [name, Object.fromEntries(pairs)] as const;
    });
    return Object.fromEntries(await Promise.all(all));
  }

  const withSettings = (of: Record<string, Record<string, string>>, settings: Record<string, string>) =>
    Object.fromEntries(Object.entries(of).map(([name, config]) => [name, { ...config, ...settings }]));

  async function apply(file: string): Promise<OperationReport> {
    const { exitCode, stdout, stderr } = await stage.run('apply', '-f', file, '--yes', '--json');
    expect(exitCode, stderr).toBe(0);
    return JSON.parse(stdout.trim().split('\n').at(-1) ?? '') as OperationReport;
  }

  async function newFiles(since: readonly JournalEntry[]): Promise<string[]> {
    const seen = new Set(since.map((entry) => JSON.stringify(entry)));
    return (await stage.journal())
      .filter((entry) => !seen.has(JSON.stringify(entry)) && !entry.effect.startsWith('lease.'))
      .map(({ host, step, effect, detail }) => `${host} ${step} ${effect} ${detail.split(' ')[0]}`)
      .sort();
  }

  const filesOf = (file: string) =>
    nodes.map(({ name, host, port }) => `${host} changeSettings/${name} file.updated nodes/${port}/${file}`).sort();

  async function expectSettled(file: string): Promise<void> {
    const plan = await stage.run('plan', '-f', file);
    expect(plan.exitCode, plan.stdout).toBe(0);
    expect(plan.stdout).toContain('nothing to change');
    expect((await stage.run('status', '-f', file)).stdout).not.toContain('ConfigDrift');
  }

  it('changed by hand are shown with both values, and set again there and nowhere else', async () => {
    const before = await configs();
    await admin('h2:6379').config('SET', 'maxclients', '900');
    const { status } = await stage.status();
    expect(status.findings).toMatchObject([{ code: 'ConfigDrift', node: 'h2:6379' }]);
    expect(status.findings[0]?.evidence).toContain('maxclients 900, the spec wants 1000');
    const plan = await stage.run('plan', '-f', stage.specFile);
    expect(plan.exitCode).toBe(10);
    expect(plan.stdout).toContain('1. change settings of h2:6379: maxclients 900 → 1000\n');
    const journal = await stage.journal();
    const report = await withWorker(() => apply(stage.specFile));
    expect(report.steps.map(({ id, effects }) => [id, effects])).toEqual([
      ['changeSettings/h2:6379', ['h2:6379: maxclients 900 → 1000']],
    ]);
    expect(await configs()).toEqual(before);
    expect(await newFiles(journal)).toEqual([]);
    await expectSettled(stage.specFile);
  });

  it('changed in the spec come to every node and into its file exactly once, over the death of workers between the two', async () => {
    const file = await stage.variant((document) => {
      document.setIn(['redis', 'maxclients'], 500);
      document.setIn(['redis', 'replBacklog'], '2mb');
      document.setIn(['redis', 'extra'], { hz: 20 });
    });
    const [before, journal] = [await configs(), await stage.journal()];
    const first = await stage.startWorker({ when: 'after', activity: 'setSettings', call: 2 });
    const applying = apply(file);
    await first.exited;
    const second = await stage.startWorker({ when: 'before', activity: 'placeNode', call: 2 });
    await second.exited;
    const report = await withWorker(() => applying);
    expect([first.child.signalCode, second.child.signalCode]).toEqual(['SIGKILL', 'SIGKILL']);
    expect(report).toMatchObject({ outcome: 'done', verdictAfter: { healthy: true, findings: [] } });
    expect(report.steps.map(({ state }) => state)).toEqual(nodes.map(() => 'changed'));
    expect(report.steps[0]?.title).toMatch(
      /^change settings of h\d:6379: maxclients 1000 → 500, repl-backlog-size \d+ → 2097152, hz 10 → 20; write config \(update\)$/,
    );
    const wanted = { maxclients: '500', 'repl-backlog-size': '2097152', hz: '20' };
    expect(await configs()).toEqual(withSettings(before, wanted));
    expect(await newFiles(journal)).toEqual(filesOf('redis.conf'));
    await expectSettled(file);
    await withWorker(() => apply(stage.specFile));
    // Taken out of the spec: nobody says any more what it should be, until a restart makes it the default.
    expect(await configs()).toEqual(withSettings(before, { hz: '20' }));
    await expectSettled(stage.specFile);
  });

  it('that only a restart takes come into the file, and plan, report and status say that the restart is missing', async () => {
    const file = await stage.variant((document) => document.setIn(['redis', 'extra'], { 'io-threads': 2, hz: 20 }));
    const before = await configs();
    const report = await withWorker(() => apply(file));
    expect(report.steps[0]?.title).toMatch(
      /^write config \(update\) for h\d:6379; only a restart takes io-threads 1 → 2/,
    );
    expect(report.steps[0]?.effects.join('\n')).toMatch(/only a restart takes io-threads 1 → 2/);
    expect(await configs()).toEqual(before);
    const plan = await stage.run('plan', '-f', file);
    expect(plan.exitCode).toBe(0);
    expect(plan.stdout).toContain(
      'h1:6379: io-threads is 1, the spec wants 2\n           left: Redis takes it only when',
    );
    expect((await stage.run('status', '-f', file)).stdout).toMatch(
      /ConfigDrift[^]*only when the node is started again/,
    );
    const text = await readFile(join(stage.spec.hosts[0]?.root ?? '', 'nodes/6379/redis.conf'), 'utf8');
    expect(text).toContain('\nio-threads 2\n');
    await withWorker(() => apply(stage.specFile));
  });

  it('rights of users changed in the spec are set without a client being sent away, and come into the file', async () => {
    const file = await stage.variant((document) =>
      document.setIn(['users', 'app', 'commands'], '+@read +@write +client +cluster +ping -lpush'),
    );
    const [node] = nodes;
    if (node === undefined) throw new Error('no node');
    const app = connect(node, 'app', await secretOf('app'));
    const id = await app.client('ID');
    const journal = await stage.journal();
    const report = await withWorker(() => apply(file));
    expect(report.steps.map(({ id: step }) => step)).toContain('smokeTest');
    expect(report.steps[0]?.title).toMatch(/^change settings of h\d:6379: rights of its users; write acl \(update\)$/);
    expect(report.steps[0]?.effects[0]).toMatch(/user app: commands .* → -@all .*-lpush/);
    await expect(app.lpush('x', '1')).rejects.toThrow('NOPERM');
    expect(await app.client('ID')).toBe(id);
    app.disconnect();
    expect(await newFiles(journal)).toEqual(filesOf('users.acl'));
    await expectSettled(file);
    await withWorker(() => apply(stage.specFile));
    await expectSettled(stage.specFile);
  });

  it('do not change a secret: another one is shown, and its file is left', async () => {
    const file = await stage.variantWithSecret('app', 'u3Kx9-another-secret-altogether');
    const plan = await stage.run('plan', '-f', file);
    expect(plan.stdout).toContain('nothing to change');
    expect(plan.stdout).toMatch(/h1:6379: user app is with another secret.*\n.*rotation/);
    expect(plan.stdout).not.toMatch(/[0-9a-f]{64}|another-secret-altogether/);
  });

  it('that would hurt at once are refused with the numbers, and nothing is touched', async () => {
    const file = await stage.variant((document) => {
      document.setIn(['redis', 'maxmemory'], '1mb');
      document.setIn(['redis', 'replBacklog'], '1mb');
    });
    const [before, journal] = [await configs(), await stage.journal()];
    const { exitCode, stderr } = await stage.run('apply', '-f', file, '--yes');
    expect(exitCode).toBe(3);
    expect(stderr).toMatch(
      /h1:6379 uses \d{7} bytes of memory, the spec wants maxmemory 1048576 \(now \d+\) with noeviction/,
    );
    expect(stderr).toContain('next: ');
    expect(await configs()).toEqual(before);
    expect(await stage.journal()).toEqual(journal);
  });
});
