import { readFileSync } from 'node:fs';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { setSettings } from '../../../activities/redis/settings.js';
import { nodeSettings } from '../../../config/settings.js';
import { fixedAtStart, type SettingChange } from '../../../domain/settings.js';
import type { ClusterSpec } from '../../../domain/spec.js';
import { failureOf } from '../../support/failure.js';
import { CONFIRMED, TOKEN } from '../../support/fence.js';
import { type RedisNodes, startRedisNodes } from '../../support/redis-nodes.js';

const MOST_FILES = Number(readFileSync('/proc/sys/fs/nr_open', 'utf8'));

let nodes: RedisNodes;
let name: string;

beforeAll(async () => {
  nodes = await startRedisNodes({ masters: 1, replicasPerMaster: 0 });
  [name = ''] = nodes.servers.keys();
});
afterAll(() => nodes.stop());

function set(settings: readonly SettingChange[], spec: ClusterSpec = nodes.spec) {
  const [host = '', port = ''] = name.split(':');
  return setSettings(
    { spec, host, port: Number(port), token: TOKEN, settings },
    { secrets: nodes.secrets, ...CONFIRMED },
  );
}

const change = (setting: string, running: string, wanted: string): SettingChange => ({ setting, running, wanted });

/** All that CONFIG GET shows, by name. */
async function config(): Promise<Record<string, string>> {
  const flat = (await nodes.admin(name, 'CONFIG', 'GET', '*')) as string[];
  return Object.fromEntries(flat.flatMap((key, i) => (i % 2 === 0 ? [[key, flat[i + 1] ?? '']] : [])));
}

