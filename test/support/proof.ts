import { dirname, join } from 'node:path';
import { Redis } from 'ioredis';
import type { ViewEntry } from '../../domain/observation.js';
import { parseClusterNodes } from '../../domain/parse-nodes.js';
import { compactRanges, formatRanges, SLOT_COUNT, slotsIn } from '../../domain/slots.js';
import type { Engine } from '../../lab/engines.js';
import type { NodeAddress } from '../ledger/protocol.js';
import { redisCli } from './redis-cli.js';
import { until } from './until.js';

export interface ProofRequest {
  /** All members that are to be there, and no other. */
  readonly nodes: readonly NodeAddress[];
  /** Of the user `admin`. */
  readonly password: string;
  /** `redis-cli` of this machine where nothing is said. */
  readonly cli?: string;
  /**
   * Where redis-cli looks for slots with several owners, which asks every master for every slot: from every node where nothing is said. Our own look at keys
   * where their slots are not owned is always there.
   */
  readonly search?: 'every node' | 'one node';
  /** Whether shares are to be even, or as these weights by node ID have them; not looked at where nothing is said. */
  readonly balance?: 'even' | Readonly<Record<string, number>>;
  /** Our own word on it: lines that say what is wrong. */
  readonly verdict?: () => Promise<readonly string[]>;
}

/** A member that answers, by its own words. */
interface Member {
  readonly name: string;
  readonly node: Redis;
  readonly view: readonly ViewEntry[];
  readonly self: ViewEntry;
}

const PATIENCE_MS = 10_000;
/** Replicas follow, and delete what has expired, a moment after their masters. */
const SETTLES_MS = 15_000;

/**
 * All that others and we can say of a cluster, a line for each thing that is wrong: `redis-cli --cluster check` and its search for slots with several owners,
 * asked at every node; its rebalance, simulated; who is a member in whose eyes; every slot covered once and none of them open; no key where its slot is not owned; replicas
 * with as many keys as their masters.
 */
export async function proofProblems(request: ProofRequest): Promise<string[]> {
  const { nodes, verdict } = request;
  const members = await Promise.all(nodes.map((at) => open(at, request.password)));
  try {
    const silent = nodes.filter((_, i) => members[i] === null).map((at) => `${nameOf(at)} does not answer`);
    const there = members.filter((member) => member !== null);
    return [
      ...silent,
      ...(await Promise.all(nodes.map((at) => checkProblems(request, at)))).flat(),
      ...(await balanceProblems(request)),
      ...viewProblems(there, nodes),
      ...slotProblems(there),
      ...(await Promise.all(there.map(strayKeys))).flat(),
      ...(await replicaProblems(there)),
      ...((await verdict?.()) ?? []),
    ];
  } finally {
    for (const member of members) member?.node.disconnect();
  }
}

/** The command-line client that came with an engine. */
export function cliOf({ server, kind }: Engine): string {
  return join(dirname(server), `${kind}-cli`);
}

function nameOf({ address, port }: NodeAddress): string {
  return `${address}:${port}`;
}

async function open({ address, port }: NodeAddress, password: string): Promise<Member | null> {
  const node = new Redis({
    ...{ host: address, port, username: 'admin', password, protocol: 2, lazyConnect: true },
    ...{ retryStrategy: () => null, connectTimeout: PATIENCE_MS, commandTimeout: PATIENCE_MS },
  });
  node.on('error', () => undefined);
  try {
    await node.connect();
    const view = parseClusterNodes(String(await node.call('CLUSTER', 'NODES')));
    const self = view.find(({ flags }) => flags.includes('myself'));
    if (self === undefined) throw new Error('nobody is myself');
    return { name: nameOf({ address, port }), node, view, self };
  } catch {
    node.disconnect();
    return null;
  }
}

async function checkProblems({ nodes, password, cli, search }: ProofRequest, at: NodeAddress): Promise<string[]> {
  const searching = search !== 'one node' || at === nodes[0] ? ['--cluster-search-multiple-owners'] : [];
  const argv = ['--cluster', 'check', nameOf(at), ...searching];
  const { code, text } = await redisCli({ argv, password, ...(cli === undefined ? {} : { program: cli }) });
  const lines = text.split('\n').filter((line) => /^\[(ERR|WARNING)\]/.test(line));
  const silent = !text.includes('[OK] All nodes agree') || !text.includes(`[OK] All ${SLOT_COUNT} slots covered.`);
  if (code === 0 && lines.length === 0 && !silent) return [];
  return [`--cluster check at ${nameOf(at)} (${code}): ${lines.length > 0 ? lines.join('; ') : lastLines(text)}`];
}

function lastLines(text: string): string {
  return text.trim().split('\n').slice(-5).join('; ');
}

async function balanceProblems({ balance, nodes, password, cli }: ProofRequest): Promise<string[]> {
  const [at] = nodes;
  if (balance === undefined || at === undefined) return [];
  const weights = balance === 'even' ? [] : Object.entries(balance).map(([id, weight]) => `${id}=${weight}`);
  const words = weights.length === 0 ? [] : ['--cluster-weight', ...weights];
  const argv = ['--cluster', 'rebalance', nameOf(at), '--cluster-simulate', '--cluster-use-empty-masters', ...words];
  const { code, text } = await redisCli({ argv, password, ...(cli === undefined ? {} : { program: cli }) });
  if (code === 0 && text.includes('No rebalancing needed')) return [];
  return [`--cluster rebalance --cluster-simulate has something to do (${code}): ${lastLines(text)}`];
}

