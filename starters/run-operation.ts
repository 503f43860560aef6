import { hostname } from 'node:os';
import { ForgeError } from '../domain/errors.js';
import type { Goal } from '../domain/goal.js';
import type { OperationInput } from '../domain/operation.js';
import type { OperationKind, Plan } from '../domain/plan.js';
import { goalAsShown } from '../domain/shown-goal.js';
import type { ClusterSpec } from '../domain/spec.js';
import { EXIT, type ExitCode, exitCodeOfPlan, exitCodeOfReport, failureOfRefusals } from './exit.js';
import { follow } from './follow.js';
import type { CliIo } from './io.js';
import { actorName, type OperationHandle, startOperation } from './operations.js';
import { endOfFile, fileWhenDetached, shownDiff, writes, writeWorking } from './operation-file.js';
import { renderPlan } from './render/plan.js';
import { renderOutcome } from './render/report.js';
import { refuseChanged, renderDiff, specDiff, type SpecFile } from './spec-file.js';
import { connectTemporal, requireWorker, temporalFailure, type TemporalLink } from './temporal.js';
import { inTurn, LEFT } from './turn.js';

/** The options that every mutating verb has. */
export interface OperationOptions {
  readonly yes?: true;
  readonly wait?: true;
  /** Milliseconds. */
  readonly waitFor: number;
  readonly json?: true;
  readonly detach?: true;
  readonly reason?: string;
  readonly breakLease?: string;
  readonly planOnly?: true;
  readonly writeSpec?: true;
}

export interface Drafted {
  readonly plan: Plan;
  /** What the plan was made for, where the spec does not say it all. */
  readonly goal?: Goal;
}

export interface OperationRequest {
  readonly io: CliIo;
  readonly kind: OperationKind;
  readonly spec: ClusterSpec;
  readonly options: OperationOptions;
  readonly draft: () => Promise<Drafted>;
  /** The file of the spec, where the operation or its end changes what it says. */
  readonly file?: SpecFile;
  readonly data?: OperationInput['data'];
}

/** Plan, show, ask, start, follow: the way of every mutating verb. Temporal and the worker are looked for while the hosts are asked. */
export async function runOperationFromCli(request: OperationRequest): Promise<ExitCode> {
  const { io, options } = request;
  if (options.planOnly === true) return showPlan(request);
  refuseUnasked(request);
  const linking = linkToWorkers(io.env);
  try {
    const handle =
      options.wait === true ? await startInTurn(request, await linking) : await planAndStart(request, linking);
    if (handle === LEFT) return EXIT.cancelled;
    if (handle === null) {
      io.err('Nothing was started or changed.');
      return EXIT.refused;
    }
    const link = await linking;
    if (options.detach === true) return detached(request, handle, link);
    return await followToTheEnd(request, handle, link);
  } catch (error) {
    const link = await linking.catch(() => undefined);
    throw link === undefined ? error : temporalFailure(error, link);
  } finally {
    const link = await linking.catch(() => undefined);
    await link?.close();
  }
}

/** As `plan` does for `apply`: nothing is asked, started or changed, and Temporal is not needed. */
async function showPlan({ io, options, draft, file }: OperationRequest): Promise<ExitCode> {
  const { plan } = await draft();
  const diff = file === undefined ? '' : specDiff(file.before, file.working);
  if (options.json === true) io.out(JSON.stringify({ ...plan, ...(diff === '' ? {} : { specDiff: diff }) }));
  else for (const line of [...renderDiff(diff, io), ...renderPlan(plan, io)]) io.out(line);
  return exitCodeOfPlan(plan);
}

async function linkToWorkers(env: NodeJS.ProcessEnv): Promise<TemporalLink> {
  const link = await connectTemporal(env);
  try {
    await requireWorker(link);
    return link;
  } catch (error) {
    await link.close();
    throw temporalFailure(error, link);
  }
}

