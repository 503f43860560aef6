import { type Command, Option } from 'commander';
import { loadSpec } from '../../config/load.js';
import { type Addition, addNodes, removeNodes } from '../../domain/scaling.js';
import { scaleTo } from '../../domain/scaling-nodes.js';
import type { ClusterSpec } from '../../domain/spec.js';
import type { NewHost } from '../../domain/spec-edit.js';
import { portNumber, wholeNumber } from '../arguments.js';
import { badRequest } from '../bad-request.js';
import type { ExitCode } from '../exit.js';
import { parseInitHost } from '../init-draft.js';
import { action, type CliIo, type Verb } from '../io.js';
import { newHosts, possible, reshape } from '../reshape.js';
import type { OperationOptions } from '../run-operation.js';
import { reshapeOptions, specOptions } from './operation-options.js';

interface FileOptions extends OperationOptions {
  readonly file: string;
}

interface AddOptions extends FileOptions {
  readonly as?: 'master' | 'replica';
  readonly of?: string;
  readonly port?: number;
  readonly nodesPerHost: number;
}

interface RemoveOptions extends FileOptions {
  readonly as?: 'master' | 'replica';
  readonly lost?: true;
}

interface ToOptions extends FileOptions {
  readonly masters: number;
  readonly replicas?: number;
  readonly withoutReplicas?: string;
}

/** The cluster bus takes the port 10000 above. */
const HIGHEST_PORT = 55_535;

const AS = 'what the numbers of the shape are to count them as (default: masters with their replicas where that fits)';

export const scaleVerb: Verb = (program, io) => {
  const scale = program.command('scale').description('more nodes or fewer, with their slots, and prove it');
  verb(scale, 'add', 'add nodes: on hosts of the spec (h3:6381, or h3 for its next free port), or on new ones')
    .argument('<host...>', 'HOST[:PORT] of the spec, or user@host[:port],zone=Z[,address=IP][,name=N][,root=FOLDER]')
    .addOption(new Option('--as <role>', AS).choices(['master', 'replica']))
    .option('--of <node>', 'replicas of the shard of this node')
    .option(
      '--port <port>',
      "port of the first node of each new host (default: that of the spec's first node)",
      portNumber,
    )
    .option('--nodes-per-host <n>', 'nodes on each new host, on ports one after the other', wholeNumber, 1)
    .action(action(io, (hosts: string[], options: AddOptions) => add(io, hosts, options)));
  verb(scale, 'remove', 'let nodes give their slots away, and take them out of the cluster and off their hosts')
    .argument('<node|host...>', 'nodes (h3:6381) or hosts with all their nodes')
    .addOption(new Option('--as <role>', AS).choices(['master', 'replica']))
    .option('--lost', 'they do not answer and will not come back: forget them')
    .action(action(io, (names: string[], options: RemoveOptions) => remove(io, names, options)));
  verb(scale, 'to', 'reach this shape on the hosts that there are')
    .requiredOption('--masters <n>', 'masters', wholeNumber)
    .option('--replicas <n>', 'replicas of each master (default: as many as now)', wholeNumber)
    .option('--without-replicas <reason>', 'why there are to be none')
    .action(action(io, (options: ToOptions) => to(io, options)));
};

function verb(scale: Command, name: string, description: string): Command {
  return specOptions(reshapeOptions(scale.command(name).description(description)));
}

async function add(io: CliIo, texts: readonly string[], options: AddOptions): Promise<ExitCode> {
  const loaded = await loadSpec({ path: options.file, env: io.env });
  const { spec } = loaded;
  const additions = await additionsOf(io, texts, { spec, options });
  const { as = null, of = null } = options;
  const reshaped = addNodes({ spec, additions, as, of });
  return reshape({ io, kind: 'scale', loaded, options, reshaped });
}

async function additionsOf(
  io: CliIo,
  texts: readonly string[],
  { spec, options }: { spec: ClusterSpec; options: AddOptions },
): Promise<Addition[]> {
  const nodes = texts.filter((text) => !text.includes('@')).map((text) => declaredHost(text, spec));
  const fresh = texts.filter((text) => text.includes('@'));
  if (fresh.length === 0 && options.port !== undefined) {
    throw badRequest('--port is for new hosts; a node on a host of the spec is written HOST:PORT.', 'Leave it out.');
  }
  const first = options.port ?? spec.hosts[0]?.nodes[0]?.port ?? 6379;
  const ports = Array.from({ length: options.nodesPerHost }, (_, i) => first + i);
  const hosts = fresh.map((text, i) => parseInitHost({ text, position: spec.hosts.length + i, option: '' }));
  // What cannot be asked for anyway is refused before anybody is asked about keys.
  const unshown = hosts.map(
    (host): NewHost => ({
      ...{ name: host.name, zone: host.zone, address: host.address ?? host.host, ports },
      login: { user: host.user, host: host.host, port: host.port, hostKey: null },
    }),
  );
  const { as = null, of = null } = options;
  possible(addNodes({ spec, additions: [...nodes, ...unshown.map(fromHost)], as, of }));
  const shown = await newHosts(io, { spec, hosts, ports, yes: options.yes === true });
  return [...nodes, ...shown.map(fromHost)];
}

function fromHost(host: NewHost): Addition {
  return { kind: 'host', host };
}

function declaredHost(text: string, spec: ClusterSpec): Addition {
  const [, host = text, port] = /^(.*):(\d{1,5})$/.exec(text) ?? [];
  if (spec.hosts.some(({ name }) => name === host)) {
    if (port === undefined) return { kind: 'node', host, port: null };
    if (Number(port) < 1 || Number(port) > HIGHEST_PORT) {
      throw badRequest(
        `${text} has no port that a node could have.`,
        `A port from 1 to ${HIGHEST_PORT} (the cluster bus takes the one 10000 above it).`,
      );
    }
    return { kind: 'node', host, port: Number(port) };
  }
  throw badRequest(
    `${text} is no host of the spec (${spec.hosts.map(({ name }) => name).join(', ')}).`,
    'Write a new host as user@host[:port],zone=ZONE, with ,address=IP where Redis is reached at another address and ,name=NAME for a name of your own.',
  );
}

async function remove(io: CliIo, names: readonly string[], options: RemoveOptions): Promise<ExitCode> {
  const loaded = await loadSpec({ path: options.file, env: io.env });
  const leaving = options.lost === true ? 'lost' : 'drain';
  const reshaped = removeNodes({ spec: loaded.spec, names, leaving, as: options.as ?? null });
  return reshape({ io, kind: 'scale', loaded, options, reshaped });
}

async function to(io: CliIo, options: ToOptions): Promise<ExitCode> {
  const loaded = await loadSpec({ path: options.file, env: io.env });
  const { spec } = loaded;
  const { masters, replicas = spec.shape.replicasPerMaster, withoutReplicas } = options;
  const reason = withoutReplicas === undefined ? {} : { withoutReplicas };
  return reshape({ io, kind: 'scale', loaded, options, reshaped: scaleTo({ spec, masters, replicas, ...reason }) });
}
