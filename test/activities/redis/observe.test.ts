import { execFile } from 'node:child_process';
import { createServer as createHttpServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createServer, type Server } from 'node:net';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { askNode } from '../../../activities/redis/ask-node.js';
import { type Credentials, withNode } from '../../../activities/redis/connection.js';
import { form } from '../../../activities/redis/form.js';
import { observe } from '../../../activities/redis/observe.js';
import { silenceOf } from '../../../activities/redis/silence.js';
import { Secret } from '../../../config/secrets.js';
import { place } from '../../../domain/placement.js';
import { freePort } from '../../support/ports.js';
import { CONFIRMED, TOKEN } from '../../support/fence.js';
import { type RedisNodes, startRedisNodes } from '../../support/redis-nodes.js';
import { startRedis } from '../../support/redis-server.js';
import { until } from '../../support/until.js';

const PROJECT = fileURLToPath(new URL('../../..', import.meta.url));
const CANARY = 'canary-3f1c9a7d52';

let nodes: RedisNodes;

beforeAll(async () => {
  nodes = await startRedisNodes({ redisCommandMs: 400 });
  await form({ spec: nodes.spec, token: TOKEN, ...place(nodes.spec) }, { secrets: nodes.secrets, ...CONFIRMED });
});
afterAll(() => nodes.stop());

function ask(port: number, credentials: Credentials = { password: new Secret(CANARY) }, address = '127.0.0.1') {
  const asked = { name: 'n', host: 'h', zone: null, address, port, declared: true };
  return askNode({ asked, credentials, timeoutMs: 400, settings: ['maxmemory', 'no-such-setting'] });
}

function operator(): Credentials {
  return { user: 'redisforge-operator', password: new Secret(nodes.password.operator) };
}

function listening(server: Server): Promise<number> {
  return new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve((server.address() as AddressInfo).port)));
}

describe('askNode', () => {
  it('learns everything of a node in one go', async () => {
    const [port = 0] = [...nodes.servers.values()].map((server) => server.port);
    expect(await ask(port, operator())).toMatchObject({
      answered: true,
      engine: 'redis',
      version: '7.0.15',
      clusterState: 'ok',
      keys: 0,
      settings: { maxmemory: String(nodes.spec.redis.maxmemoryBytes) },
      openToAnyone: false,
    });
  });

  it('tells a port where nobody listens', async () => {
    expect(await ask(await freePort())).toMatchObject({ answered: false, silence: 'connection-refused' });
  });

  it('leaves nothing behind then that would keep a process from its end', async () => {
    const program = `
      const { withNode } = await import('./activities/redis/connection.ts');
      const target = { address: '127.0.0.1', port: ${await freePort()}, credentials: {}, timeoutMs: 400 };
      await withNode(target, () => Promise.resolve()).catch(() => undefined);
      console.log(process.getActiveResourcesInfo().filter((resource) => resource === 'Timeout').length);`;
    const argv = ['--import', 'tsx', '--input-type=module', '-e', program];
    const { stdout } = await promisify(execFile)(process.execPath, argv, { cwd: PROJECT });
    expect(stdout.trim()).toBe('0');
  });

  it('tells an address without a route or a name', async () => {
    expect(await ask(6379, {}, 'no-such-host.invalid')).toMatchObject({ answered: false, silence: 'unreachable' });
  });

  it('tells a wrong secret and never repeats it', async () => {
    const [port = 0] = [...nodes.servers.values()].map((server) => server.port);
    for (const credentials of [{}, { password: new Secret(CANARY) }, { user: 'admin', password: new Secret(CANARY) }]) {
      const answer = await ask(port, credentials);
      expect(answer).toMatchObject({ answered: false, silence: 'wrong-secret' });
      expect(JSON.stringify(answer)).not.toContain(CANARY);
    }
  });

  it('tells a user that may not ask', async () => {
    const [port = 0] = [...nodes.servers.values()].map((server) => server.port);
    const replication = { user: 'redisforge-replication', password: new Secret(nodes.password.replication) };
    expect(await ask(port, replication)).toMatchObject({ answered: false, silence: 'wrong-secret' });
  });

  it('tells a server without cluster mode, and one that lets anyone in', async () => {
    const alone = await startRedis();
    const open = await startRedis({ args: ['--cluster-enabled', 'yes'] });
    try {
      expect(await ask(alone.port, {})).toMatchObject({ answered: false, silence: 'not-cluster-mode' });
      expect(await ask(open.port, {})).toMatchObject({ answered: true, openToAnyone: true, view: [{ address: '' }] });
    } finally {
      await Promise.all([alone.stop(), open.stop()]);
    }
  });

  it('tells what is no Redis', async () => {
    const web = createHttpServer((_, response) => response.end('hello'));
    const mute = createServer((socket) => socket.end());
    try {
      expect(await ask(await listening(web))).toMatchObject({ answered: false, silence: 'not-redis' });
      expect(await ask(await listening(mute))).toMatchObject({ answered: false, silence: 'error' });
    } finally {
      web.close();
      mute.close();
    }
  });

  it('tells a node in a script, and one that reads its data', async () => {
    const busy = await startRedis({ args: ['--cluster-enabled', 'yes', '--busy-reply-threshold', '1'] });
    const script = endlessScript(busy.port).catch(() => 'it ended with its server');
    try {
      await until('the script', async () => {
        const answer = await ask(busy.port, {});
        return !answer.answered && answer.silence === 'busy-script';
      });
    } finally {
      await busy.kill();
      expect(await script).toBe('it ended with its server');
      await busy.stop();
    }
    expect(silenceOf(new Error('LOADING Redis is loading the dataset in memory')).silence).toBe('loading');
  });
});

