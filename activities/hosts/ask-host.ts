import type { Readable } from 'node:stream';
import { ForgeError } from '../../domain/errors.js';
import type { ClusterSpec, HostSpec } from '../../domain/spec.js';
import type { StepToken } from '../../domain/survey.js';
import { hostPaths } from '../../domain/nodes.js';
import type { SshPool } from '../ssh/pool.js';
import type { CommandResult } from '../ssh/run-command.js';
import { type Answer, parseAnswer } from './answer.js';
import { BOOTSTRAP, installedAsRoot, newerAsRoot } from './bootstrap.js';
import type { HostHelper } from './helper.js';
import { failureOf, hasNoHelper } from './refusals.js';

export interface HostAdapters {
  readonly ssh: SshPool;
  readonly helper: HostHelper;
}

export interface HostRequest {
  readonly spec: ClusterSpec;
  readonly host: string;
  /** What is asked, as the object of a sentence, for messages: `start of h1:7001`. */
  readonly purpose: string;
  /** Verb and arguments of the helper. */
  readonly words: readonly string[];
}

export interface HostOrder extends HostRequest {
  readonly token: StepToken;
  readonly stdin?: string | (() => Readable);
  /** What the verb itself may wait for, beside the work. */
  readonly waitMs?: number;
}

/** The host of this name in the spec. Throws ForgeError BadSpec where there is none. */
export function hostOf(spec: ClusterSpec, name: string): HostSpec {
  const host = spec.hosts.find((candidate) => candidate.name === name);
  if (host !== undefined) return host;
  throw new ForgeError('BadSpec', {
    what: `The spec of cluster ${spec.name} has no host ${name}.`,
    left: 'Nothing was done.',
    next: `Its hosts are ${spec.hosts.map((known) => known.name).join(', ')}.`,
  });
}

/** Asks a host something that only reads. The helper goes along on stdin: whatever is installed, or nothing, the answer is this version's. */
export async function askHost({ ssh, helper }: HostAdapters, request: HostRequest): Promise<CommandResult> {
  const { root } = hostOf(request.spec, request.host);
  const result = await runNewer({ ssh, helper }, request, ['sh', '-s', '--', '--root', root]);
  if (result.exitCode !== 0) throw failureOf({ ...request, result });
  return result;
}

/** Has the installed helper change the host. It refuses where the token is not the newest. */
export async function orderHost(adapters: HostAdapters, order: HostOrder): Promise<Answer> {
  const result = await orderGivenHost(adapters, order);
  if (result.exitCode !== 0) throw failureOf({ ...order, result });
  return parseAnswer(result.stdout);
}

/** As orderHost, for what ends with the helper gone from the host: `null` where it is gone already. */
export async function orderLast(adapters: HostAdapters, order: HostOrder): Promise<Answer | null> {
  const result = await orderGivenHost(adapters, order);
  if (hasNoHelper(result)) return null;
  if (result.exitCode !== 0) throw failureOf({ ...order, result });
  return parseAnswer(result.stdout);
}

function orderGivenHost({ ssh }: HostAdapters, order: HostOrder): Promise<CommandResult> {
  const host = hostOf(order.spec, order.host);
  const { root, helper } = hostPaths(host);
  const { generation, step, attempt, run } = order.token;
  const token = ['--generation', `${generation}`, '--step', step, '--attempt', `${attempt}`];
  if (run !== undefined) token.push('--run', run);
  const words = ['--root', root, ...token, ...order.words];
  return runOn(ssh, order, {
    argv: (seconds) =>
      host.ssh.privilege === 'login' ? [helper, ...words] : installedAsRoot({ helper, seconds, words }),
    stdin: order.stdin ?? '',
    waitMs: order.waitMs ?? 0,
  });
}

export interface HandOrder extends HostRequest {
  /** Who, for the journal. */
  readonly by: string;
}

/** Has the host do something for a person, as by hand: refused while an operation holds it. The helper goes along, as with askHost. */
export async function orderByHand(adapters: HostAdapters, { by, ...request }: HandOrder): Promise<Answer> {
  const { stdout } = await askHost(adapters, { ...request, words: ['--by-hand', by, ...request.words] });
  return parseAnswer(stdout);
}

/** Brings this version's helper to the host and runs it, in one round trip. */
export async function bootstrapHost({ ssh, helper }: HostAdapters, request: HostRequest): Promise<Answer> {
  const { root } = hostOf(request.spec, request.host);
  const result = await runNewer({ ssh, helper }, request, ['sh', '-c', BOOTSTRAP, 'sh', root, helper.sha256]);
  if (result.exitCode !== 0) throw failureOf({ ...request, result });
  return parseAnswer(result.stdout);
}

/** Runs the helper that goes along on stdin; `bare` is how, where the login may do so itself. */
function runNewer({ ssh, helper }: HostAdapters, request: HostRequest, bare: readonly string[]) {
  const { root, ssh: access } = hostOf(request.spec, request.host);
  const { words } = request;
  return runOn(ssh, request, {
    argv: (seconds) =>
      access.privilege === 'login'
        ? [...bare, ...words]
        : newerAsRoot({ root, sha256: helper.sha256, seconds, bare, words }),
    stdin: helper.text,
    waitMs: 0,
  });
}

interface Invocation {
  /** From the seconds that the command may take: under sudo it has to end itself. */
  readonly argv: (seconds: string) => readonly string[];
  readonly stdin: string | (() => Readable);
  readonly waitMs: number;
}

function runOn(ssh: SshPool, { spec, host, purpose }: HostRequest, { argv, stdin, waitMs }: Invocation) {
  const deadlineMs = spec.timings.commandMs + waitMs;
  return ssh.run({
    access: hostOf(spec, host).ssh,
    host,
    argv: argv(`${deadlineMs / 1000}`),
    stdin,
    purpose: `the ${purpose}`,
    deadlineMs,
    connectMs: spec.timings.sshConnectMs,
  });
}
