import { hostname } from 'node:os';
import { resolve } from 'node:path';
import type { Credentials } from '../../activities/redis/connection.js';
import { ForgeError } from '../../domain/errors.js';
import { parseSecretRef } from '../../domain/secret-ref.js';
import type { SecretRef } from '../../domain/spec.js';
import type { ExitCode } from '../exit.js';
import { action, type CliIo, type Verb } from '../io.js';
import { renderVerdict } from '../render/verdict.js';

/** Deadline in milliseconds of connecting to a node, and of its answer. */
const TIMEOUT_MS = 3000;

interface InspectOptions {
  readonly user?: string;
  readonly password?: string;
  readonly json?: true;
}

export const inspectVerb: Verb = (program, io) => {
  program
    .command('inspect')
    .description('judge any existing cluster, starting at one node: no spec, no SSH, no Temporal (exit codes as check)')
    .argument('<host:port>', 'one node of the cluster; all nodes that it knows are asked')
    .option('--user <name>', 'the Redis user; without it, the default user')
    .option('--password <reference>', 'env:NAME, file:PATH or exec:/PROGRAM, the same for all nodes')
    .option('--json', 'print {cluster, healthy, asOf, findings, nodes}')
    .action(action(io, (node: string, options: InspectOptions) => inspect(io, node, options)));
};

async function inspect(io: CliIo, node: string, options: InspectOptions): Promise<ExitCode> {
  const [{ observeExisting }, { judge }, { exitOfVerdict }] = await Promise.all([
    import('../../activities/redis/observe.js'),
    import('../../domain/judge.js'),
    import('../verdicts.js'),
  ]);
  const credentials = await credentialsOf(io, options);
  const observation = await observeExisting({ ...parseNode(node), credentials, timeoutMs: TIMEOUT_MS });
  const verdict = judge({ observation, expectation: null, cluster: node });
  if (options.json === true) io.out(JSON.stringify(verdict));
  else for (const line of renderVerdict(verdict, io)) io.out(line);
  return exitOfVerdict({ verdict, observation });
}

/** `host:port`, an IPv6 address in brackets or not. */
function parseNode(text: string): { address: string; port: number } {
  const match = /^(?:\[(.+)\]|(.+)):(\d{1,5})$/.exec(text);
  const address = match?.[1] ?? match?.[2];
  const port = Number(match?.[3]);
  if (address === undefined || port < 1 || port > 65_535) {
    throw usage(`${text} is no address of a node.`, 'Write host:port, such as 10.0.0.1:6379 or [fd00::1]:6379.');
  }
  return { address, port };
}

async function credentialsOf(io: CliIo, { user, password }: InspectOptions): Promise<Credentials> {
  if (password === undefined) {
    if (user === undefined) return {};
    throw usage('A user was given without a password.', 'Add --password env:NAME, file:PATH or exec:/PROGRAM.');
  }
  const { createSecretResolver } = await import('../../config/secrets.js');
  // Somebody else's cluster may have a password that we would refuse for ours.
  const secrets = createSecretResolver({ env: io.env, machine: hostname(), strength: 'any' });
  const secret = await secrets(referenceOf(password, io.cwd));
  return { ...(user !== undefined && { user }), password: secret };
}

function referenceOf(text: string, cwd: string): SecretRef {
  const ref = parseSecretRef(text);
  if (ref !== null) return ref.startsWith('file:') ? `file:${resolve(cwd, ref.slice(5))}` : ref;
  throw usage(
    'A password on the command line would be seen by everybody on this machine; it is not used.',
    'Name what holds it: --password env:NAME, --password file:PATH or --password exec:/PROGRAM.',
  );
}

function usage(what: string, next: string): ForgeError {
  return new ForgeError('BadSpec', { what, left: 'No node was asked.', next });
}
