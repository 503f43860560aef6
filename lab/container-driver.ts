import { join } from 'node:path';
import { ForgeError } from '../domain/errors.js';
import { createDiskFaults } from './container-disk.js';
import { type ContainerEngine, createContainerEngine, engineRefused } from './container-engine.js';
import { createNetworkFaults } from './container-faults.js';
import { labDir, labLabel, networkArgv, networkName } from './container-host.js';
import { findImage, imageEngine } from './container-image.js';
import { chooseSubnet, subnetOf } from './container-network.js';
import { createPower } from './container-power.js';
import { writeSettings } from './container-settings.js';
import type { LabDriver, LabHost, LabShape } from './driver.js';
import { hostFiles, labPaths } from './folder.js';
import { ensureKeyPair, publicKey } from './sshd.js';

/** On every host, as the spec's own default. */
const ROOT = '/var/lib/redisforge';
const FIRST_NODE_PORT = 6379;
/** The engine takes .1 of the subnet; .255 is its broadcast address. */
const FIRST_ADDRESS = 11;
const MOST_HOSTS = 200;

/**
 * Hosts as containers that boot systemd and sshd, each with an address, a network and a disk of its own. What is on a host outlives its reboot.
 * `searchPath` is the PATH on which docker and the SSH programs are found.
 */
export function createContainerDriver({ searchPath }: { searchPath: string }): LabDriver {
  const engine = createContainerEngine({ searchPath });
  const network = createNetworkFaults(engine);
  const { reboot, ...power } = createPower({ engine, searchPath, isCut: network.isCut });
  return {
    name: 'container',
    engine: () => imageEngine(engine),
    plan: (dir, shape) => planHosts({ dir, shape, engine }),
    async prepare(host) {
      await ensureKeyPair(host.identityFile, 'redisforge lab', searchPath);
      await ensureKeyPair(hostFiles(host.home).key, `redisforge lab host ${host.name}`, searchPath);
      await writeSettings(host);
      await ensureNetwork(host, engine);
    },
    ...power,
    hostKey: (host) => publicKey(hostFiles(host.home).key),
    endAll: (dir) => removeAll(dir, engine),
    faults: { reboot, ...network, ...createDiskFaults(engine) },
  };
}

/** Whether this machine has a container engine that answers us; without one there can be no hosts of this driver. */
export async function containersCanBe({ searchPath }: { searchPath: string }): Promise<boolean> {
  return createContainerEngine({ searchPath })
    .run('version')
    .then(
      () => true,
      () => false,
    );
}

interface PlanRequest {
  readonly dir: string;
  readonly shape: LabShape;
  readonly engine: ContainerEngine;
}

async function planHosts({ dir, shape, engine }: PlanRequest): Promise<LabHost[]> {
  if (shape.hosts > MOST_HOSTS) {
    throw new ForgeError('BadSpec', {
      what: `A lab of containers cannot have ${shape.hosts} hosts; it has 1 to ${MOST_HOSTS}.`,
      left: 'Nothing was changed.',
      next: 'Give another number, or leave out `--driver container`.',
    });
  }
  // Refused before anything is made.
  await findImage(engine);
  const subnet = await chooseSubnet(dir, engine);
  const paths = labPaths(dir);
  return Array.from({ length: shape.hosts }, (_, index) => {
    const name = `h${index + 1}`;
    return {
      name,
      zone: `z${(index % shape.zones) + 1}`,
      address: `${subnet}.${FIRST_ADDRESS + index}`,
      sshPort: 22,
      user: 'root',
      identityFile: paths.identity,
      home: join(paths.hosts, name),
      root: ROOT,
      nodePorts: Array.from({ length: shape.nodesPerHost }, (_node, node) => FIRST_NODE_PORT + node),
    };
  });
}

async function ensureNetwork(host: LabHost, engine: ContainerEngine): Promise<void> {
  const dir = labDir(host);
  const argv = networkArgv({ dir, subnet: subnetOf(host.address) });
  if ((await engine.ask({ argv: ['network', 'inspect', networkName(dir)] })).code === 0) return;
  const answer = await engine.ask({ argv });
  if (answer.code !== 0) throw engineRefused(argv, answer);
}

/** Found by their label alone. A container has to be gone before its network can go. */
async function removeAll(dir: string, engine: ContainerEngine): Promise<void> {
  const label = ['--quiet', '--filter', `label=${labLabel(dir)}`];
  const containers = words(await engine.run('ps', '--all', '--no-trunc', ...label));
  await Promise.all(containers.map((id) => engine.run('rm', '--force', '--volumes', id)));
  const networks = words(await engine.run('network', 'ls', '--no-trunc', ...label));
  await Promise.all(networks.map((id) => engine.run('network', 'rm', id)));
}

function words(text: string): string[] {
  return text.split(/\s+/).filter((word) => word !== '');
}
