import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type {} from 'vitest';
import type { TestProject } from 'vitest/node';
import { findTemporalCli, projectToolsDir } from '../../lab/temporal-cli.js';
import { startTemporalServer, type TemporalServer } from '../../lab/temporal-server.js';

declare module 'vitest' {
  interface ProvidedContext {
    /** `ip:port` of the run's Temporal dev server: `inject('temporalAddress')`. */
    temporalAddress: string;
  }
}

/** A dev server on a temporary file, gone with `stop()`. Fails in one clear line where there is no Temporal CLI. */
export async function startTestTemporal(): Promise<TemporalServer> {
  const cli = await findTemporalCli({ env: process.env, toolsDir: projectToolsDir() });
  const dir = await mkdtemp(join(tmpdir(), 'redisforge-temporal-'));
  const server = await startTemporalServer({
    cli,
    dbFile: join(dir, 'temporal.db'),
    logFile: join(dir, 'temporal.log'),
    ui: 'none',
    lifetime: 'attached',
  });
  return {
    ...server,
    async stop() {
      await server.stop();
      await rm(dir, { recursive: true, force: true });
    },
  };
}

/** vitest's global setup: one server for all test files of a project. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const server = await startTestTemporal();
  project.provide('temporalAddress', server.address);
  return () => server.stop();
}
