import { createHash } from 'node:crypto';
import { networkInterfaces } from 'node:os';
import { ForgeError } from '../domain/errors.js';
import type { ContainerEngine } from './container-engine.js';

/** How many subnets are tried. */
const ATTEMPTS = 16;

/**
 * First three parts of a free subnet for the lab in `dir`, taken from the folder's name so that labs beside each other do not meet. 198.18.0.0/15 is
 * set aside for test networks (RFC 2544): neither a home, an office nor an engine's default uses it.
 */
export async function chooseSubnet(dir: string, engine: ContainerEngine): Promise<string> {
  const taken = [...ownSubnets(), ...(await engineSubnets(engine))];
  for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
    const digest = createHash('sha256').update(`${dir}#${attempt}`).digest();
    const subnet = `198.${18 + (digest.readUInt8(0) % 2)}.${digest.readUInt8(1)}`;
    if (!taken.some((other) => overlaps(`${subnet}.0/24`, other))) return subnet;
  }
  throw new ForgeError('Refused', {
    what: 'No free subnet was found for the lab in 198.18.0.0/15.',
    left: 'Nothing was started.',
    next: 'Look at `docker network ls` and `ip address`, and take away labs that are not needed (`redisforge lab down --dir FOLDER`).',
  });
}

/** `198.18.7.0/24` of an address in it. */
export function subnetOf(address: string): string {
  return `${address.split('.').slice(0, 3).join('.')}.0/24`;
}

/** Whether two IPv4 subnets in `a.b.c.d/n` have an address in common. */
export function overlaps(one: string, other: string): boolean {
  const [first, second] = [parse(one), parse(other)];
  if (first === null || second === null) return false;
  const size = 2 ** (32 - Math.min(first.bits, second.bits));
  return Math.floor(first.start / size) === Math.floor(second.start / size);
}

function parse(subnet: string): { start: number; bits: number } | null {
  const match = /^(\d+)\.(\d+)\.(\d+)\.(\d+)\/(\d+)$/.exec(subnet);
  if (match === null) return null;
  const [a = 0, b = 0, c = 0, d = 0, bits = 32] = match.slice(1).map(Number);
  return { start: ((a * 256 + b) * 256 + c) * 256 + d, bits };
}

function ownSubnets(): string[] {
  return Object.values(networkInterfaces()).flatMap((addresses) => (addresses ?? []).map(({ cidr }) => cidr ?? ''));
}

async function engineSubnets(engine: ContainerEngine): Promise<string[]> {
  const ids = (await engine.run('network', 'ls', '--quiet')).split('\n').filter((id) => id !== '');
  // One of them may have gone meanwhile: what is printed of the others counts all the same.
  const format = '{{range .IPAM.Config}}{{.Subnet}} {{end}}';
  const { stdout } = await engine.ask({ argv: ['network', 'inspect', '--format', format, ...ids] });
  return stdout.split(/\s+/);
}
