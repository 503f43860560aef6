import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { OperationReport } from '../../domain/operation.js';
import { Arena } from '../kill/arena.js';
import { isProven, runMatrix } from '../kill/matrix.js';
import { tableOf } from '../kill/table.js';
import { until } from '../support/until.js';

/** The short part of `make test-kill`: the same kills every time. */
const SEED = 4;
const KILLS = 18;

describe('operations survive', () => {
  let arena: Arena;

  beforeAll(async () => {
    arena = await Arena.open({ name: `kill-${process.pid}` });
  });
  afterAll(() => arena.close());

  it('kill -9 of workers and of Temporal, and cut SSH connections, several in one run', {
    timeout: 400_000,
  }, async () => {
    const matrix = await runMatrix({ arena, seed: SEED, kills: KILLS });
    expect(isProven(matrix), tableOf(matrix).join('\n')).toBe(true);
    expect(matrix.rows.length).toBeGreaterThanOrEqual(KILLS);
    const victims = new Set(matrix.rows.map(({ point }) => point.split(',')[0]));
    expect([...victims].sort()).toEqual(['both workers', 'ssh', 'temporal', 'worker']);
  });

  it('kill -9 of the CLI: the operation goes on, and another terminal attaches to it', async () => {
    const { stage } = arena;
    const taken = arena.effects.get('takeLeases') ?? 0;
    const cli = stage.begin('apply', '-f', stage.specFile, '--yes');
    await until('the operation has begun', () => (arena.effects.get('takeLeases') ?? 0) > taken, 60_000);
    cli.kill('SIGKILL');
    const { exitCode, stdout, stderr } = await stage.run('ops', 'watch', stage.spec.name, '--json');
    expect(exitCode, stderr).toBe(0);
    const report = JSON.parse(stdout.trim().split('\n').at(-1) ?? '') as OperationReport;
    expect(report).toMatchObject({ outcome: 'done', changed: true, verdictAfter: { healthy: true } });
  });
});
