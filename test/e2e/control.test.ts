import type { ChildProcess } from 'node:child_process';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import type { OperationReport, Progress } from '../../domain/operation.js';
import { openStage, type Process, type Stage } from '../support/e2e.js';
import { until } from '../support/until.js';

/** One who waits, at a machine of their own. */
interface Waiter {
  readonly reason: string;
  readonly child: ChildProcess;
  /** What it said on stdout, a JSON value a line. */
  lines(): Record<string, unknown>[];
  ended: Promise<number | null>;
}

describe('an operation under control', () => {
  let stage: Stage;
  let worker: Process;
  let held: Promise<{ exitCode: number | null; report: OperationReport; stderr: string }>;
  let journalWhenPaused: unknown;

  beforeAll(async () => {
    stage = await openStage({ temporalAddress: inject('temporalAddress'), name: `control-${process.pid}` });
  });
  afterAll(() => stage.close());

  const ops = (verb: string, ...argv: string[]) => stage.run('ops', verb, stage.spec.name, ...argv);
  const progress = async () => JSON.parse((await ops('show', '--json')).stdout) as Progress;

  function startWaiter(reason: string, ...argv: string[]): Waiter {
    const machine = stage.elsewhere({ REDISFORGE_ACTOR: `${reason}@elsewhere` });
    const child = machine.begin(
      'apply',
      '-f',
      stage.specFile,
      '--yes',
      '--json',
      '--wait',
      '--reason',
      reason,
      ...argv,
    );
    let out = '';
    child.stdout?.on('data', (chunk: Buffer) => (out += chunk.toString()));
    const lines = () =>
      out
        .split('\n')
        .slice(0, -1)
        .map((line) => JSON.parse(line) as Record<string, unknown>);
    const ended = new Promise<number | null>((resolve) => child.once('close', resolve));
    return { reason, child, lines, ended };
  }

  const aheadOf = (waiter: Waiter) =>
    (waiter.lines().at(-1)?.['waiting'] as { ahead: { actor: string }[] } | undefined)?.ahead.map(({ actor }) => actor);

  it('stands between its steps when it is paused, and shows to all who look by whom and why', async () => {
    const dying = await stage.startWorker({ when: 'before', activity: 'prepareHost', call: 1 });
    held = stage.apply();
    await dying.exited;
    // The steps of a host that hangs cannot end: the operation is sure to be in the middle.
    const hanging = stage.lab.hosts.find(({ name }) => name === 'h6');
    if (hanging === undefined) throw new Error('the lab has six hosts');
    await stage.lab.driver.freeze(hanging);
    worker = await stage.startWorker();
    const paused = await ops('pause', '--reason', 'the switch is being replaced', '--json');
    expect(paused.exitCode, paused.stderr).toBe(0);
    expect(JSON.parse(paused.stdout)).toMatchObject({
      phase: 'steps',
      paused: { actor: 'tester@stage', reason: 'the switch is being replaced' },
    });
    await stage.lab.driver.thaw(hanging);
    const standing = await until(
      'what ran has ended',
      async () => {
        const now = await progress();
        return now.steps.some(({ state }) => state === 'running') ? undefined : now;
      },
      60_000,
    );
    expect(standing.steps.some(({ state }) => state === 'waiting')).toBe(true);
    journalWhenPaused = await stage.journal();
    expect((await ops('show')).stdout).toMatch(/paused +by tester@stage since .*: the switch is being replaced/);
    expect((await stage.status()).status.healthy).toBe(false);
  });

  it('refuses a second pause, and who does not wait', async () => {
    const again = await ops('pause');
    expect(again.exitCode).toBe(3);
    expect(again.stderr).toMatch(/Refused: .*paused already: by tester@stage since .*the switch is being replaced/);
    const impatient = await stage.run('apply', '-f', stage.specFile, '--yes');
    expect(impatient.exitCode).toBe(3);
    expect(impatient.stderr).toMatch(/Locked: .*apply by tester@stage since .*a test .*paused\)/);
    expect(impatient.stderr).toContain('--wait');
  });

  it('waits no longer than it was told to, and says then who holds the cluster', async () => {
    const bounded = await stage.run('apply', '-f', stage.specFile, '--yes', '--wait-for', '2s');
    expect(bounded.exitCode).toBe(3);
    expect(bounded.stderr).toMatch(/waiting for .*: next in line/);
    expect(bounded.stderr).toMatch(
      /Locked: Waited 2 s .* in vain: it is being worked on: apply by tester@stage since .*a test/,
    );
    expect(bounded.stderr).not.toContain('plan ');
  });

  it('lets those who wait run one after the other, in order of arrival; the dead and the departed hold up nobody', async () => {
    const waiters: Waiter[] = [];
    for (const reason of ['first', 'killed', 'second', 'departs', 'third']) {
      const waiter = startWaiter(reason);
      waiters.push(waiter);
      await until(`${reason} is in the queue`, () => aheadOf(waiter)?.length === waiters.length - 1, 20_000);
    }
    const [first, killed, second, departs, third] = waiters;
    if (!first || !killed || !second || !departs || !third) throw new Error('there are five');
    expect(third.lines().at(-1)).toMatchObject({
      waiting: {
        holder: { operation: 'apply', actor: 'tester@stage', reason: 'a test', paused: true },
        ahead: [{ actor: 'first@elsewhere', operation: 'apply' }, {}, {}, {}],
      },
    });
    killed.child.kill('SIGKILL');
    departs.child.kill('SIGINT');
    expect(await departs.ended).toBe(5);
    await until('the departed is out of the queue', () => aheadOf(third)?.includes('departs@elsewhere') === false);
    expect(await stage.journal()).toEqual(journalWhenPaused);

    const resumed = await ops('resume', '--json');
    expect(resumed.exitCode, resumed.stderr).toBe(0);
    const { exitCode, report, stderr } = await held;
    expect(exitCode, stderr).toBe(0);
    expect(report.pauses).toMatchObject([{ reason: 'the switch is being replaced', resumedBy: 'tester@stage' }]);
    expect(stderr).toMatch(/paused +by tester@stage/);
    expect(stderr).toContain('no longer paused');

    for (const waiter of [first, second, third]) expect(await waiter.ended, waiter.reason).toBe(0);
    const runs = (await ops('list', '--json')).stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { reason: string; state: string; startedAt: string; endedAt: string })
      .reverse();
    expect(runs.map(({ reason, state }) => [reason, state])).toEqual([
      ['a test', 'completed'],
      ['first', 'completed'],
      ['second', 'completed'],
      ['third', 'completed'],
    ]);
    for (const [i, run] of runs.slice(1).entries()) {
      expect(Date.parse(run.startedAt)).toBeGreaterThanOrEqual(Date.parse(runs[i]?.endedAt ?? ''));
    }
    expect(third.lines().at(-1)).toMatchObject({ outcome: 'done', reason: 'third', verdictAfter: { healthy: true } });
  });

  it('refuses to pause or resume what does not run', async () => {
    for (const verb of ['pause', 'resume']) {
      const refused = await ops(verb);
      expect(refused.exitCode).toBe(3);
      expect(refused.stderr).toMatch(/Refused: No operation of .* is running: the latest \(run .*\) is completed/);
    }
    worker.kill('SIGTERM');
  });
});
