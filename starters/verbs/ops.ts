import type { WorkflowExecutionDescription, WorkflowHandle } from '@temporalio/client';
import type { Command } from 'commander';
import { ForgeError } from '../../domain/errors.js';
import { operationWorkflowId, SEARCH_ATTRIBUTES } from '../../domain/ids.js';
import type { applyClusterWorkflow } from '../../workflows/index.js';
import { clusterName, runId, wholeNumber } from '../arguments.js';
import type { Controls } from '../control.js';
import { EXIT, type ExitCode, exitCodeOfReport } from '../exit.js';
import { action, type CliIo, type Verb } from '../io.js';
import type { TemporalLink } from '../temporal.js';

type Handle = WorkflowHandle<typeof applyClusterWorkflow>;
type RunOptions = { run?: string; json?: true };
type ListOptions = { limit: number; json?: true };

export const opsVerb: Verb = (program, io) => {
  const ops = program.command('ops').description('operations: the running one and those that have been');
  ops
    .command('list')
    .argument('[cluster]', 'of this cluster only', clusterName)
    .description('all runs, newest first: what, who, why, how they ended')
    .option('--limit <n>', 'at most so many', wholeNumber, 20)
    .option('--json', 'one JSON object a line')
    .action(action(io, (cluster: string | undefined, options: ListOptions) => list(io, cluster, options)));
  runCommand(ops, 'show', 'the report of a run (the latest unless --run names one), or how far it is').action(
    action(io, (cluster: string, options: RunOptions) =>
      withRun(io, cluster, options, (handle) => show(io, handle, options)),
    ),
  );
  runCommand(ops, 'watch', 'follow a run until it ends; Ctrl-C leaves it running').action(
    action(io, (cluster: string, options: RunOptions) =>
      withRun(io, cluster, options, (handle) => watch(io, cluster, handle, options)),
    ),
  );
  runCommand(ops, 'cancel', 'ask the running operation to stop at its next safe point, prove and report').action(
    action(io, (cluster: string, options: RunOptions) =>
      withRun(io, cluster, options, (handle, link) => cancel({ link, env: io.env, cluster, handle }, io)),
    ),
  );
  runCommand(ops, 'pause', 'let the running operation stand before its next step, until somebody resumes it')
    .option('--reason <text>', 'why; shown to all who look, and kept in the report')
    .action(
      action(io, (cluster: string, options: RunOptions & { reason?: string }) =>
        withRun(io, cluster, options, (handle, link) => pause({ link, env: io.env, cluster, handle }, io, options)),
      ),
    );
  runCommand(ops, 'resume', 'let a paused operation go on').action(
    action(io, (cluster: string, options: RunOptions) =>
      withRun(io, cluster, options, (handle, link) => resume({ link, env: io.env, cluster, handle }, io, options)),
    ),
  );
};

function runCommand(ops: Command, name: string, description: string): Command {
  return ops
    .command(name)
    .argument('<cluster>', 'its name, as in the spec', clusterName)
    .description(description)
    .option('--run <id>', 'the run ID, from `ops list`', runId)
    .option('--json', 'print the report as JSON; of an operation that runs, its progress');
}

async function withLink(io: CliIo, use: (link: TemporalLink) => Promise<ExitCode>): Promise<ExitCode> {
  const { connectTemporal, temporalFailure } = await import('../temporal.js');
  const link = await connectTemporal(io.env);
  try {
    return await use(link);
  } catch (error) {
    throw temporalFailure(error, link);
  } finally {
    await link.close();
  }
}

async function withRun(
  io: CliIo,
  cluster: string,
  { run }: RunOptions,
  use: (handle: Handle, link: TemporalLink) => Promise<ExitCode>,
): Promise<ExitCode> {
  const { WorkflowNotFoundError } = await import('@temporalio/client');
  return withLink(io, async (link) => {
    const { client, address, namespace } = link;
    const handle = client.workflow.getHandle<typeof applyClusterWorkflow>(operationWorkflowId(cluster), run);
    try {
      await handle.describe();
    } catch (error) {
      if (!(error instanceof WorkflowNotFoundError)) throw error;
      throw new ForgeError('Refused', {
        what: `Temporal at ${address} (namespace ${namespace}) knows no operation of cluster ${cluster}${run === undefined ? '' : ` with run ${run}`}.`,
        left: '',
        next: 'See `redisforge ops list`.',
      });
    }
    return use(handle, link);
  });
}

async function list(io: CliIo, cluster: string | undefined, { limit, json }: ListOptions): Promise<ExitCode> {
  const { memoTexts, operationOfType } = await import('../operations.js');
  return withLink(io, async ({ client, address, namespace }) => {
    const query =
      cluster === undefined
        ? `${SEARCH_ATTRIBUTES.operation} IS NOT NULL`
        : `WorkflowId = "${operationWorkflowId(cluster)}"`;
    let listed = 0;
    for await (const run of client.workflow.list({ query, pageSize: Math.max(1, limit) })) {
      if (listed === limit) break;
      listed += 1;
      const { actor, reason } = memoTexts(run.memo);
      const row = {
        cluster: run.workflowId.split('/')[1] ?? '',
        operation: operationOfType(run.type),
        state: run.status.name.toLowerCase(),
        startedAt: run.startTime.toISOString(),
        endedAt: run.closeTime?.toISOString() ?? null,
        actor,
        reason,
        runId: run.runId,
      };
      io.out(json === true ? JSON.stringify(row) : renderRow(row));
    }
    if (listed === 0) {
      io.err(`Temporal at ${address} (namespace ${namespace}) has no operation of ${cluster ?? 'any cluster'}.`);
    }
    return EXIT.done;
  });
}

