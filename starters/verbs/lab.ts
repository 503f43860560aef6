import { resolve } from 'node:path';
import { Option } from 'commander';
import { LAB_DRIVERS, type LabDriver, type LabDriverName, type LabHost, type LabShape } from '../../lab/driver.js';
import type { HostStatus } from '../../lab/lab.js';
import { wholeNumber } from '../arguments.js';
import { EXIT, type ExitCode } from '../exit.js';
import { action, type CliIo, type Verb } from '../io.js';
import {
  driverOf,
  type FolderOptions,
  folderOf,
  hostOf,
  labAt,
  showDone,
  stateOf,
  statusJson,
  withFolder,
} from '../lab-request.js';
import { table } from '../render/table.js';
import { addEngines, labEngine } from './lab-engines.js';
import { addFaultVerbs } from './lab-faults.js';

interface UpOptions extends FolderOptions {
  readonly driver?: LabDriverName;
  readonly hosts?: number;
  readonly zones?: number;
  readonly nodesPerHost?: number;
  readonly replicas?: number;
  readonly nodeTimeout?: number;
  readonly name: string;
  readonly specOut?: string;
  readonly engine?: string;
}

/** How long a host's processes get to end by themselves when it is shut down. */
const SHUTDOWN_GRACE_MS = 10_000;

interface HostAction {
  readonly name: string;
  readonly help: string;
  /** How the person is told that it is done, after the host's name. */
  readonly done: string;
  readonly run: (driver: LabDriver, host: LabHost) => Promise<void>;
}

const HOST_ACTIONS: readonly HostAction[] = [
  {
    name: 'stop',
    help: 'shut a host down in an orderly way',
    done: 'is shut down',
    run: (driver, host) => driver.stop(host, SHUTDOWN_GRACE_MS),
  },
  {
    name: 'kill',
    help: 'cut the power of a host: everything on it is gone at once',
    done: 'is killed',
    run: (driver, host) => driver.kill(host),
  },
  {
    name: 'freeze',
    help: 'let a host hang: its ports are open and nothing answers',
    done: 'is frozen',
    run: (driver, host) => driver.freeze(host),
  },
  {
    name: 'thaw',
    help: 'let a frozen host go on',
    done: 'goes on',
    run: (driver, host) => driver.thaw(host),
  },
  {
    name: 'start',
    help: 'boot a host that was stopped or killed; Redis nodes without a service manager stay down until the next apply',
    done: 'is up',
    run: (driver, host) => driver.start(host),
  },
];

/** `redisforge lab`: hosts on this machine, for trying things out. */
export const labVerb: Verb = (program, io) => {
  const lab = program.command('lab').description('hosts on this machine, for trying things out: real sshd, real Redis');
  withFolder(lab.command('up'))
    .description('bring up a lab and write its spec; asked again, it brings back what is missing')
    .addOption(
      new Option(
        '--driver <driver>',
        'how the hosts are made (default: process, or that of the lab that is there)',
      ).choices(LAB_DRIVERS),
    )
    .option('--hosts <n>', 'number of hosts (default: 6)', wholeNumber)
    .option('--zones <n>', 'number of zones that the hosts are spread over (default: 3)', wholeNumber)
    .option('--nodes-per-host <n>', 'Redis nodes on each host (default: 1)', wholeNumber)
    .option('--replicas <n>', 'replicas of each master (default: 1 where the number of nodes allows it)', wholeNumber)
    .option(
      '--node-timeout <ms>',
      'cluster-node-timeout in the spec, milliseconds (default: that of the spec)',
      wholeNumber,
    )
    .option('--name <cluster>', 'name of the cluster in the spec', 'lab')
    .option('--engine <name>', 'an engine of `lab engines`, brought to the hosts (default: what they come with)')
    .option('--spec-out <file>', 'where to write the spec (default: cluster.yaml in the folder)')
    .action(action(io, (options: UpOptions) => up(io, options)));
  addEngines(lab, io);
  withFolder(lab.command('down'))
    .description('take a lab away: every process and the folder')
    .action(action(io, (options: FolderOptions) => down(io, options)));
  withFolder(lab.command('status'))
    .description('show the hosts of a lab')
    .action(action(io, (options: FolderOptions) => status(io, options)));
  for (const hostAction of HOST_ACTIONS) {
    withFolder(lab.command(hostAction.name))
      .description(hostAction.help)
      .argument('<host>', 'name of the host, such as h2')
      .action(action(io, (host: string, options: FolderOptions) => actOnHost(io, { hostAction, host, options })));
  }
  addFaultVerbs(lab, io);
};

