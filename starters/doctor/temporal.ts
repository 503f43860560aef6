import { randomUUID } from 'node:crypto';
import { WorkflowNotFoundError } from '@temporalio/client';
import { ForgeError } from '../../domain/errors.js';
import { probeWorkflowId, SEARCH_ATTRIBUTES, TASK_QUEUE } from '../../domain/ids.js';
import type { Finding, RunState } from '../../domain/leftovers.js';
import type { Lease } from '../../domain/survey.js';
import type { latencyProbeWorkflow } from '../../workflows/index.js';
import { connectTemporal, requireWorker, type TemporalLink } from '../temporal.js';

export interface TemporalFacts {
  readonly address: string;
  readonly namespace: string;
  readonly serverVersion: string;
  readonly retentionDays: number;
  /** `null` where it could not be measured. */
  readonly msPerStep: number | null;
}

export interface TemporalLook {
  /** `null` where it cannot be reached. */
  readonly facts: TemporalFacts | null;
  readonly findings: readonly Finding[];
  /** What became of the runs that these leases name, by run ID. */
  readonly runs: Readonly<Record<string, RunState>>;
}

/** Two weeks: who did what is asked after the next weekend, not after the next hour. */
const SHORT_RETENTION_DAYS = 14;
/** A well-set server takes 10 to 25 ms, one with default settings some 100 (docs/temporal.md). */
const SLOW_STEP_MS = 60;
const PROBE = { before: 25, steps: 10 };
const PROBE_TIMEOUT_MS = 30_000;

/** Looks at the Temporal server, and asks it about the runs behind leases. Only reads, but for a workflow that measures. */
export async function lookAtTemporal(env: NodeJS.ProcessEnv, leases: readonly Lease[]): Promise<TemporalLook> {
  let link: TemporalLink;
  try {
    link = await connectTemporal(env);
  } catch (error) {
    if (!(error instanceof ForgeError)) throw error;
    return { facts: null, findings: [problem(error.text.what, error.text.next)], runs: {} };
  }
  try {
    const [described, attributes, worker, runs] = await Promise.all([
      describe(link),
      attributeFindings(link),
      workerFindings(link),
      statesOf(link, leases),
    ]);
    const speed = worker.length > 0 ? { msPerStep: null, findings: [] } : await measure(link);
    const { server: _, ...facts } = { ...described, msPerStep: speed.msPerStep };
    const findings = [...retentionFindings(described), ...attributes, ...worker, ...speed.findings];
    return { facts, findings, runs };
  } finally {
    await link.close();
  }
}

async function describe({ client, namespace, address }: TemporalLink) {
  const [{ serverVersion }, { namespaceInfo, config }] = await Promise.all([
    client.workflowService.getSystemInfo({}),
    client.workflowService.describeNamespace({ namespace }),
  ]);
  const retentionDays = Number(config?.workflowExecutionRetentionTtl?.seconds ?? 0) / 86_400;
  return { address, namespace, serverVersion: serverVersion ?? '', retentionDays, server: namespaceInfo?.id ?? '' };
}

function retentionFindings({
  namespace,
  retentionDays,
}: Pick<TemporalFacts, 'namespace' | 'retentionDays'>): Finding[] {
  if (retentionDays >= SHORT_RETENTION_DAYS) return [];
  const days = Number(retentionDays.toFixed(1));
  return [
    note(
      `Namespace ${namespace} forgets operations ${days} days after their end: \`ops list\` and \`ops show\` look back no further.`,
      `For an audit trail: temporal operator namespace update --namespace ${namespace} --retention 720h`,
    ),
  ];
}

async function attributeFindings({ client, namespace }: TemporalLink): Promise<Finding[]> {
  try {
    const { customAttributes } = await client.connection.operatorService.listSearchAttributes({ namespace });
    return Object.values(SEARCH_ATTRIBUTES)
      .filter((name) => !(name in customAttributes))
      .map((name) =>
        problem(
          `Namespace ${namespace} lacks the search attribute ${name}: no operation can be started.`,
          `Start a worker, which makes it where it may; or: temporal operator search-attribute create --name ${name} --type Keyword`,
        ),
      );
  } catch {
    return [note('The server does not say which search attributes it knows.', 'Look into its own console.')];
  }
}

async function workerFindings(link: TemporalLink): Promise<Finding[]> {
  try {
    await requireWorker(link);
    return [];
  } catch (error) {
    if (error instanceof ForgeError) return [problem(error.text.what, error.text.next)];
    throw error;
  }
}

async function measure({ client }: TemporalLink): Promise<{ msPerStep: number | null; findings: Finding[] }> {
  try {
    const probe = await client.workflow.execute<typeof latencyProbeWorkflow>('latencyProbeWorkflow', {
      workflowId: probeWorkflowId(randomUUID()),
      taskQueue: TASK_QUEUE,
      workflowExecutionTimeout: PROBE_TIMEOUT_MS,
      args: [PROBE],
    });
    const msPerStep = Math.round(probe.msPerStep * 10) / 10;
    return { msPerStep, findings: msPerStep > SLOW_STEP_MS ? [slow(msPerStep)] : [] };
  } catch (error) {
    const reason = error instanceof Error ? (error.cause instanceof Error ? error.cause.message : error.message) : '';
    return {
      msPerStep: null,
      findings: [
        problem(
          `The worker did not bring ${PROBE.before + PROBE.steps} steps that do nothing to their end within ${PROBE_TIMEOUT_MS / 1000} s: ${reason}.`,
          'See its log; a worker of an older version does not know the probe.',
        ),
      ],
    };
  }
}

function slow(msPerStep: number): Finding {
  return problem(
    `A step that does nothing takes ${msPerStep} ms; a well-set server takes 10 to 25. An operation of 100 steps waits ${Math.round(msPerStep / 10)} s for the server.`,
    'Set in its dynamic configuration: history.transferProcessorMaxPollRPS, history.timerProcessorMaxPollRPS (2000 each) and history.visibilityProcessorMaxPollRPS (500), as config/temporal/dynamic.yaml does; a dev server on a file also wants --sqlite-pragma journal_mode=WAL --sqlite-pragma synchronous=NORMAL (docs/temporal.md).',
  );
}

/** A run that this server does not know may be another server's, or older than what it keeps: nobody can say. */
async function statesOf(link: TemporalLink, leases: readonly Lease[]): Promise<Record<string, RunState>> {
  const { client } = link;
  const { server } = await describe(link);
  const asked = leases.map(async ({ server: theirs, workflowId, runId }): Promise<[string, RunState]> => {
    if (theirs !== server) return [runId, 'unknown'];
    try {
      const { status } = await client.workflow.getHandle(workflowId, runId).describe();
      return [runId, status.name === 'RUNNING' ? 'open' : 'closed'];
    } catch (error) {
      if (error instanceof WorkflowNotFoundError) return [runId, 'unknown'];
      throw error;
    }
  });
  return Object.fromEntries(await Promise.all(asked));
}

function problem(what: string, next: string): Finding {
  return { area: 'temporal', severity: 'problem', what, next, cleaned: 'not' };
}

function note(what: string, next: string): Finding {
  return { ...problem(what, next), severity: 'note' };
}