/** Everybody knows everybody, and nobody else. */
function viewProblems(members: readonly Member[], nodes: readonly NodeAddress[]): string[] {
  const wanted = new Set(nodes.map(nameOf));
  return members.flatMap(({ name, view, self }) => {
    const seen = view.map((entry) => (entry.id === self.id ? name : nameOf(entry)));
    const ghosts = view.filter((entry) => entry.id !== self.id && !wanted.has(nameOf(entry)));
    const unknown = [...wanted].filter((one) => !seen.includes(one));
    const failing = view.filter(({ flags }) => flags.some((flag) => flag.startsWith('fail') || flag === 'handshake'));
    return [
      ...ghosts.map((entry) => `${name} still knows ${nameOf(entry)} (${entry.id}, ${entry.flags.join(',')})`),
      ...unknown.map((one) => `${name} does not know ${one}`),
      ...failing.map((entry) => `${name} says ${entry.flags.join(',')} of ${nameOf(entry)}`),
    ];
  });
}

function slotProblems(members: readonly Member[]): string[] {
  const open = members.flatMap(({ name, self: { migrating, importing } }) => [
    ...migrating.map(({ slot, peer }) => `slot ${slot} is open: ${name} gives it to ${peer}`),
    ...importing.map(({ slot, peer }) => `slot ${slot} is open: ${name} takes it from ${peer}`),
  ]);
  const owners = new Map<number, string[]>();
  for (const { name, self } of members) {
    for (const [from, to] of self.slots) {
      for (let slot = from; slot <= to; slot += 1) owners.set(slot, [...(owners.get(slot) ?? []), name]);
    }
  }
  const several = [...owners].filter(([, names]) => names.length > 1);
  const uncovered = Array.from({ length: SLOT_COUNT }, (_, slot) => slot).filter((slot) => !owners.has(slot));
  const views = members.map(({ name, view }) => ({ name, map: slotMap(view) }));
  const differing = views.filter(({ map }) => map !== views[0]?.map);
  return [
    ...open,
    ...several.map(([slot, names]) => `slot ${slot} is owned by ${names.join(' and ')}`),
    ...(uncovered.length === 0 ? [] : [`nobody owns ${rangesOf(uncovered)}`]),
    ...differing.map(({ name }) => `${name} sees other owners than ${views[0]?.name}`),
  ];
}

function slotMap(view: readonly ViewEntry[]): string {
  return view
    .filter(({ slots }) => slotsIn(slots) > 0)
    .map(({ id, slots }) => `${id} ${formatRanges(slots)}`)
    .sort()
    .join('\n');
}

function rangesOf(slots: readonly number[]): string {
  return formatRanges(compactRanges(slots.map((slot) => [slot, slot] as const)));
}

/** Keys of a master in slots that it does not own: its number of keys tells whether there are any, its slots where. */
async function strayKeys({ name, node, self }: Member): Promise<string[]> {
  if (self.masterId !== null) return [];
  const owned = new Set(self.slots.flatMap(([from, to]) => Array.from({ length: to - from + 1 }, (_, i) => from + i)));
  const stray: number[] = [];
  const asking = node.pipeline();
  for (let slot = 0; slot < SLOT_COUNT; slot += 1)
    if (!owned.has(slot)) asking.call('CLUSTER', 'COUNTKEYSINSLOT', slot);
  const counts = (await asking.exec()) ?? [];
  let at = 0;
  for (let slot = 0; slot < SLOT_COUNT; slot += 1) {
    if (owned.has(slot)) continue;
    if (counts[at++]?.[1] !== 0) stray.push(slot);
  }
  return stray.length === 0 ? [] : [`${name} holds keys of ${rangesOf(stray)}, which it does not own`];
}

/** In sync, and with as many keys. */
async function replicaProblems(members: readonly Member[]): Promise<string[]> {
  let problems: string[] = [];
  await until(
    'replicas are as their masters',
    async () => {
      problems = (await Promise.all(members.map((member) => replicaProblem(member, members)))).flat();
      return problems.length === 0;
    },
    SETTLES_MS,
  ).catch((error: unknown) => {
    if (problems.length === 0) throw error;
  });
  return problems;
}

async function replicaProblem({ name, node, self }: Member, members: readonly Member[]): Promise<string[]> {
  if (self.masterId === null) return [];
  const info = await node.info('replication');
  if (!/^master_link_status:up\r?$/m.test(info)) return [`${name} is not linked to its master`];
  const master = members.find((member) => member.self.id === self.masterId);
  if (master === undefined) return [`the master of ${name} is none of the members`];
  const [keys, wanted] = [await node.dbsize(), await master.node.dbsize()];
  return keys === wanted ? [] : [`${name} has ${keys} keys, and its master ${master.name} ${wanted}`];
}