/** The world changes while one waits: the plan is made, shown and asked about when the turn has come. */
async function startInTurn(
  request: OperationRequest,
  link: TemporalLink,
): Promise<OperationHandle | null | typeof LEFT> {
  const { io, spec, kind, options } = request;
  const turn = {
    io,
    link,
    cluster: spec.name,
    who: { operation: kind, actor: actorName(io.env, hostname()), reason: options.reason ?? '' },
    waitMs: options.waitFor,
    format: options.json === true ? ('json' as const) : ('text' as const),
  };
  return inTurn(turn, () => planAndStart(request, Promise.resolve(link)));
}

/** `null` where the person does not want what was shown. */
async function planAndStart(
  request: OperationRequest,
  linking: Promise<TemporalLink>,
): Promise<OperationHandle | null> {
  const [draft, linked] = await Promise.allSettled([request.draft(), linking]);
  if (draft.status === 'rejected') throw draft.reason;
  const { plan } = draft.value;
  for (const line of [...shownDiff(request), ...renderPlan(plan, request.io)]) request.io.err(line);
  refuseRefused(plan);
  if (linked.status === 'rejected') throw linked.reason;
  if (!(await agreed(request, plan))) return null;
  if (writes(request)) await refuseChanged(request.file.before);
  const handle = await startOperation(linked.value, request.kind, operationInput(request, draft.value));
  await writeWorking(request);
  return handle;
}

/** Nobody should wait for their turn only to hear then that they cannot be asked. */
function refuseUnasked({ io, options }: OperationRequest): void {
  if (options.wait === true && options.yes !== true && !io.interactive) throw nobodyToAsk('Say --yes with --wait');
}

function refuseRefused({ refusals, cluster }: Plan): void {
  if (refusals.length === 0) return;
  throw new ForgeError(failureOfRefusals(refusals), {
    what: `${refusals.length === 1 ? 'One thing stands' : `${refusals.length} things stand`} in the way (named above).`,
    left: `Cluster ${cluster} and its hosts were left as they are.`,
    next: 'Mend what is named above and run the same command again.',
  });
}

async function agreed({ io, options }: OperationRequest, { steps }: Plan): Promise<boolean> {
  if (options.yes === true || steps.length === 0) return true;
  if (!io.interactive) throw nobodyToAsk('Read the plan above and say --yes');
  return io.ask('Do this?');
}

function nobodyToAsk(next: string): ForgeError {
  return new ForgeError('BadSpec', {
    what: 'Nobody can be asked here (no terminal).',
    left: 'Nothing was started or changed.',
    next: `${next}.`,
  });
}

function operationInput({ io, spec, options, data }: OperationRequest, drafted: Drafted): OperationInput {
  const goal = goalAsShown(drafted.goal, drafted.plan);
  return {
    spec,
    planDigest: drafted.plan.digest,
    actor: actorName(io.env, hostname()),
    reason: options.reason ?? '',
    ...(options.breakLease === undefined ? {} : { breakLease: options.breakLease }),
    ...(goal === undefined ? {} : { goal }),
    ...(data === undefined ? {} : { data }),
  };
}

async function followToTheEnd(
  request: OperationRequest,
  handle: OperationHandle,
  link: TemporalLink,
): Promise<ExitCode> {
  const { io, options } = request;
  const followed = await follow(handle, io);
  if (!followed.ended) return detached(request, handle, link);
  const { report } = followed;
  for (const line of renderOutcome(report, io)) io.err(line);
  const diff = await endOfFile(request, report);
  if (options.json === true) io.out(JSON.stringify({ ...report, ...(diff === '' ? {} : { specDiff: diff }) }));
  return exitCodeOfReport(report);
}

function detached(request: OperationRequest, handle: OperationHandle, link: TemporalLink): ExitCode {
  const { io } = request;
  const cluster = request.spec.name;
  io.err(`The operation goes on without this terminal (run ${handle.firstExecutionRunId} on ${link.address}).`);
  io.err(`  attach again:  redisforge ops watch ${cluster}`);
  io.err(`  stop it:       redisforge ops cancel ${cluster}`);
  for (const line of fileWhenDetached(request)) io.err(line);
  return EXIT.detached;
}
