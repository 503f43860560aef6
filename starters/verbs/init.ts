import { randomUUID } from 'node:crypto';
import { lookup } from 'node:dns/promises';
import { access, writeFile } from 'node:fs/promises';
import { dirname, isAbsolute, join, resolve } from 'node:path';
import { type Command, Option } from 'commander';
import { describeProblem, specProblems } from '../../config/load.js';
import { makeSecretFile } from '../../config/secrets.js';
import { writeSpec } from '../../config/write-spec.js';
import { ForgeError } from '../../domain/errors.js';
import type { Duty } from '../../domain/spec.js';
import { portNumber, wholeNumber } from '../arguments.js';
import { EXIT, type ExitCode } from '../exit.js';
import { draftSpec, type InitChoices, type InitHost, parseInitHost } from '../init-draft.js';
import { action, type CliIo, type Verb } from '../io.js';

interface InitOptions {
  readonly name: string;
  readonly host: readonly string[];
  readonly masters?: number;
  readonly replicas: number;
  readonly sharedZones?: string;
  readonly withoutReplicas?: string;
  readonly port: number;
  readonly nodesPerHost: number;
  readonly identity: string;
  readonly agent?: true;
  readonly engine: 'redis' | 'valkey';
  readonly engineVersion: string;
  readonly out?: string;
  readonly yes?: true;
}

type PinnedHost = InitChoices['hosts'][number];

/** A host that is up shows its key within milliseconds; this is for those that are not. */
const HOST_KEY_TIMEOUT_MS = 10_000;
const DUTIES: readonly Duty[] = ['operator', 'replication', 'app', 'admin'];

export const initVerb: Verb = (program, io) => {
  options(
    program.command('init').description('write a spec from a list of hosts, pin their keys and make its secrets'),
  ).action(
    action(io, async (given: InitOptions): Promise<ExitCode> => {
      const path = resolve(io.cwd, given.out ?? `${given.name}.yaml`);
      await refuseExisting(path);
      const hosts = await pinned(given.host.map(parseInitHost));
      const text = checkedText(io, given, hosts);
      await confirmKeys(io, hosts, given.yes === true);
      await makeSecrets(io, path, given.name);
      await writeFile(path, text, { flag: 'wx' });
      io.err(`wrote ${path}`);
      io.err(`next: redisforge plan -f ${path}`);
      io.out(path);
      return EXIT.done;
    }),
  );
};

function options(command: Command): Command {
  return command
    .requiredOption('--name <name>', 'name of the cluster')
    .requiredOption(
      '--host <user@host[:port],zone=Z>',
      'a host, once for each; ,address=IP and ,name=N where they differ',
      (text: string, before: readonly string[]) => [...before, text],
      [],
    )
    .option('--masters <n>', 'masters (default: as many as the nodes allow)', wholeNumber)
    .option('--replicas <n>', 'replicas of each master', wholeNumber, 1)
    .option('--shared-zones <reason>', 'why a master may share its zone with its replica')
    .option('--without-replicas <reason>', 'why there are no replicas')
    .option('--port <port>', 'port of the first node of each host', portNumber, 6379)
    .option('--nodes-per-host <n>', 'nodes on each host, on ports one after the other', wholeNumber, 1)
    .addOption(new Option('--identity <file>', 'private key to log in with').default('~/.ssh/id_ed25519'))
    .addOption(new Option('--agent', 'log in with the keys of the SSH agent').conflicts('identity'))
    .addOption(new Option('--engine <kind>').choices(['redis', 'valkey']).default('redis'))
    .option('--engine-version <version>', 'version that is installed on the hosts', '7.0')
    .option('--out <file>', 'where the spec goes (default: NAME.yaml)')
    .option('--yes', 'pin the keys without asking');
}

async function refuseExisting(path: string): Promise<void> {
  const there = await access(path).then(
    () => true,
    () => false,
  );
  if (!there) return;
  throw new ForgeError('Refused', {
    what: `${path} is there already.`,
    left: 'It was left as it is, and nothing was made.',
    next: 'Give another file with --out, or remove this one.',
  });
}

