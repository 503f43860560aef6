import { createHash } from 'node:crypto';
import { ForgeError } from '../domain/errors.js';
import type { LabShape } from './driver.js';
import { canListen } from './ports.js';

export interface HostAddress {
  readonly address: string;
  readonly sshPort: number;
  readonly nodePorts: readonly number[];
}

/** Distance from a node's client port to its bus port, fixed by Redis. */
const BUS_OFFSET = 10_000;
const FIRST_SSH_PORT = 2222;
const FIRST_NODE_PORT = 6379;
/** How many loopback subnets, and then how many groups of ports, are tried. */
const ATTEMPTS = 12;
/** How far the ports of one attempt lie from those of the one before. */
const PORT_STRIDE = 1000;

/**
 * Free addresses and ports for the hosts of the lab in `dir`. Where the system gives every 127.x.y.z (Linux does), each host has an address
 * of its own and the usual ports, in a subnet taken from the folder's name, so that labs beside each other do not meet.
 * Elsewhere all are on 127.0.0.1 with ports of their own.
 */
export async function chooseAddresses(dir: string, shape: LabShape): Promise<HostAddress[]> {
  const layouts = (await canListen('127.77.77.77', 0)) ? separateAddresses(dir, shape) : oneAddress(shape);
  for (const layout of layouts) {
    if (await allFree(layout)) return layout;
  }
  throw new ForgeError('Refused', {
    what: `No free ports were found for a lab of ${shape.hosts} hosts on this machine's loopback addresses.`,
    left: 'Nothing was started.',
    next: 'See who listens with `ss -ltnp`, and end what is not needed.',
  });
}

function* separateAddresses(dir: string, shape: LabShape): Generator<HostAddress[]> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
    const subnet = subnetOf(`${dir}#${attempt}`);
    const shift = Math.floor(attempt / 4) * PORT_STRIDE;
    yield numbers(shape.hosts).map((index) => ({
      address: `${subnet}.${index + 1}`,
      sshPort: FIRST_SSH_PORT + shift,
      nodePorts: numbers(shape.nodesPerHost).map((node) => FIRST_NODE_PORT + shift + node),
    }));
  }
}

function* oneAddress(shape: LabShape): Generator<HostAddress[]> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
    const shift = attempt * PORT_STRIDE;
    yield numbers(shape.hosts).map((index) => ({
      address: '127.0.0.1',
      sshPort: FIRST_SSH_PORT + shift + index,
      nodePorts: numbers(shape.nodesPerHost).map((node) => FIRST_NODE_PORT + shift + index * shape.nodesPerHost + node),
    }));
  }
}

/** 127.a.b with a and b from 1 to 250, never 127.0.x, where others live. */
function subnetOf(seed: string): string {
  const digest = createHash('sha256').update(seed).digest();
  return `127.${1 + (digest.readUInt8(0) % 250)}.${1 + (digest.readUInt8(1) % 250)}`;
}

async function allFree(hosts: readonly HostAddress[]): Promise<boolean> {
  for (const { address, sshPort, nodePorts } of hosts) {
    for (const port of [sshPort, ...nodePorts.flatMap((node) => [node, node + BUS_OFFSET])]) {
      if (!(await canListen(address, port))) return false;
    }
  }
  return true;
}

function numbers(count: number): number[] {
  return Array.from({ length: count }, (_, index) => index);
}
