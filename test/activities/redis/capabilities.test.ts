import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type NodeConnection, withNode } from '../../../activities/redis/connection.js';
import { type Capabilities, capabilitiesOf } from '../../../domain/capabilities.js';
import { parseInfo, readIdentity } from '../../../domain/parse-info.js';
import { ENGINE_NAMES, fetchEngines } from '../../../lab/engines.js';
import { freePort } from '../../support/ports.js';
import { until } from '../../support/until.js';

/** What is believed of a version, asked of the real server. */
describe.each(ENGINE_NAMES)('%s', (name) => {
  let end: () => Promise<void>;
  let port: number;
  let believed: Capabilities;
  const ask = <T>(work: (node: NodeConnection) => Promise<T>) =>
    withNode({ address: '127.0.0.1', port, credentials: {}, timeoutMs: 5000 }, work);
  const knows = (command: string) =>
    ask(async (node) => {
      const answer: unknown = await node.ask('COMMAND', 'INFO', command);
      return Array.isArray(answer) && answer[0] !== null && answer[0] !== undefined;
    });

  beforeAll(async () => {
    const fetched = (await fetchEngines()).find((engine) => engine.name === name);
    if (fetched === undefined || fetched.engine === null) throw new Error(`${name}: ${fetched?.problem ?? 'unknown'}`);
    const dir = await mkdtemp(join(tmpdir(), 'redisforge-capabilities-'));
    port = await freePort('127.0.0.1');
    const argv = [
      '--bind',
      '127.0.0.1',
      '--port',
      `${port}`,
      '--dir',
      dir,
      '--cluster-enabled',
      'yes',
      '--appendonly',
      'yes',
    ];
    const server = spawn(fetched.engine.server, argv, { stdio: 'ignore' });
    end = async () => {
      const exited = once(server, 'exit');
      server.kill('SIGKILL');
      await exited;
      await rm(dir, { recursive: true, force: true });
    };
    await until(`${name} answers`, () =>
      ask((node) => node.ask('PING')).then(
        () => true,
        () => false,
      ),
    );
    const info = await ask((node) => node.ask('INFO', 'server'));
    believed = capabilitiesOf(readIdentity(parseInfo(String(info))));
  }, 300_000);
  afterAll(() => end());

  it('has the commands that are believed of it, and no slot mover that is not', async () => {
    expect(await knows('cluster|addslotsrange')).toBe(believed.slotRanges);
    expect(await knows('cluster|shards')).toBe(believed.shards);
    expect(await knows('cluster|slot-stats')).toBe(believed.slotStats);
    expect(await knows('cluster|migration')).toBe(believed.slotMover?.asked === 'target');
    expect(await knows('cluster|migrateslots')).toBe(believed.slotMover?.asked === 'source');
  });

  it('knows the directives and rights that are believed of it, and takes io-threads while it runs where it is believed', async () => {
    await ask(async (node) => {
      for (const directive of ['aof-timestamp-enabled', 'cluster-allow-replica-migration']) {
        const answer: unknown = await node.ask('CONFIG', 'GET', directive);
        expect(Array.isArray(answer) && answer.length > 0).toBe(!believed.unknownDirectives.has(directive));
      }
      const [right] = await node.pipeline([['ACL', 'SETUSER', 'someone', 'on', '>x', '%R~a*', '+get']]);
      expect(right?.ok).toBe(believed.aclSelectors);
      const [threads] = await node.pipeline([['CONFIG', 'SET', 'io-threads', '2']]);
      expect(threads?.ok).toBe(believed.settableWhileRunning.has('io-threads'));
      const parts: unknown = await node.ask('CONFIG', 'GET', 'appenddirname');
      expect(Array.isArray(parts) && parts.length > 0).toBe(believed.logInParts);
    });
  });
});