function endlessScript(port: number): Promise<unknown> {
  return withNode({ address: '127.0.0.1', port, credentials: {}, timeoutMs: 20_000 }, (node) =>
    node.ask('EVAL', 'while true do end', 0),
  );
}

describe('observe', () => {
  it('asks all nodes at once: a frozen half costs one deadline, not one each', async () => {
    const frozen = [...nodes.servers.values()].slice(3);
    for (const server of frozen) server.freeze();
    try {
      const startedAt = performance.now();
      const observation = await observe(nodes);
      expect(performance.now() - startedAt).toBeLessThan(2 * 400);
      expect(observation.nodes.map((node) => node.answered)).toEqual([true, true, true, false, false, false]);
      expect(observation.nodes[4]).toMatchObject({ silence: 'timeout', declared: true });
    } finally {
      for (const server of frozen) server.thaw();
    }
  });

  it('finds a member that the spec does not declare, and shows its password only to one that lives on the bus', async () => {
    const [hub = ''] = nodes.servers.keys();
    const stranger = await startRedis({ args: ['--cluster-enabled', 'yes', '--requirepass', CANARY] });
    try {
      await nodes.admin(hub, 'CLUSTER', 'MEET', stranger.address, stranger.port);
      const found = await until('the stranger', async () => {
        const { nodes: seen } = await observe(nodes);
        return seen.find((node) => !node.declared && !node.answered && node.detail.includes('WRONGPASS'));
      });
      expect(found).toMatchObject({ name: `127.0.0.1:${stranger.port}`, zone: null, silence: 'wrong-secret' });

      await stranger.kill();
      const thief = createServer();
      const heard: string[] = [];
      thief.on('connection', (socket) => socket.on('data', (data: Buffer) => heard.push(data.toString())));
      await new Promise<void>((resolve) => thief.listen(stranger.port, '127.0.0.1', () => resolve()));
      try {
        await until('the thief to be asked', async () => {
          const { nodes: seen } = await observe(nodes);
          return seen.some((node) => !node.declared) && heard.length > 0 && !heard.at(-1)?.includes('AUTH');
        });
        expect(heard.at(-1)).not.toContain(nodes.password.operator);
      } finally {
        thief.close();
      }
    } finally {
      await stranger.stop();
    }
  });
});
