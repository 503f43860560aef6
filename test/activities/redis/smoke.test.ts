import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { form } from '../../../activities/redis/form.js';
import { smoke } from '../../../activities/redis/smoke.js';
import { place } from '../../../domain/placement.js';
import type { ClusterSpec } from '../../../domain/spec.js';
import { failureOf } from '../../support/failure.js';
import { CONFIRMED, TOKEN } from '../../support/fence.js';
import { type RedisNodes, startRedisNodes } from '../../support/redis-nodes.js';
import { hostOf } from '../../support/spec.js';

let nodes: RedisNodes;

beforeAll(async () => {
  nodes = await startRedisNodes({ appKeys: '~orders:*' });
  await form({ spec: nodes.spec, token: TOKEN, ...place(nodes.spec) }, { secrets: nodes.secrets, ...CONFIRMED });
});
afterAll(() => nodes.stop());

function run(spec: ClusterSpec = nodes.spec) {
  return smoke({ spec }, { secrets: nodes.secrets });
}

function withKeys(keys: string): ClusterSpec {
  return { ...nodes.spec, users: { app: { ...nodes.spec.users.app, keys } } };
}

async function keysLeft(): Promise<number> {
  const sizes = await Promise.all([...nodes.servers.keys()].map((name) => nodes.admin(name, 'DBSIZE')));
  return sizes.reduce<number>((sum, size) => sum + Number(size), 0);
}

describe('smoke', () => {
  it('uses every master through redirects as the application, and leaves no key', async () => {
    const before = await commandCounts();
    expect(await run()).toEqual({ effects: ['wrote, read and removed 6 keys on 3 masters, redirects followed'] });
    const after = await commandCounts();
    for (const [i, { set, moved }] of after.entries()) {
      expect(set - (before[i]?.set ?? 0)).toBe(3);
      expect(moved).toBeGreaterThan(before[i]?.moved ?? 0);
    }
    expect(await keysLeft()).toBe(0);
  });

  it('does not ask who is to leave: it may have left', async () => {
    const gone = hostOf('h7', { address: '127.0.0.1', nodes: [{ port: 1, leaving: 'drain' }] });
    const { effects } = await run({ ...nodes.spec, hosts: [...nodes.spec.hosts, gone] });
    expect(effects).toHaveLength(1);
    const staying = { ...gone, nodes: [{ port: 1 }] };
    expect((await failureOf(run({ ...nodes.spec, hosts: [...nodes.spec.hosts, staying] }))).type).toBe(
      'NodeUnreachable',
    );
  });

  it('says what the key patterns of the application do not reach', async () => {
    const app = ['ACL', 'SETUSER', 'app', 'resetkeys'] as const;
    for (const name of nodes.servers.keys()) await nodes.admin(name, ...app, '~{tagged}:*');
    try {
      const { effects } = await run(withKeys('~{tagged}:*'));
      expect(effects[0]).toMatch(/2 keys on 1 masters.*reach no slot of 127\.0\.0\.1:\d+, 127\.0\.0\.1:\d+$/);
    } finally {
      for (const name of nodes.servers.keys()) await nodes.admin(name, ...app, '~orders:*');
    }
  });

  it('refuses where no key may be written, before it asks anyone', async () => {
    const error = await failureOf(run(withKeys('%R~orders:*')));
    expect(error.type).toBe('Refused');
    expect(error.text.what).toContain('%R~orders:*');
  });

  it('fails by name where the application may not write, and where its secret is wrong', async () => {
    const outside = await failureOf(run(withKeys('~other:*')));
    expect(outside.type).toBe('NodeAuthFailed');
    expect(outside.text.what).toMatch(/127\.0\.0\.1:\d+ .*NOPERM/);

    const secrets = { ...nodes.spec.secrets, app: nodes.spec.secrets.admin };
    const wrong = await failureOf(run({ ...nodes.spec, secrets }));
    expect(wrong.type).toBe('NodeAuthFailed');
    expect(wrong.message).not.toContain(nodes.password.admin);
    expect(await keysLeft()).toBe(0);
  });

  it('fails when a node is frozen, within its deadline', async () => {
    const [, server] = [...nodes.servers.values()];
    server?.freeze();
    try {
      const error = await failureOf(run({ ...nodes.spec, timings: { ...nodes.spec.timings, redisCommandMs: 300 } }));
      expect(error.type).toBe('NodeUnreachable');
      expect(error.text.what).toContain(`127.0.0.1:${server?.port}`);
    } finally {
      server?.thaw();
    }
    expect(await keysLeft()).toBe(0);
  });
});

/** Of each master: accepted SETs, and commands answered with a redirect. */
async function commandCounts(): Promise<{ set: number; moved: number }[]> {
  const { masters } = place(nodes.spec);
  return Promise.all(
    masters.map(async ({ node }) => {
      const stats = String(await nodes.admin(node, 'INFO', 'commandstats'));
      const errors = String(await nodes.admin(node, 'INFO', 'errorstats'));
      return {
        set: Number(/cmdstat_set:calls=(\d+)/.exec(stats)?.[1] ?? 0),
        moved: Number(/errorstat_MOVED:count=(\d+)/.exec(errors)?.[1] ?? 0),
      };
    }),
  );
}