/** Each host with its address and the first key that it shows. The key is not trusted yet. */
async function pinned(hosts: readonly InitHost[]): Promise<PinnedHost[]> {
  const { fetchHostKeys } = await import('../../activities/ssh/host-key.js');
  return Promise.all(
    hosts.map(async (host) => {
      const address = host.address ?? (await addressOf(host.host));
      const [hostKey] = await fetchHostKeys({ host: host.host, port: host.port, timeoutMs: HOST_KEY_TIMEOUT_MS });
      if (hostKey === undefined) throw new Error('fetchHostKeys gives at least one key');
      return { ...host, address, hostKey };
    }),
  );
}

async function addressOf(host: string): Promise<string> {
  try {
    return (await lookup(host)).address;
  } catch (error) {
    throw new ForgeError(
      'HostUnreachable',
      {
        what: `The name ${host} has no address.`,
        left: 'Nothing was written.',
        next: 'Check the name, or add ,address=IP.',
      },
      { cause: error },
    );
  }
}

/** The text of the spec, checked as `validate` would, before anybody is asked anything. */
function checkedText(io: CliIo, given: InitOptions, hosts: readonly PinnedHost[]): string {
  const secretOf = (duty: Duty) => `file:${join('secrets', given.name, duty)}`;
  const text = writeSpec(
    draftSpec({
      name: given.name,
      uid: randomUUID(),
      engine: { kind: given.engine, version: given.engineVersion },
      ...(given.masters === undefined ? {} : { masters: given.masters }),
      replicasPerMaster: given.replicas,
      ...(given.sharedZones === undefined ? {} : { sharedZones: given.sharedZones }),
      ...(given.withoutReplicas === undefined ? {} : { withoutReplicas: given.withoutReplicas }),
      firstPort: given.port,
      nodesPerHost: given.nodesPerHost,
      login: given.agent === true ? { agent: true } : { identityFile: identityFrom(io, given.identity) },
      secrets: {
        operator: secretOf('operator'),
        replication: secretOf('replication'),
        app: secretOf('app'),
        admin: secretOf('admin'),
      },
      hosts,
    }),
  );
  const problems = specProblems(text);
  if (problems.length === 0) return text;
  throw new ForgeError('BadSpec', {
    what: `These hosts and options make no spec that could be used:\n${problems.map((problem) => `  ${describeProblem(problem)}`).join('\n')}`,
    left: 'Nothing was written.',
    next: 'Change --host, --masters, --replicas or --nodes-per-host; --shared-zones and --without-replicas take a reason.',
  });
}

/** The spec counts relative paths from its own folder; a person types them as seen from here. */
function identityFrom({ cwd }: CliIo, file: string): string {
  return file.startsWith('~/') || isAbsolute(file) ? file : resolve(cwd, file);
}

async function confirmKeys(io: CliIo, hosts: readonly PinnedHost[], yes: boolean): Promise<void> {
  const { fingerprint } = await import('../../activities/ssh/host-key.js');
  io.err(
    'These are the keys that the hosts show. Compare them with what the hosts say of themselves (`ssh-keygen -lf`).',
  );
  for (const { name, host, port, hostKey } of hosts) {
    io.err(`  ${name}  ${host}:${port}  ${hostKey.split(' ')[0]}  ${fingerprint(hostKey)}`);
  }
  if (yes || (io.interactive && (await io.ask('Pin them?')))) return;
  throw new ForgeError('Refused', {
    what: 'The keys of the hosts were not confirmed.',
    left: 'Nothing was written.',
    next: 'Compare the fingerprints and answer yes, or give --yes.',
  });
}

async function makeSecrets(io: CliIo, specPath: string, cluster: string): Promise<void> {
  for (const duty of DUTIES) {
    const path = join(dirname(specPath), 'secrets', cluster, duty);
    const done = await makeSecretFile(path);
    io.err(`secret for ${duty}: ${path} (${done === 'made' ? 'made' : 'was there, kept'})`);
  }
}
