import { readFile } from 'node:fs/promises';
import { Cluster } from 'ioredis';
import type { Document } from 'yaml';
import { loadSpec } from '../../config/load.js';
import { declaredNodes } from '../../domain/nodes.js';
import type { OperationReport } from '../../domain/operation.js';
import type { ClusterSpec, ShapeSpec } from '../../domain/spec.js';
import type { NodeStatus } from '../../domain/verdict.js';
import type { EngineName } from '../../lab/engines.js';
import { requireEngine } from '../../lab/engines.js';
import { openStage, type Stage, type StageOptions } from './e2e.js';
import { type Ledger, type LedgerRequest, startLedger } from './ledger.js';
import { cliOf, proofProblems, type ProofRequest } from './proof.js';

export interface ReshapeOptions extends Pick<StageOptions, 'temporalAddress' | 'name'> {
  /** Of the cluster as it is formed; three masters with a replica each where nothing is said. */
  readonly shape?: ShapeSpec;
  /** Hosts that the spec does not mention at first; none where nothing is said. */
  readonly spares?: number;
  /** One where nothing is said. */
  readonly nodesPerHost?: number;
  /** Zones of all hosts, spares included, one after the other; 3 where nothing is said. */
  readonly zones?: number;
  /** Brought to the hosts as an archive; this machine's redis-server, 7.0, where nothing is said. */
  readonly engine?: EngineName;
  readonly change?: StageOptions['change'];
}

/** What a spec of the stage says otherwise than the first one. */
export interface SpecChange {
  /** By name, in this order; those of the first spec where nothing is said. */
  readonly hosts?: readonly string[];
  readonly shape?: ShapeSpec;
  /** By node name: it is to leave. */
  readonly leaving?: Readonly<Record<string, 'drain' | 'lost'>>;
  readonly change?: (document: Document) => void;
}

export interface Ended {
  readonly exitCode: number | null;
  /** `null` where it was refused before it began. */
  readonly report: OperationReport | null;
  readonly stderr: string;
}

/** A stage on which a cluster grows, shrinks and is broken: hosts that wait, a ledger, and the proof. */
export interface ReshapeStage extends Stage {
  /** Names of the hosts that the first spec does not mention. */
  readonly spares: readonly string[];
  /** A host that waits, as `scale add` and `replace --with` take it. */
  newHost(name: string): string;
  /** A file with a spec that differs in this from the first one. */
  specWith(change: SpecChange): Promise<string>;
  /** Runs a verb that changes the cluster, without asking, to its end. */
  operate(verb: readonly string[], file?: string): Promise<Ended>;
  /** Writes so many keys of a hundred bytes, spread over all slots. */
  fill(keys: number): Promise<void>;
  ledger(change?: Partial<LedgerRequest>): Promise<Ledger>;
  /** What redis-cli, the nodes and our own check have to say against the cluster of a spec; its leaving nodes are to be gone. */
  problems(request?: { file?: string } & Partial<ProofRequest>): Promise<string[]>;
  /** The master of each shard and its replicas, by our own status. */
  nodes(file?: string): Promise<readonly NodeStatus[]>;
  secret(duty: 'app' | 'admin'): Promise<string>;
}

const BASE: ShapeSpec = { masters: 3, replicasPerMaster: 1 };

/** Long enough for two cores on which everything runs at once, short enough for a failover in a test. */
const NODE_TIMEOUT_MS = 2000;
const HEARTBEAT = '3s';