describe('setting a running node', () => {
  it('changes exactly what it is told, and says from what to what', async () => {
    const before = await config();
    const { effects } = await set([change('maxclients', '1000', '500'), change('loglevel', 'notice', 'VERBOSE')]);
    expect(effects).toEqual([`${name}: maxclients 1000 → 500`, `${name}: loglevel notice → VERBOSE`]);
    expect(await config()).toEqual({ ...before, maxclients: '500', loglevel: 'verbose' });
  });

  it('asked again, finds what an earlier attempt has done, and says so', async () => {
    await set([change('maxclients', '1000', '500')]);
    expect(await set([change('maxclients', '1000', '500')])).toEqual({
      effects: [`${name}: maxclients 1000 → 500, found as wanted`],
    });
  });

  it('takes values of several words, and empty ones', async () => {
    await set([change('save', '', '3600 1 300 100')]);
    expect((await config()).save).toBe('3600 1 300 100');
    expect(await set([change('save', '3600 1 300 100', '')])).toEqual({
      effects: [`${name}: save 3600 1 300 100 → ""`],
    });
    expect((await config()).save).toBe('');
  });

  it('has the log written before it says that it is on', async () => {
    await set([change('appendonly', 'no', 'yes')]);
    const persistence = String(await nodes.admin(name, 'INFO', 'persistence'));
    expect(persistence).toMatch(/aof_enabled:1\r/);
    expect(persistence).toMatch(/aof_rewrite_in_progress:0\r/);
    expect(persistence).toMatch(/aof_base_size:[1-9]/);
    await set([change('appendonly', 'yes', 'no')]);
  });

  it('says of a setting that only a restart changes that it is so, and goes on with the others', async () => {
    const { effects } = await set([change('io-threads', '1', '2'), change('hz', '10', '20')]);
    expect(effects).toEqual([
      `${name}: io-threads 1 → 2 only by a restart: Redis does not take it while it runs`,
      `${name}: hz 10 → 20`,
    ]);
    expect(await config()).toMatchObject({ 'io-threads': '1', hz: '20' });
  });

  // Redis runs as the user of the test, and root may open as many files as the kernel lets anybody.
  it.skipIf(MOST_FILES > 1_100_000)('says the same of more clients than the process may have open files', async () => {
    const { effects } = await set([change('maxclients', '500', '1100000')]);
    expect(effects).toEqual([
      `${name}: maxclients 500 → 1100000 only by a restart: Redis does not take it while it runs`,
    ]);
    expect((await config()).maxclients).toBe('500');
  });

  it('fails by name on a value that Redis refuses, and says what was done before', async () => {
    const error = await failureOf(set([change('hz', '20', '30'), change('maxmemory-policy', 'noeviction', 'oldest')]));
    expect(error.type).toBe('CommandFailed');
    expect(error.text.what).toMatch(/maxmemory-policy oldest: .*argument/);
    expect(error.text.left).toContain('hz 20 → 30');
  });

  it('fails by name on a value that has no effect', async () => {
    const error = await failureOf(set([change('repl-backlog-size', '1048576', '2mb')]));
    expect(error.type).toBe('NotReached');
    expect(error.text.what).toMatch(/accepted repl-backlog-size 2mb and still says 2097152/);
  });

  it('leaves a value alone that somebody set since the plan was made', async () => {
    const error = await failureOf(set([change('hz', '77', '50')]));
    expect(error.type).toBe('PlanChanged');
    expect(error.text.what).toMatch(/hz 77 when the plan was made, and now says 30/);
    expect((await config()).hz).toBe('30');
  });

  it('fails by name on a setting that the server does not know', async () => {
    const error = await failureOf(set([change('no-such-setting', '1', '2')]));
    expect(error.type).toBe('CommandFailed');
    expect(error.text.what).toContain('no-such-setting');
  });

  it('refuses, looking right before it acts, to lower limits below what is in use', async () => {
    const durable = { ...nodes.spec, redis: { ...nodes.spec.redis, maxmemoryPolicy: 'noeviction' } };
    const memory = await failureOf(
      set([change('maxmemory', String(nodes.spec.redis.maxmemoryBytes), '1000')], durable),
    );
    expect(memory).toMatchObject({ type: 'Refused' });
    expect(memory.text.what).toMatch(/uses \d{6,} bytes.*maxmemory 1000/);
    const clients = await Promise.all([1, 2, 3].map(() => openClient()));
    try {
      const error = await failureOf(set([change('maxclients', '500', '2')]));
      expect(error).toMatchObject({ type: 'Refused' });
      expect(error.text.what).toMatch(/has [45] clients connected.*maxclients 2/);
    } finally {
      for (const close of clients) close();
    }
    expect(await config()).toMatchObject({ maxmemory: String(nodes.spec.redis.maxmemoryBytes), maxclients: '500' });
  });
});

describe('the table of settings that only a restart changes', () => {
  it('is what this server refuses to set to the value that it has', async () => {
    const version = /redis_version:(\S+)/.exec(String(await nodes.admin(name, 'INFO', 'server')))?.[1] ?? '';
    const wrong: string[] = [];
    for (const [setting, value] of Object.entries(await config())) {
      const refused = await nodes.admin(name, 'CONFIG', 'SET', setting, value).then(
        () => false,
        (error: unknown) => /can't set (immutable|protected) config/.test(String(error)),
      );
      if (refused !== fixedAtStart(setting, { engine: 'redis', version })) wrong.push(`${setting}: ${refused}`);
    }
    expect(wrong).toEqual([]);
  });

  it('holds none of those that RedisForge writes from the spec', () => {
    const settings = Object.keys(nodeSettings(nodes.spec));
    expect(settings.filter((setting) => fixedAtStart(setting, { engine: 'redis', version: '7.0' }))).toEqual([]);
  });
});

/** One more client; it holds a connection until it is closed. */
async function openClient(): Promise<() => void> {
  const server = nodes.servers.get(name);
  const client = new Redis({
    host: server?.address ?? '',
    port: server?.port ?? 0,
    username: 'admin',
    password: nodes.password.admin,
  });
  await client.ping();
  return () => client.disconnect();
}
