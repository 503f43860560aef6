import { defineConfig } from 'vitest/config';

const node: { environment: 'node'; pool: 'forks'; execArgv: string[] } = {
  environment: 'node',
  pool: 'forks',
  execArgv: ['--import', 'tsx'],
};

/**
 * Tests of processes on a small and busy machine, in CI only: one that fails gets a second try, and scripts/count-results.cjs names each that needed it. On a
 * developer's machine it fails at once.
 */
const retry = process.env['CI'] === 'true' ? 1 : 0;

/** Minutes each: whole changes of shape under a ledger. `make test-long` runs them. */
const long = {
  test: {
    ...node,
    name: 'long',
    globalSetup: ['test/support/engines.ts', 'test/support/temporal.ts'],
    include: ['test/**/*.long.ts'],
    testTimeout: 300_000,
    hookTimeout: 180_000,
    fileParallelism: false,
  },
};

export default defineConfig({
  test: {
    projects: [
      { test: { ...node, name: 'domain', testTimeout: 60_000, include: ['test/{domain,config,checks}/**/*.test.ts'] } },
      {
        test: { ...node, name: 'fuzz', include: ['test/fuzz/**/*.test.ts'], testTimeout: 60_000, hookTimeout: 60_000 },
      },
      {
        test: {
          ...node,
          name: 'activities',
          retry,
          globalSetup: 'test/support/engines.ts',
          include: [
            'test/activities/**/*.test.ts',
            'test/lab/**/*.test.ts',
            'test/starters/**/*.test.ts',
            'test/ledger/**/*.test.ts',
          ],
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
      {
        test: {
          ...node,
          name: 'workflows',
          retry,
          globalSetup: 'test/support/temporal.ts',
          include: ['test/workflows/**/*.test.ts', 'test/replay/**/*.test.ts'],
          testTimeout: 60_000,
          hookTimeout: 120_000,
        },
      },
      {
        test: {
          ...node,
          name: 'e2e',
          retry,
          globalSetup: ['test/support/engines.ts', 'test/support/temporal.ts'],
          include: ['test/e2e/**/*.test.ts'],
          testTimeout: 180_000,
          hookTimeout: 180_000,
          fileParallelism: false,
        },
      },
      ...(process.env['LONG'] === 'true' ? [long] : []),
      {
        test: {
          ...node,
          name: 'containers',
          retry,
          globalSetup: ['test/support/container-image.ts', 'test/support/engines.ts', 'test/support/temporal.ts'],
          include: ['test/containers/**/*.test.ts'],
          testTimeout: 180_000,
          hookTimeout: 180_000,
          fileParallelism: false,
        },
      },
    ],
  },
});
