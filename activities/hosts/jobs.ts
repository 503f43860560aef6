import { setTimeout as pause } from 'node:timers/promises';
import { ForgeError } from '../../domain/errors.js';
import { hostPaths } from '../../domain/nodes.js';
import type { HostStep } from '../../domain/steps.js';
import { type Answer, parseAnswer, readable, wholeNumber } from './answer.js';
import { askHost, type HostAdapters, hostOf, orderHost } from './ask-host.js';

export interface HostJob extends HostStep {
  /** Of its content: the same name is the same work, so that whoever asks again goes on with the one that runs. */
  readonly name: string;
  /** What it does, as the object of a sentence: `installation of redis 8.6 on h1`. */
  readonly purpose: string;
  /** Verb and arguments of the host helper. */
  readonly words: readonly string[];
  /** Until it has to have ended. */
  readonly deadlineMs: number;
}

export interface JobEnd {
  readonly exitCode: number;
  /** The end of what it printed: the helper's own lines. */
  readonly answer: Answer;
}

/**
 * Has the host helper do something long as a job of the host's own, and waits for its end: a connection that breaks meanwhile, or a worker that dies, does not
 * matter. A job that ended in failure, or whose end nobody saw, is run again. It acts for this operation's generation: once there is a newer one, it is refused
 * as any other late command.
 * @throws ForgeError NotReached where it goes on after its deadline; those of an order
 */
export async function runJob(adapters: HostAdapters, job: HostJob): Promise<JobEnd> {
  const before = await settledStatusOf(adapters, job);
  if (before.generation >= job.token.generation && isFailed(before)) await forget(adapters, job);
  await orderHost(adapters, { ...job, words: ['job', 'start', job.name, '--', ...commandOf(job)] });
  const deadline = performance.now() + job.deadlineMs;
  for (let look = 1; ; look += 1) {
    const status = await settledStatusOf(adapters, job);
    if (status.state !== 'running') return endOf(job, status);
    if (performance.now() > deadline) throw stillRunning(job);
    await pause(pauseMs(look));
  }
}

/** An answer soon for what is quick, and few questions for what takes minutes. */
function pauseMs(look: number): number {
  return Math.min(2_000, 50 * look);
}

/** Under a step of its own: attempts of the caller come and go while the job stays the same. */
function commandOf({ spec, host, name, token, words }: HostJob): string[] {
  const { root, helper } = hostPaths(hostOf(spec, host));
  const run = token.run === undefined ? [] : ['--run', token.run];
  return [
    'sh',
    helper,
    '--root',
    root,
    '--generation',
    `${token.generation}`,
    '--step',
    `job:${name}`,
    '--attempt',
    '0',
    ...run,
    ...words,
  ];
}

interface JobStatus {
  readonly state: string;
  readonly exitCode: number | null;
  /** Of the operation that it was started for; 0 where that is not known. */
  readonly generation: number;
  readonly answer: Answer;
}

async function statusOf(adapters: HostAdapters, { spec, host, name, purpose }: HostJob): Promise<JobStatus> {
  const { stdout } = await askHost(adapters, { spec, host, purpose, words: ['job', 'status', name] });
  const printed = parseAnswer(stdout);
  const [, state = 'absent', , code = '-', , generation] = printed.first('job') ?? [];
  const output = printed.all('output').map((fields) => fields.join('\t'));
  return readable({ host, purpose, left: 'It was only asked how far it is.' }, () => ({
    state,
    exitCode: code === '-' ? null : wholeNumber('job', code),
    generation: generation === undefined ? Number.MAX_SAFE_INTEGER : wholeNumber('job', generation),
    answer: parseAnswer(output.join('\n')),
  }));
}

/** Between the end of a job and the note of it lies a moment in which it looks as if nobody had seen its end. */
async function settledStatusOf(adapters: HostAdapters, job: HostJob): Promise<JobStatus> {
  const status = await statusOf(adapters, job);
  if (status.state !== 'lost') return status;
  await pause(NOTE_MS);
  return statusOf(adapters, job);
}

const NOTE_MS = 1_000;

function isFailed({ state, exitCode }: JobStatus): boolean {
  return state === 'stopped' || state === 'lost' || (state === 'exited' && exitCode !== 0);
}

async function forget(adapters: HostAdapters, job: HostJob): Promise<void> {
  await orderHost(adapters, { ...job, words: ['job', 'clean', job.name] });
}

/** What a shell adds to the number of the signal that ended a command. */
const KILLED = 128;

/** Nobody saw how it ended where the machine was rebooted meanwhile, or somebody stopped it: asking again begins it anew. */
function endOf({ purpose, host }: HostJob, { state, exitCode, answer }: JobStatus): JobEnd {
  if (exitCode !== null && exitCode < KILLED) return { exitCode, answer };
  const how =
    exitCode === null
      ? `its job on ${host} is ${state}`
      : `its job on ${host} was killed by signal ${exitCode - KILLED}`;
  throw new ForgeError('CommandTimeout', {
    what: `The ${purpose} was ended in the middle: ${how}.`,
    left: 'Nothing half is in use.',
    next: 'Look whether the host was rebooted or had no memory left, then run the operation again.',
  });
}

function stillRunning({ purpose, host, name, deadlineMs }: HostJob): ForgeError {
  return new ForgeError('NotReached', {
    what: `The ${purpose} did not end within ${deadlineMs} ms; job ${name} on ${host} goes on until its operation ends.`,
    left: 'Nothing half is in use.',
    next: 'Look why it takes so long, or give it more time (timings.install), and run the operation again.',
  });
}