async function up(io: CliIo, options: UpOptions): Promise<ExitCode> {
  const { labStatus, labUp, openLab, shapeOf } = await import('../../lab/lab.js');
  const { clusterShape, writeLabSpec } = await import('../../lab/spec.js');
  const dir = folderOf(io, options);
  const driver = await driverOf(io, options.driver ?? (await openLab(dir))?.driverName ?? 'process');
  const engine = await labEngine(driver, options.engine);
  const shape = askedShape(options);
  clusterShape(await shapeOf({ dir, shape }), options.replicas);
  const lab = await labUp({ dir, driver, shape });
  const spec = await writeLabSpec({
    lab,
    driver,
    engine,
    cluster: {
      name: options.name,
      ...(options.replicas === undefined ? {} : { replicas: options.replicas }),
      ...(options.nodeTimeout === undefined ? {} : { nodeTimeoutMs: options.nodeTimeout }),
    },
    ...(options.specOut === undefined ? {} : { path: resolve(io.cwd, options.specOut) }),
  });
  const hosts = await labStatus(lab, driver);
  if (options.json === true) {
    io.out(JSON.stringify({ ...statusJson(lab, hosts), changed: lab.changed || spec.written, spec: spec.path }));
    return EXIT.done;
  }
  showHosts(io, hosts);
  io.out(lab.changed ? `The lab is up in ${dir}.` : `The lab in ${dir} is up already.`);
  io.out(`Its spec: ${spec.path}${spec.written ? '' : ' (kept as it was)'}`);
  return EXIT.done;
}

async function down(io: CliIo, options: FolderOptions): Promise<ExitCode> {
  const { labDown } = await import('../../lab/lab.js');
  const dir = folderOf(io, options);
  await labDown({ dir, drivers: await driversFor(io, dir) });
  io.out(options.json === true ? JSON.stringify({ dir, state: 'none', hosts: [] }) : `No lab is left in ${dir}.`);
  return EXIT.done;
}

async function status(io: CliIo, options: FolderOptions): Promise<ExitCode> {
  const { labStatus, openLab } = await import('../../lab/lab.js');
  const dir = folderOf(io, options);
  const lab = await openLab(dir);
  const hosts = lab === null ? [] : await labStatus(lab, await driverOf(io, lab.driverName));
  if (options.json === true) io.out(JSON.stringify(statusJson({ dir }, hosts)));
  else if (hosts.length === 0) io.out(`There is no lab in ${dir}.`);
  else showHosts(io, hosts);
  return stateOf(hosts) === 'up' ? EXIT.done : EXIT.unhealthy;
}

interface HostRequest {
  readonly hostAction: HostAction;
  readonly host: string;
  readonly options: FolderOptions;
}

async function actOnHost(io: CliIo, { hostAction, host, options }: HostRequest): Promise<ExitCode> {
  const { lab, driver } = await labAt(io, options);
  await hostAction.run(driver, hostOf(lab, host));
  await showDone(io, { lab, driver, options, done: `${host} ${hostAction.done}.` });
  return EXIT.done;
}

function askedShape({ hosts, zones, nodesPerHost }: UpOptions): Partial<LabShape> {
  return {
    ...(hosts === undefined ? {} : { hosts }),
    ...(zones === undefined ? {} : { zones }),
    ...(nodesPerHost === undefined ? {} : { nodesPerHost }),
  };
}

function showHosts(io: CliIo, hosts: readonly HostStatus[]): void {
  const columns = ['HOST', 'ZONE', 'STATE', 'SSH', 'REDIS PORTS'].map((title) => ({ title }));
  const rows = hosts.map(({ name, zone, address, sshPort, nodePorts, state, network }) => [
    ...[name, zone, network === 'cut' ? `${state}, cut` : state, `${address}:${sshPort}`, nodePorts.join(' ')],
  ]);
  for (const line of table({ columns, rows, heading: io.colors.dim })) io.out(line);
}

/** The driver of the lab in `dir`; all that work on this machine where the lab's record is lost and does not say. */
async function driversFor(io: CliIo, dir: string): Promise<LabDriver[]> {
  const { openLab } = await import('../../lab/lab.js');
  const lab = await openLab(dir).catch(() => null);
  if (lab !== null) return [await driverOf(io, lab.driverName)];
  const { containersCanBe } = await import('../../lab/container-driver.js');
  const searchPath = io.env['PATH'] ?? '';
  const containers = (await containersCanBe({ searchPath })) ? [await driverOf(io, 'container')] : [];
  return [await driverOf(io, 'process'), ...containers];
}
