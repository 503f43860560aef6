import { spawnSync } from 'node:child_process';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { form } from '../../../activities/redis/form.js';
import { observeExisting } from '../../../activities/redis/observe.js';
import { Secret } from '../../../config/secrets.js';
import { judge } from '../../../domain/judge.js';
import { place } from '../../../domain/placement.js';
import type { FindingCode, Verdict } from '../../../domain/verdict.js';
import { CONFIRMED, TOKEN } from '../../support/fence.js';
import { type RedisNodes, startRedisNodes } from '../../support/redis-nodes.js';
import { until } from '../../support/until.js';

let nodes: RedisNodes;
/** h1 to h3 are the masters of the plan, `replicaOf` their replicas. */
let names: string[];
let replicaOf: Record<string, string>;

beforeAll(() => {
  expect(spawnSync('redis-cli', ['--version']).status, 'redis-cli is installed').toBe(0);
});

beforeEach(async () => {
  nodes = await startRedisNodes({ redisCommandMs: 500 });
  const plan = place(nodes.spec);
  await form({ spec: nodes.spec, token: TOKEN, ...plan }, { secrets: nodes.secrets, ...CONFIRMED });
  names = [...nodes.servers.keys()];
  replicaOf = Object.fromEntries(plan.replicas.map(({ node, of }) => [of, node]));
});
afterEach(() => nodes.stop());

async function inspect(from = names[1] ?? ''): Promise<Verdict> {
  const observation = await observeExisting({
    address: '127.0.0.1',
    port: portOf(from),
    credentials: { user: 'admin', password: new Secret(nodes.password.admin) },
    timeoutMs: 500,
  });
  return judge({ observation, expectation: null, cluster: 'existing' });
}

/** What the tool that people use today says of the same nodes. A node that never answers would hold it for ever. */
function redisCliCheck(from = names[1] ?? '') {
  const { status, stdout } = spawnSync(
    'redis-cli',
    ['--cluster', 'check', `127.0.0.1:${portOf(from)}`, '--user', 'admin'],
    {
      env: { ...process.env, REDISCLI_AUTH: nodes.password.admin },
      encoding: 'utf8',
      timeout: 2500,
    },
  );
  return { ended: status !== null, ok: status === 0 && !/\[ERR\]|\[WARNING\]/.test(stdout), text: stdout };
}

function portOf(name: string): number {
  return Number(name.split(':')[1]);
}

/** Without a spec, a node is called by its address. */
function at(name: string | undefined): string {
  return `127.0.0.1:${portOf(name ?? '')}`;
}

async function idOf(name: string): Promise<string> {
  return String(await nodes.admin(name, 'CLUSTER', 'MYID'));
}

function codes({ findings }: Verdict): FindingCode[] {
  return [...new Set(findings.map(({ code }) => code))];
}

