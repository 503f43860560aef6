import { ForgeError } from '../../domain/errors.js';
import type { ClusterSpec, HostSpec } from '../../domain/spec.js';
import type { StepToken } from '../../domain/survey.js';
import { hostPaths } from '../../domain/nodes.js';
import type { SshPool } from '../ssh/pool.js';
import type { CommandResult } from '../ssh/run-command.js';
import { type Answer, parseAnswer } from './answer.js';
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
  readonly stdin?: string;
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
  const result = await runOn(ssh, request, {
    argv: ['sh', '-s', '--', '--root', root, ...request.words],
    stdin: helper.text,
    waitMs: 0,
  });
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
  const { root, helper } = hostPaths(hostOf(order.spec, order.host));
  const { generation, step, attempt, run } = order.token;
  const token = ['--generation', `${generation}`, '--step', step, '--attempt', `${attempt}`];
  if (run !== undefined) token.push('--run', run);
  return runOn(ssh, order, {
    argv: [helper, '--root', root, ...token, ...order.words],
    stdin: order.stdin ?? '',
    waitMs: order.waitMs ?? 0,
  });
}

/**
 * Installs the helper beside the one that is there, checks its digest, and runs it with these words: it takes its own place, under the lock, if
 * it accepts who asks. The text is constant; all that varies comes as arguments and on stdin.
 */
const BOOTSTRAP = `set -eu
umask 077
root=$1 sha256=$2
shift 2
mkdir -p "$root/bin"
incoming=$(mktemp "$root/bin/.incoming.XXXXXX")
trap 'rm -f "$incoming"; rmdir "$root/bin" "$root" 2>/dev/null || :' EXIT
cat >"$incoming"
printf '%s  %s\\n' "$sha256" "$incoming" | sha256sum -c - >/dev/null
sh "$incoming" --root "$root" "$@"`;

/** Brings this version's helper to the host and runs it, in one round trip. */
export async function bootstrapHost({ ssh, helper }: HostAdapters, request: HostRequest): Promise<Answer> {
  const { root } = hostOf(request.spec, request.host);
  const result = await runOn(ssh, request, {
    argv: ['sh', '-c', BOOTSTRAP, 'sh', root, helper.sha256, ...request.words],
    stdin: helper.text,
    waitMs: 0,
  });
  if (result.exitCode !== 0) throw failureOf({ ...request, result });
  return parseAnswer(result.stdout);
}

interface Invocation {
  readonly argv: readonly string[];
  readonly stdin: string;
  readonly waitMs: number;
}

function runOn(ssh: SshPool, { spec, host, purpose }: HostRequest, { argv, stdin, waitMs }: Invocation) {
  return ssh.run({
    access: hostOf(spec, host).ssh,
    host,
    argv,
    stdin,
    purpose: `the ${purpose}`,
    deadlineMs: spec.timings.commandMs + waitMs,
    connectMs: spec.timings.sshConnectMs,
  });
}
