import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Connection } from '@temporalio/client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { SEARCH_ATTRIBUTES } from '../../domain/ids.js';
import { freePort } from '../../lab/ports.js';
import { findTemporalCli, projectToolsDir } from '../../lab/temporal-cli.js';
import {
  findTemporalServer,
  startTemporalServer,
  type TemporalServer,
  type TemporalServerOptions,
} from '../../lab/temporal-server.js';

let dir: string;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'redisforge-server-'));
});
afterAll(() => rm(dir, { recursive: true, force: true }));

async function namespaceId({ address }: TemporalServer): Promise<string> {
  const connection = await Connection.connect({ address });
  try {
    const { namespaceInfo } = await connection.workflowService.describeNamespace({ namespace: 'default' });
    if (typeof namespaceInfo?.id !== 'string' || namespaceInfo.id === '') throw new Error('no namespace id');
    return namespaceInfo.id;
  } finally {
    await connection.close();
  }
}

describe('the Temporal dev server', () => {
  const running = new Set<TemporalServer>();
  let cli: string;
  beforeAll(async () => {
    cli = await findTemporalCli({ env: process.env, toolsDir: projectToolsDir() });
  });
  afterAll(() => Promise.all([...running].map((server) => server.stop())));

  async function start(name: string, more: Partial<TemporalServerOptions> = {}): Promise<TemporalServer> {
    const files = { dbFile: join(dir, `${name}.db`), logFile: join(dir, `${name}.log`) };
    const server = await startTemporalServer({ cli, ...files, ui: 'none', lifetime: 'attached', ...more });
    running.add(server);
    return server;
  }

  it('is the same server after a restart on its file, also after it was killed, and another one on another file', async () => {
    const first = await start('one');
    const id = await namespaceId(first);
    await first.stop();
    const second = await start('one');
    expect(await namespaceId(second)).toBe(id);
    process.kill(second.pid, 'SIGKILL');
    await second.stop();
    const third = await start('one');
    expect(await namespaceId(third)).toBe(id);
    const other = await start('two');
    expect(await namespaceId(other)).not.toBe(id);
    await Promise.all([third.stop(), other.stop()]);
  });

  it('knows our search attributes when it is ready, and ends for good', async () => {
    const server = await start('attributes');
    const connection = await Connection.connect({ address: server.address });
    const { customAttributes } = await connection.operatorService.listSearchAttributes({ namespace: 'default' });
    await connection.close();
    expect(Object.keys(customAttributes)).toEqual(expect.arrayContaining(Object.values(SEARCH_ATTRIBUTES)));
    await server.stop();
    await expect(Connection.connect({ address: server.address, connectTimeout: 500 })).rejects.toThrow();
    await server.stop();
  });

  it('has its UI where it says', async () => {
    const server = await start('ui', { ui: { port: await freePort('127.0.0.1') } });
    expect(server.uiUrl).not.toBeNull();
    expect((await fetch(server.uiUrl ?? '')).status).toBe(200);
    await server.stop();
  });

  it('is found and ended by its state file when it was started detached', async () => {
    const stateFile = join(dir, 'server.json');
    const started = await start('detached', { lifetime: { stateFile } });
    const found = await findTemporalServer(stateFile);
    expect(found).toMatchObject({ address: started.address, pid: started.pid });
    await found?.stop();
    expect(await findTemporalServer(stateFile)).toBeNull();
  });

  it('refuses a port that somebody has, instead of taking his server for its own', async () => {
    const server = await start('holder');
    const port = Number(server.address.split(':')[1]);
    await expect(start('late', { port })).rejects.toMatchObject({ type: 'TemporalUnreachable' });
    await server.stop();
  });

  it('says the end of its log when it does not start', async () => {
    const broken = join(dir, 'broken-cli');
    await writeFile(broken, '#!/bin/sh\necho "no such thing as a server" >&2; exit 1\n');
    await chmod(broken, 0o755);
    const starting = start('broken', { cli: broken });
    await expect(starting).rejects.toThrow(/no such thing as a server/);
  });
});

describe('the search for a Temporal CLI', () => {
  async function fakeCli(folder: string): Promise<string> {
    const path = join(dir, folder, 'temporal');
    await mkdir(join(dir, folder), { recursive: true });
    await writeFile(path, '#!/bin/sh\n');
    await chmod(path, 0o755);
    return path;
  }

  it('looks at TEMPORAL_CLI_PATH, then the PATH, then the tool folder', async () => {
    const named = await fakeCli('named');
    const onPath = await fakeCli('on-path');
    const tool = await fakeCli('tools');
    const env = { PATH: join(dir, 'on-path') };
    const toolsDir = join(dir, 'tools');
    expect(await findTemporalCli({ env: { ...env, TEMPORAL_CLI_PATH: named }, toolsDir })).toBe(named);
    expect(await findTemporalCli({ env, toolsDir })).toBe(onPath);
    expect(await findTemporalCli({ env: { PATH: '/nowhere' }, toolsDir })).toBe(tool);
  });

  it('does not look further where TEMPORAL_CLI_PATH is wrong', async () => {
    const env = { TEMPORAL_CLI_PATH: join(dir, 'gone'), PATH: dir };
    await expect(findTemporalCli({ env, toolsDir: dir })).rejects.toThrow(/TEMPORAL_CLI_PATH names .*gone/);
  });

  it('says what to do where there is none', async () => {
    const search = findTemporalCli({ env: { PATH: '' }, toolsDir: join(dir, 'empty') });
    await expect(search).rejects.toMatchObject({ type: 'TemporalUnreachable' });
    await expect(search).rejects.toThrow(/make setup/);
  });
});