describe('inspect beside redis-cli --cluster check', () => {
  it('both find a sound cluster sound', async () => {
    const verdict = await inspect();
    expect(verdict.findings).toEqual([]);
    expect(verdict.nodes.map(({ name }) => name).sort()).toEqual(names.map(at).sort());
    expect(redisCliCheck().ok).toBe(true);
  });

  it('both find a killed master; we name it and what it served', async () => {
    const [dead = ''] = names;
    await nodes.servers.get(dead)?.kill();
    expect(redisCliCheck().text).toContain('Not all 16384 slots are covered');
    const verdict = await inspect();
    expect(codes(verdict)).toEqual(expect.arrayContaining(['DeadMaster', 'SlotUncovered']));
    expect(verdict.findings.find(({ code }) => code === 'DeadMaster')).toMatchObject({
      node: at(dead),
      evidence: expect.stringContaining('connection-refused') as string,
    });
    expect(verdict.findings.find(({ code }) => code === 'SlotUncovered')?.evidence).toContain(at(dead));
  });

  it('we find a killed replica, of which redis-cli only says that it cannot connect', async () => {
    const dead = replicaOf[names[0] ?? ''] ?? '';
    await nodes.servers.get(dead)?.kill();
    expect(redisCliCheck().text).toContain('[OK] All 16384 slots covered');
    const verdict = await inspect();
    expect(verdict.healthy).toBe(false);
    expect(verdict.findings).toContainEqual(expect.objectContaining({ code: 'DeadReplica', node: at(dead) }));
    expect(verdict.findings).toContainEqual(expect.objectContaining({ code: 'NoReplica', node: at(names[0]) }));
  });

  it('we find a frozen node within a deadline; redis-cli never comes back', async () => {
    const [frozen = ''] = names;
    nodes.servers.get(frozen)?.freeze();
    const startedAt = performance.now();
    const verdict = await inspect();
    expect(performance.now() - startedAt).toBeLessThan(2500);
    expect(redisCliCheck().ended).toBe(false);
    expect(verdict.findings).toContainEqual(
      expect.objectContaining({
        code: 'DeadMaster',
        node: at(frozen),
        evidence: expect.stringContaining('timeout') as string,
      }),
    );
  });

  it.each<[string, () => Promise<string>]>([
    [
      'migrating only',
      async () => {
        const [from = '', to = ''] = names;
        await nodes.admin(from, 'CLUSTER', 'SETSLOT', 7, 'MIGRATING', await idOf(to));
        return from;
      },
    ],
    [
      'importing only',
      async () => {
        const [from = '', to = ''] = names;
        await nodes.admin(to, 'CLUSTER', 'SETSLOT', 7, 'IMPORTING', await idOf(from));
        return to;
      },
    ],
  ])('both find an open slot: %s', async (_, open) => {
    const name = await open();
    expect(redisCliCheck().text).toMatch(/slots are open|in (migrating|importing) state/);
    const [finding, ...others] = (await inspect()).findings;
    expect(others).toEqual([]);
    expect(finding).toMatchObject({ code: 'OpenSlot', node: at(name) });
    expect(finding?.evidence).toMatch(/: 7 (to|from) 127/);
  });

  it('both find a slot that nobody owns', async () => {
    for (const name of names) await nodes.admin(name, 'CLUSTER', 'DELSLOTS', 9).catch(() => undefined);
    expect(redisCliCheck().text).toContain('Not all 16384 slots are covered');
    const verdict = await inspect();
    const evidence = verdict.findings.filter(({ code }) => code === 'SlotUncovered').map((finding) => finding.evidence);
    expect(evidence).toEqual([expect.stringMatching(/^1 slot \(9\) served by nobody/)]);
  });

  it('both find views that differ; we say which node differs and in what', async () => {
    const [, viewer = ''] = names;
    await nodes.admin(viewer, 'CLUSTER', 'DELSLOTS', 11);
    expect(redisCliCheck().ok).toBe(false);
    const split = (await inspect()).findings.find(({ code }) => code === 'SplitView');
    expect(split).toMatchObject({ node: at(viewer) });
    expect(split?.evidence).toContain('1 slot (11) with nobody');
  });

  it('we find a ghost that only some have forgotten', async () => {
    const ghost = replicaOf[names[0] ?? ''] ?? '';
    const id = await idOf(ghost);
    await nodes.servers.get(ghost)?.kill();
    const [, forgetful = ''] = names;
    await nodes.admin(forgetful, 'CLUSTER', 'FORGET', id);
    const found = (await inspect(forgetful)).findings.filter(({ code }) => code === 'GhostNode');
    expect(found.map(({ evidence }) => evidence)).toContainEqual(
      expect.stringMatching(new RegExp(`${id}.*not by ${at(forgetful)}`)),
    );
  });

  it('we find a living member that one node has forgotten', async () => {
    const lost = replicaOf[names[0] ?? ''] ?? '';
    const [, forgetful = ''] = names;
    await nodes.admin(forgetful, 'CLUSTER', 'FORGET', await idOf(lost));
    expect((await inspect(names[2])).findings).toContainEqual(
      expect.objectContaining({
        code: 'SplitView',
        node: at(lost),
        evidence: expect.stringContaining(`not by ${at(forgetful)}`) as string,
      }),
    );
  });

  it('we find a replica that cannot copy its master; redis-cli says OK', async () => {
    const replica = replicaOf[names[0] ?? ''] ?? '';
    await nodes.admin(replica, 'CONFIG', 'SET', 'masterauth', 'another');
    await nodes.admin(names[0] ?? '', 'CLIENT', 'KILL', 'TYPE', 'replica');
    await until('the broken link', async () => codes(await inspect()).includes('ReplicationDown'));
    expect(redisCliCheck().ok).toBe(true);
    expect((await inspect()).findings.map(({ code, node, severity }) => [code, node, severity])).toEqual([
      ['ReplicationDown', at(replica), 'error'],
      ['NoReplica', at(names[0]), 'warning'],
    ]);
  });

  it('we find a node that was reset: its old ID, and itself outside', async () => {
    const reset = replicaOf[names[0] ?? ''] ?? '';
    const id = await idOf(reset);
    await nodes.admin(reset, 'CLUSTER', 'RESET', 'HARD');
    const verdict = await inspect();
    expect(verdict.findings).toContainEqual(expect.objectContaining({ code: 'NotMember', node: at(reset) }));
    expect(verdict.findings).toContainEqual(
      expect.objectContaining({ code: 'GhostNode', evidence: expect.stringContaining(id) as string }),
    );
  });

  it('says that nothing is known where the secret is wrong', async () => {
    const observation = await observeExisting({
      address: '127.0.0.1',
      port: portOf(names[0] ?? ''),
      credentials: {},
      timeoutMs: 500,
    });
    const verdict = judge({ observation, expectation: null, cluster: 'existing' });
    expect(verdict.healthy).toBe(false);
    expect(codes(verdict)).toContain('WrongSecret');
  });
});
