import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import type { SpecDraft } from '../config/schema.js';
import { makeSecretFile } from '../config/secrets.js';
import { writeSpec } from '../config/write-spec.js';
import { ForgeError } from '../domain/errors.js';
import type { LabDriver, LabEngine, LabShape } from './driver.js';
import type { Engine } from './engines.js';
import { labPaths } from './folder.js';
import type { Lab } from './lab.js';
import { requireProgram, runProgram } from './programs.js';

export interface LabCluster {
  readonly name: string;
  /** Of each master; as many as the number of nodes allows where it is not given, at most one. */
  readonly replicas?: number;
  /** `cluster-node-timeout`; the default of the spec where it is not given. */
  readonly nodeTimeoutMs?: number;
}

/** First line of every spec that a lab wrote: such a file may be written over by the next lab. */
const HEADER = '# Written by `redisforge lab up`, for hosts that end with the lab.';

/** Below three masters Redis can not fail over. */
const LEAST_MASTERS = 3;

/** The redis-server of this machine, which all hosts of the lab share. */
export async function findEngine(searchPath: string): Promise<LabEngine> {
  const server = await requireProgram('redis-server', 'redis-server', searchPath);
  const { stdout } = await runProgram(server, ['--version']);
  const version = engineVersion(stdout);
  if (version !== null) return { server, version };
  throw new ForgeError('Refused', {
    what: `${server} does not say which version it is; \`--version\` printed: ${stdout.trim()}`,
    left: 'Nothing was started.',
    next: 'Install the Debian package redis-server, or run `make setup`.',
  });
}

/** `7.0` of what `redis-server --version` prints. */
export function engineVersion(printed: string): string | null {
  return /v=(\d+\.\d+)\./.exec(printed)?.[1] ?? null;
}

/** How the spec says it: an engine that the hosts come with, or one that is brought to them as an archive. */
function declaredEngine(engine: LabEngine | Engine): Pick<SpecDraft, 'engine' | 'install'> {
  if (!('archive' in engine)) {
    const { server, version } = engine;
    return { engine: { kind: 'redis', version }, install: { method: 'preinstalled', server } };
  }
  const { kind, version, archive, sha256 } = engine;
  return {
    engine: { kind, version: version.split('.').slice(0, 2).join('.') },
    install: { method: 'archive', file: archive, sha256 },
  };
}

/** Masters and replicas for a lab's nodes. Refuses numbers that make no cluster. */
export function clusterShape(shape: LabShape, replicas: number | undefined): SpecDraft['shape'] {
  const nodes = shape.hosts * shape.nodesPerHost;
  const each = replicas ?? (nodes % 2 === 0 && nodes >= 2 * LEAST_MASTERS ? 1 : 0);
  const masters = nodes / (1 + each);
  if (!Number.isInteger(masters) || masters < LEAST_MASTERS) {
    throw new ForgeError('BadSpec', {
      what: `${nodes} nodes make no cluster of at least ${LEAST_MASTERS} masters with ${each} replica(s) each.`,
      left: 'Nothing was changed.',
      next: `Give --hosts and --nodes-per-host so that the number of nodes is a multiple of ${1 + each}, at least ${LEAST_MASTERS * (1 + each)}.`,
    });
  }
  return {
    masters,
    replicasPerMaster: each,
    ...(each === 0 ? { withoutReplicas: 'a lab with one node for each master, to try things out' } : {}),
    ...(each > 0 && shape.zones === 1 ? { sharedZones: 'a lab with a single zone' } : {}),
  };
}

export interface LabSpecRequest {
  readonly lab: Lab;
  readonly driver: LabDriver;
  readonly engine: LabEngine | Engine;
  readonly cluster: LabCluster;
  /** Where the spec goes; `cluster.yaml` in the lab's folder where it is not given. */
  readonly path?: string;
}

/**
 * Writes the lab's spec and makes its secrets. A spec of this lab that is there already stays as it is, with whatever was changed in it;
 * a file that no lab wrote is refused.
 */
export async function writeLabSpec(request: LabSpecRequest): Promise<{ path: string; written: boolean }> {
  const { lab } = request;
  const path = resolve(request.path ?? labPaths(lab.dir).spec);
  const there = await readFile(path, 'utf8').catch(() => null);
  if (there?.includes(lab.uid) === true) return { path, written: false };
  if (there !== null && !there.startsWith(HEADER)) {
    throw new ForgeError('Refused', {
      what: `${path} is there already, and no lab wrote it.`,
      left: 'The file was left as it is; the hosts of the lab are up.',
      next: 'Give another file with --spec-out, or remove this one.',
    });
  }
  const draft = await draftOf(request);
  await mkdir(dirname(path), { recursive: true });
  await writeFile(`${path}.new`, `${HEADER}\n${writeSpec(draft)}`);
  await rename(`${path}.new`, path);
  return { path, written: true };
}

/** Small numbers: all hosts share one machine, whose limits on open files may be low. */
const SMALL = { maxmemory: '64mb', maxclients: 1000, nofile: 2048, replBacklog: '16mb' } as const;

async function draftOf({ lab, driver, engine, cluster }: LabSpecRequest): Promise<SpecDraft> {
  const hosts = await Promise.all(
    lab.hosts.map(async (host) => ({
      name: host.name,
      zone: host.zone,
      address: host.address,
      root: host.root,
      ssh: { port: host.sshPort, hostKeys: [await driver.hostKey(host)] },
      nodes: [...host.nodePorts],
    })),
  );
  return {
    apiVersion: 'redisforge/v1',
    name: cluster.name,
    uid: lab.uid,
    ...declaredEngine(engine),
    shape: clusterShape(lab.shape, cluster.replicas),
    ssh: accessOf(lab),
    hosts,
    service: { method: driver.name === 'container' ? 'systemd' : 'process' },
    redis: { ...SMALL, ...(cluster.nodeTimeoutMs === undefined ? {} : { nodeTimeout: `${cluster.nodeTimeoutMs}ms` }) },
    secrets: {
      operator: await secretOf(lab, 'operator'),
      replication: await secretOf(lab, 'replication'),
      app: await secretOf(lab, 'app'),
      admin: await secretOf(lab, 'admin'),
    },
  };
}

function accessOf({ hosts }: Lab): { user: string; identityFile: string } {
  const first = hosts[0];
  if (first === undefined) throw new Error('a lab has at least one host');
  return { user: first.user, identityFile: first.identityFile };
}

async function secretOf(lab: Lab, duty: string): Promise<`file:${string}`> {
  const path = join(labPaths(lab.dir).secrets, duty);
  await makeSecretFile(path);
  return `file:${path}`;
}
