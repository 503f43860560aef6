import { defineConfig } from 'vitest/config';

const node: { environment: 'node'; pool: 'forks'; execArgv: string[] } = {
  environment: 'node',
  pool: 'forks',
  execArgv: ['--import', 'tsx'],
};

export default defineConfig({
  test: {
    projects: [
      { test: { ...node, name: 'domain', include: ['test/{domain,config,checks}/**/*.test.ts'] } },
      {
        test: { ...node, name: 'fuzz', include: ['test/fuzz/**/*.test.ts'], testTimeout: 60_000, hookTimeout: 60_000 },
      },
      {
        test: {
          ...node,
          name: 'activities',
          include: ['test/activities/**/*.test.ts', 'test/lab/**/*.test.ts', 'test/starters/**/*.test.ts'],
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
      {
        test: {
          ...node,
          name: 'workflows',
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
          globalSetup: 'test/support/temporal.ts',
          include: ['test/e2e/**/*.test.ts'],
          testTimeout: 180_000,
          hookTimeout: 180_000,
          fileParallelism: false,
        },
      },
      {
        test: {
          ...node,
          name: 'containers',
          globalSetup: ['test/support/container-image.ts', 'test/support/temporal.ts'],
          include: ['test/containers/**/*.test.ts'],
          testTimeout: 180_000,
          hookTimeout: 180_000,
          fileParallelism: false,
        },
      },
    ],
  },
});