export async function openReshapeStage(options: ReshapeOptions): Promise<ReshapeStage> {
  const { temporalAddress, name, shape = BASE, spares = 0, nodesPerHost = 1, zones = 3 } = options;
  const nodes = shape.masters * (1 + shape.replicasPerMaster) + (shape.extraReplicas ?? 0);
  const own = nodes / nodesPerHost;
  const engine = options.engine === undefined ? undefined : await requireEngine(options.engine);
  let hosts: { name: string }[] = [];
  const stage = await openStage({
    ...{ temporalAddress, name, nodesPerHost, zones, nodeTimeoutMs: NODE_TIMEOUT_MS, heartbeat: HEARTBEAT },
    hosts: own + spares,
    ...(engine === undefined ? {} : { engine }),
    change: (document) => {
      hosts = (document.toJS() as { hosts: { name: string }[] }).hosts;
      document.set('hosts', document.createNode(hosts.slice(0, own)));
      document.set('shape', document.createNode(shape));
      // Redis forgets whom it was to forget after a minute; that it is looked for again then is tested where time is not short.
      document.setIn(['timings', 'banWindow'], '1s');
      document.setIn(['timings', 'moveBatch'], '1s');
      options.change?.(document);
    },
  });
  const secret = async (duty: 'app' | 'admin') =>
    (await readFile(stage.spec.secrets[duty].current.slice('file:'.length), 'utf8')).trimEnd();
  const read = async (file: string): Promise<ClusterSpec> => (await loadSpec({ path: file, env: process.env })).spec;
  const seeds = () => declaredNodes(stage.spec).map(({ address, port }) => ({ address, port }));
  return {
    ...stage,
    secret,
    spares: hosts.slice(own).map((host) => host.name),
    newHost: (name) => {
      const host = stage.lab.hosts.find((one) => one.name === name);
      if (host === undefined) throw new Error(`the lab has no host ${name}`);
      const { user, address, sshPort, zone, root } = host;
      return `${user}@${address}:${sshPort},zone=${zone},address=${address},name=${name},root=${root}`;
    },
    specWith: ({ hosts: named, shape: wanted, leaving = {}, change }) =>
      stage.variant((document) => {
        if (named !== undefined) document.set('hosts', document.createNode(named.map((one) => entryOf(hosts, one))));
        if (wanted !== undefined) document.set('shape', document.createNode(wanted));
        for (const [node, how] of Object.entries(leaving)) markLeaving(document, node, how);
        change?.(document);
      }),
    operate: (verb, file = stage.specFile) => operate(stage, [...verb, '-f', file]),
    fill: async (keys) => fill({ seeds: seeds(), password: await secret('app'), keys }),
    ledger: async (change = {}) =>
      startLedger({
        nodes: seeds(),
        app: { user: stage.spec.users.app.name, password: await secret('app') },
        admin: { user: 'admin', password: await secret('admin') },
        ...change,
      }),
    problems: async ({ file = stage.specFile, ...request } = {}) =>
      proofProblems({
        nodes: members(await read(file)),
        password: await secret('admin'),
        ...(engine === undefined ? {} : { cli: cliOf(engine) }),
        verdict: () => ownFindings(stage, file),
        ...request,
      }),
    nodes: async (file = stage.specFile) => {
      const { stdout, stderr } = await stage.run('status', '-f', file, '--json');
      if (stdout === '') throw new Error(`status printed nothing: ${stderr}`);
      return (JSON.parse(stdout) as { nodes: NodeStatus[] }).nodes;
    },
  };
}

function entryOf(hosts: readonly { name: string }[], name: string): { name: string } {
  const host = hosts.find((one) => one.name === name);
  if (host === undefined) throw new Error(`the lab has no host ${name}`);
  return host;
}

function markLeaving(document: Document, node: string, how: 'drain' | 'lost'): void {
  const [host = '', port = ''] = node.split(':');
  const hosts = (document.toJS() as { hosts: { name: string; nodes: number[] }[] }).hosts;
  const at = hosts.findIndex(({ name }) => name === host);
  const nodes = hosts[at]?.nodes ?? [];
  if (!nodes.includes(Number(port))) throw new Error(`the spec has no node ${node}`);
  const marked = nodes.map((one) => (one === Number(port) ? { port: one, leaving: how } : one));
  document.setIn(['hosts', at, 'nodes'], document.createNode(marked));
}

function members(spec: ClusterSpec): { address: string; port: number }[] {
  return spec.hosts.flatMap(({ address, nodes }) =>
    nodes.filter(({ leaving }) => leaving === undefined).map(({ port }) => ({ address, port })),
  );
}

async function operate(stage: Stage, argv: readonly string[]): Promise<Ended> {
  const { exitCode, stdout, stderr } = await stage.run(...argv, '--yes', '--json', '--reason', 'a test');
  const last = stdout.trim().split('\n').at(-1) ?? '';
  return { exitCode, report: last === '' ? null : (JSON.parse(last) as OperationReport), stderr };
}

async function ownFindings(stage: Stage, file: string): Promise<string[]> {
  const { exitCode, stdout, stderr } = await stage.run('check', '-f', file, '--json');
  if (stdout === '') return [`redisforge check ended with ${exitCode}: ${stderr}`];
  const { findings, healthy } = JSON.parse(stdout) as {
    findings: { code: string; evidence: string }[];
    healthy: boolean;
  };
  const lines = findings.map(({ code, evidence }) => `redisforge check: ${code}: ${evidence}`);
  return lines.length === 0 && (exitCode !== 0 || !healthy) ? [`redisforge check ended with ${exitCode}`] : lines;
}

/** Writes under way at once. */
const AT_ONCE = 500;

async function fill(request: {
  seeds: { address: string; port: number }[];
  password: string;
  keys: number;
}): Promise<void> {
  const { seeds, password, keys } = request;
  const client = new Cluster(
    seeds.map(({ address, port }) => ({ host: address, port })),
    { redisOptions: { username: 'app', password, protocol: 2 } },
  );
  client.on('error', () => undefined);
  try {
    for (let from = 0; from < keys; from += AT_ONCE) {
      const some = Array.from({ length: Math.min(AT_ONCE, keys - from) }, (_, i) => from + i);
      await Promise.all(some.map((n) => client.set(`filled:${n}`, `${n} `.padEnd(100, 'x'))));
    }
  } finally {
    client.disconnect();
  }
}
