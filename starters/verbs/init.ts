import { randomUUID } from 'node:crypto';
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
import { confirmKeys, type ShownHost, shownKeys } from '../host-keys.js';
import { draftSpec, parseInitHost } from '../init-draft.js';
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

const DUTIES: readonly Duty[] = ['operator', 'replication', 'app', 'admin'];

export const initVerb: Verb = (program, io) => {
  options(
    program.command('init').description('write a spec from a list of hosts, pin their keys and make its secrets'),
  ).action(
    action(io, async (given: InitOptions): Promise<ExitCode> => {
      const path = resolve(io.cwd, given.out ?? `${given.name}.yaml`);
      await refuseExisting(path);
      const hosts = await shownKeys(
        given.host.map((text, position) => parseInitHost({ text, position, option: '--host' })),
      );
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
      'a host, once for each; ,address=IP, ,name=N and ,root=FOLDER where they differ',
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

/** The text of the spec, checked as `validate` would, before anybody is asked anything. */
function checkedText(io: CliIo, given: InitOptions, hosts: readonly ShownHost[]): string {
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

async function makeSecrets(io: CliIo, specPath: string, cluster: string): Promise<void> {
  for (const duty of DUTIES) {
    const path = join(dirname(specPath), 'secrets', cluster, duty);
    const done = await makeSecretFile(path);
    io.err(`secret for ${duty}: ${path} (${done === 'made' ? 'made' : 'was there, kept'})`);
  }
}