function renderRow(row: {
  cluster: string;
  operation: string;
  state: string;
  startedAt: string;
  actor: string;
  reason: string;
  runId: string;
}): string {
  return [
    row.startedAt,
    row.cluster.padEnd(14),
    row.operation.padEnd(9),
    row.state.padEnd(10),
    row.runId,
    row.actor,
    row.reason,
  ].join('  ');
}

async function show(io: CliIo, handle: Handle, { json }: RunOptions): Promise<ExitCode> {
  const { status } = await handle.describe();
  if (status.name === 'RUNNING') return showProgress(io, handle, json);
  const [{ awaitReport }, { renderReport }] = await Promise.all([
    import('../reports.js'),
    import('../render/report.js'),
  ]);
  const report = await awaitReport(handle);
  if (json === true) io.out(JSON.stringify(report));
  else for (const line of renderReport(report, io)) io.out(line);
  return exitCodeOfReport(report);
}

async function showProgress(io: CliIo, handle: Handle, json: true | undefined): Promise<ExitCode> {
  const [{ askProgress }, { renderMoved }, { renderPause, renderStep }] = await Promise.all([
    import('../follow.js'),
    import('../render/moves.js'),
    import('../render/progress.js'),
  ]);
  const progress = await askProgress(handle);
  if (progress === undefined) throw nobodyAnswers(await handle.describe());
  if (json === true) {
    io.out(JSON.stringify(progress));
  } else {
    io.out(`${progress.operation} ${progress.cluster}  running: ${progress.phase}`);
    io.out(`  who      ${progress.actor}`);
    io.out(`  why      ${progress.reason || '(no reason given)'}`);
    io.out(`  since    ${progress.startedAt}`);
    if (progress.paused !== undefined) io.out(`  ${renderPause(progress.paused, io)}`);
    for (const step of progress.steps) {
      for (const line of [renderStep(step, io), ...renderMoved(step, io)]) io.out(line);
    }
  }
  return EXIT.detached;
}

function nobodyAnswers({ runId: run, workflowId, startTime }: WorkflowExecutionDescription): ForgeError {
  return new ForgeError('NoWorker', {
    what: `Run ${run} of ${workflowId} runs since ${startTime.toISOString()}, and no worker answers for it.`,
    left: 'It waits for a worker and goes on by itself.',
    next: 'See whether one runs; start one with `redisforge worker`.',
  });
}

async function watch(io: CliIo, cluster: string, handle: Handle, { json }: RunOptions): Promise<ExitCode> {
  const [{ follow }, { renderOutcome }] = await Promise.all([import('../follow.js'), import('../render/report.js')]);
  const followed = await follow(handle, io);
  if (!followed.ended) {
    io.err(`The operation goes on. Attach again: redisforge ops watch ${cluster}`);
    return EXIT.detached;
  }
  for (const line of renderOutcome(followed.report, io)) io.err(line);
  if (json === true) io.out(JSON.stringify(followed.report));
  return exitCodeOfReport(followed.report);
}

async function cancel(controls: Controls, io: CliIo): Promise<ExitCode> {
  const { cancelRun } = await import('../control.js');
  const runId = await cancelRun(controls);
  io.err(`Asked run ${runId} to stop at its next safe point. Follow it: redisforge ops watch ${controls.cluster}`);
  return EXIT.done;
}

async function pause(
  controls: Controls,
  io: CliIo,
  { reason = '', json }: { reason?: string; json?: true },
): Promise<ExitCode> {
  const { pauseRun } = await import('../control.js');
  const progress = await pauseRun(controls, reason);
  const running = progress.steps.filter(({ state }) => state === 'running').length;
  io.err(
    running === 0
      ? `The ${progress.operation} of ${controls.cluster} stands; no step is running.`
      : `The ${progress.operation} of ${controls.cluster} stands as soon as ${running === 1 ? 'the step that runs has' : `the ${running} steps that run have`} come to an end.`,
  );
  io.err(`  go on:    redisforge ops resume ${controls.cluster}`);
  io.err(`  stop it:  redisforge ops cancel ${controls.cluster}`);
  if (json === true) io.out(JSON.stringify(progress));
  return EXIT.done;
}

async function resume(controls: Controls, io: CliIo, { json }: RunOptions): Promise<ExitCode> {
  const { resumeRun } = await import('../control.js');
  const progress = await resumeRun(controls);
  io.err(
    `The ${progress.operation} of ${controls.cluster} goes on. Follow it: redisforge ops watch ${controls.cluster}`,
  );
  if (json === true) io.out(JSON.stringify(progress));
  return EXIT.done;
}
