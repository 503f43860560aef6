import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { digestOf } from '../../lab/engine-folder.js';
import { ENGINE_NAMES, type FetchedEngine, fetchEngines, findEngineOf, requireEngine } from '../../lab/engines.js';
import { failureOf } from '../support/failure.js';
import { freePort } from '../support/ports.js';
import { until } from '../support/until.js';

const run = promisify(execFile);

describe('the engines of the lab', () => {
  let engines: FetchedEngine[];
  let elsewhere: string;
  beforeAll(async () => {
    engines = await fetchEngines();
    elsewhere = await mkdtemp(join(tmpdir(), 'redisforge-engines-'));
  }, 300_000);
  afterAll(() => rm(elsewhere, { recursive: true, force: true }));

  const engineOf = (name: string) => {
    const found = engines.find((engine) => engine.name === name);
    if (found === undefined || found.engine === null) throw new Error(`${name}: ${found?.problem ?? 'unknown'}`);
    return found.engine;
  };

  it.each(ENGINE_NAMES)('%s is there, says its version, and its record has the digest of its tarball', async (name) => {
    const engine = engineOf(name);
    const [kind = '', wanted = ''] = name.split('-');
    expect(engine.version.startsWith(`${wanted}.`)).toBe(true);
    const { stdout } = await run(engine.server, ['--version']);
    expect(stdout.toLowerCase()).toMatch(new RegExp(`^${kind} server v=${engine.version} `));
    expect(await digestOf(engine.archive)).toBe(engine.sha256);
    expect(engine.package.version).toContain(engine.version);
  });

  it.each(ENGINE_NAMES)(
    '%s runs from wherever its tarball is unpacked, as the very process that was started',
    async (name) => {
      const engine = engineOf(name);
      const folder = await mkdtemp(join(elsewhere, 'with blanks '));
      await run('tar', ['-xzf', engine.archive, '-C', folder]);
      const [top = ''] = await readdir(folder);
      const port = await freePort('127.0.0.1');
      const server = spawn(
        join(folder, top, 'bin', `${engine.kind}-server`),
        ['--port', `${port}`, '--bind', '127.0.0.1', '--save', ''],
        {
          stdio: 'ignore',
          cwd: folder,
        },
      );
      try {
        const cli = (...words: string[]) =>
          run(join(folder, top, 'bin', `${engine.kind}-cli`), ['-p', `${port}`, ...words]);
        await until(`${name} answers`, async () => (await cli('PING').catch(() => null))?.stdout.trim() === 'PONG');
        const { stdout } = await cli('INFO', 'server');
        expect(stdout).toContain(`process_id:${server.pid}`);
      } finally {
        server.kill('SIGKILL');
        await once(server, 'exit');
      }
    },
  );

  it('fetches nothing that is there', async () => {
    expect((await fetchEngines()).filter((engine) => engine.engine !== null && engine.fetched)).toEqual([]);
  });

  it('says of an engine that was not fetched how to get it, and takes half a one for none', async () => {
    const failure = await failureOf(requireEngine('redis-8.6', { folder: elsewhere }));
    expect(failure.message).toMatch(/redis-8\.6 is not on this machine.*make engines/);
    await cp(engineOf('redis-8.6').server, join(elsewhere, 'redis-8.6'));
    expect(await findEngineOf('redis-8.6', { folder: elsewhere })).toBeNull();
  });
});
