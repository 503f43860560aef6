import { type Command, InvalidArgumentError } from 'commander';
import { ForgeError } from '../../domain/errors.js';
import { parseSize } from '../../config/units.js';
import type { Cut, LabDriver, LabFaults } from '../../lab/driver.js';
import type { Lab } from '../../lab/lab.js';
import { EXIT, type ExitCode } from '../exit.js';
import { action, type CliIo } from '../io.js';
import { type FolderOptions, hostOf, labAt, showDone, withFolder } from '../lab-request.js';

/** How long a host's processes get to end by themselves when it is rebooted. */
const SHUTDOWN_GRACE_MS = 10_000;

interface CutOptions extends FolderOptions {
  readonly oneWay?: true;
  readonly everything?: true;
}

interface FillOptions extends FolderOptions {
  readonly leave: number;
}

/** What only hosts with a system, a network and a disk of their own can suffer. */
export function addFaultVerbs(lab: Command, io: CliIo): void {
  withFolder(lab.command('reboot'))
    .description('reboot a host in an orderly way')
    .argument('<host>', 'name of the host, such as h2')
    .action(action(io, (host: string, options: FolderOptions) => reboot(io, host, options)));
  withFolder(lab.command('cut'))
    .description('let packets between hosts vanish, also over reboots, until healed')
    .argument('<host>', 'name of the host, such as h2')
    .argument('[peer]', 'the host that it is cut off from (default: all others of the lab)')
    .option('--one-way', 'what the host sends does not reach the peer; the other way is open')
    .option('--everything', 'cut off from everything, this machine and its SSH included')
    .action(
      action(io, (host: string, peer: string | undefined, options: CutOptions) => cut(io, { host, peer, options })),
    );
  withFolder(lab.command('heal'))
    .description('take back every cut')
    .action(action(io, (options: FolderOptions) => heal(io, options)));
  withFolder(lab.command('fill'))
    .description("fill the disk under a host's root folder")
    .argument('<host>', 'name of the host, such as h2')
    .option('--leave <size>', 'how much is left on it, such as 10mb', sizeText, 0)
    .action(action(io, (host: string, options: FillOptions) => fill(io, host, options)));
  withFolder(lab.command('free'))
    .description('take back what fill did')
    .argument('<host>', 'name of the host, such as h2')
    .action(action(io, (host: string, options: FolderOptions) => free(io, host, options)));
}

async function reboot(io: CliIo, name: string, options: FolderOptions): Promise<ExitCode> {
  const { lab, driver } = await labAt(io, options);
  await faultsOf(lab, driver).reboot(hostOf(lab, name), SHUTDOWN_GRACE_MS);
  await showDone(io, { lab, driver, options, done: `${name} is up again.` });
  return EXIT.done;
}

interface CutRequest {
  readonly host: string;
  readonly peer: string | undefined;
  readonly options: CutOptions;
}

async function cut(io: CliIo, request: CutRequest): Promise<ExitCode> {
  const { options } = request;
  const { lab, driver } = await labAt(io, options);
  const { wanted, done } = cutOf(lab, request);
  await faultsOf(lab, driver).cut(wanted);
  await showDone(io, { lab, driver, options, done });
  return EXIT.done;
}

function cutOf(lab: Lab, { host: name, peer, options }: CutRequest): { wanted: Cut; done: string } {
  const host = hostOf(lab, name);
  const other = peer === undefined ? null : hostOf(lab, peer);
  if (other?.name === name) throw noSense(`${name} cannot be cut off from itself.`);
  if (options.everything === true) {
    if (other !== null || options.oneWay === true) throw noSense('--everything goes with no peer and no --one-way.');
    return { wanted: { kind: 'everything', host }, done: `${name} is cut off from everything.` };
  }
  if (options.oneWay === true) {
    if (other === null) throw noSense('--one-way needs a peer.');
    return {
      wanted: { kind: 'oneWay', from: host, to: other },
      done: `What ${name} sends does not reach ${other.name} any more.`,
    };
  }
  if (other !== null)
    return {
      wanted: { kind: 'pair', hosts: [host, other] },
      done: `${name} and ${other.name} are cut off from each other.`,
    };
  const others = lab.hosts.filter((candidate) => candidate !== host);
  return { wanted: { kind: 'others', host, others }, done: `${name} is cut off from the other hosts.` };
}

async function heal(io: CliIo, options: FolderOptions): Promise<ExitCode> {
  const { lab, driver } = await labAt(io, options);
  await faultsOf(lab, driver).heal(lab.hosts);
  await showDone(io, { lab, driver, options, done: 'Nothing is cut any more.' });
  return EXIT.done;
}

async function fill(io: CliIo, name: string, options: FillOptions): Promise<ExitCode> {
  const { lab, driver } = await labAt(io, options);
  await faultsOf(lab, driver).fillDisk({ host: hostOf(lab, name), leaveBytes: options.leave });
  await showDone(io, { lab, driver, options, done: `The disk of ${name} is filled: ${options.leave} bytes are left.` });
  return EXIT.done;
}

async function free(io: CliIo, name: string, options: FolderOptions): Promise<ExitCode> {
  const { lab, driver } = await labAt(io, options);
  await faultsOf(lab, driver).freeDisk(hostOf(lab, name));
  await showDone(io, { lab, driver, options, done: `What filled the disk of ${name} is gone.` });
  return EXIT.done;
}

function faultsOf({ dir }: Lab, { name, faults }: LabDriver): LabFaults {
  if (faults !== null) return faults;
  throw new ForgeError('Refused', {
    what: `The hosts of the lab in ${dir} are made by the driver ${name}: they have no system, network or disk of their own.`,
    left: 'Nothing was changed.',
    next: 'Make a lab with `redisforge lab up --driver container --dir FOLDER`.',
  });
}

function noSense(what: string): ForgeError {
  return new ForgeError('BadSpec', {
    what,
    left: 'Nothing was changed.',
    next: 'See `redisforge lab cut --help`.',
  });
}

function sizeText(text: string): number {
  const bytes = parseSize(text);
  if (bytes === null) throw new InvalidArgumentError('A size is wanted, such as 10mb.');
  return bytes;
}
