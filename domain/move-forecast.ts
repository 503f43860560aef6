import { capabilitiesOf, readsPayloadsOf } from './capabilities.js';
import { contentsOf, type SlotFacts } from './move-facts.js';
import { type AnsweringNode, answering, type Observation } from './observation.js';
import { eachSlot } from './ownership.js';
import type { Refusal, Step } from './plan.js';
import type { KeySize, MoveForecast, SlotMove, TargetForecast } from './slot-moves.js';
import { slotsIn } from './slots.js';
import type { ClusterSpec } from './spec.js';
import { mebibytes } from './units.js';

/**
 * Measured on two cores (knowledge: mechanics 7.2): 0.77 GB in one atomic task at 193 MB/s, with 0.1 s for each task; key by key 50 MB/s of keys of 1 KB, and
 * some 100,000 keys of 100 bytes a second. Elsewhere it is another number of the same size.
 */
const SPEED = {
  atomic: { bytesPerSecond: 190e6, keysPerSecond: Infinity, taskSeconds: 0.1 },
  keys: { bytesPerSecond: 50e6, keysPerSecond: 100e3, taskSeconds: 0 },
} as const;

/** A target is filled to this part of its maxmemory at the most, so that it can go on growing, and fork (anchors: P2). */
const FILL_AT_MOST = 0.75;

/** How many of the largest keys are named. */
const KEYS_NAMED = 10;

export interface MovesQuestion {
  readonly spec: ClusterSpec;
  readonly observation: Observation;
  readonly facts: SlotFacts;
  readonly moves: readonly SlotMove[];
}

/** What the moves of a plan will take; `undefined` where it moves nothing, or the masters were not asked. */
export function forecastOf(
  { spec, observation, slotFacts }: { spec: ClusterSpec; observation: Observation; slotFacts?: SlotFacts },
  steps: readonly Step[],
): MoveForecast | undefined {
  const moves = steps.flatMap((step) => (step.kind === 'moveSlots' ? step.moves : []));
  if (moves.length === 0 || slotFacts === undefined) return undefined;
  return forecastMoves({ spec, observation, facts: slotFacts, moves });
}

export function forecastMoves(question: MovesQuestion): MoveForecast {
  const { spec, moves } = question;
  const loads = loadsOf(question);
  const mover = moves.every((move) => isAtomic(question, move)) ? 'atomic' : 'keys';
  const keys = loads.reduce((sum, load) => sum + load.keys, 0);
  return {
    mover,
    slots: moves.reduce((sum, { ranges }) => sum + slotsIn(ranges), 0),
    keys,
    bytes: loads.reduce((sum, load) => sum + load.bytes, 0),
    largestKeys: largestKeys(question),
    seconds: Math.ceil(Math.max(busiest(loads, mover), keys / (spec.moves.maxKeysPerSecond ?? Infinity))),
    targets: targetsOf(question, loads),
  };
}

interface Load {
  readonly from: string;
  readonly to: string;
  readonly keys: number;
  readonly bytes: number;
}

function loadsOf({ facts, moves }: MovesQuestion): Load[] {
  const contents = contentsOf(facts);
  return moves.map(({ from, to, ranges }) => {
    let [keys, bytes] = [0, 0];
    for (const slot of eachSlot(ranges)) {
      const held = contents(slot);
      keys += held.keys;
      bytes += held.bytes;
    }
    return { from, to, keys, bytes };
  });
}

/** Pairs of nodes work side by side, one node on one move at a time: the node with most to do decides. */
function busiest(loads: readonly Load[], mover: MoveForecast['mover']): number {
  const { bytesPerSecond, keysPerSecond, taskSeconds } = SPEED[mover];
  const seconds = new Map<string, number>();
  for (const { from, to, keys, bytes } of loads) {
    const takes = Math.max(bytes / bytesPerSecond, keys / keysPerSecond) + taskSeconds;
    for (const node of [from, to]) seconds.set(node, (seconds.get(node) ?? 0) + takes);
  }
  return Math.max(0, ...seconds.values());
}

function isAtomic({ spec, observation }: MovesQuestion, { from, to }: SlotMove): boolean {
  if (spec.moves.mover === 'keys') return false;
  const asked = [from, to].map((name) => capabilitiesOf(serverOf(spec, observation, name)).slotMover?.asked ?? null);
  return asked[0] !== null && asked[0] === asked[1];
}

/** What a node runs; what the spec wants of one that does not answer yet. */
function serverOf({ engine }: ClusterSpec, observation: Observation, name: string) {
  const node = answering(observation).find((one) => one.name === name);
  return node ?? { engine: engine.kind, version: engine.version };
}

function largestKeys({ facts, moves }: MovesQuestion): KeySize[] {
  const moving = new Set(moves.flatMap(({ ranges }) => [...eachSlot(ranges)]));
  return facts.masters
    .flatMap(({ largestKeys: keys }) => keys)
    .filter(({ slot }) => moving.has(slot))
    .sort((a, b) => b.bytes - a.bytes)
    .slice(0, KEYS_NAMED);
}

function targetsOf({ spec, observation, facts, moves }: MovesQuestion, loads: readonly Load[]): TargetForecast[] {
  return [...new Set(moves.map(({ to }) => to))].map((node) => {
    const known: Pick<AnsweringNode, 'usedMemoryBytes' | 'maxmemoryBytes'> | undefined =
      facts.masters.find((master) => master.node === node) ?? answering(observation).find(({ name }) => name === node);
    const gets = loads.filter(({ to }) => to === node).reduce((sum, { bytes }) => sum + bytes, 0);
    const usedBytes = known?.usedMemoryBytes ?? 0;
    return {
      ...{ node, usedBytes, afterBytes: usedBytes + gets },
      maxmemoryBytes: known?.maxmemoryBytes ?? spec.redis.maxmemoryBytes,
    };
  });
}

/** Why the contents of the slots do not let them be moved, in numbers. */
export function contentRefusals(question: MovesQuestion): Refusal[] {
  return [...memoryRefusals(question), ...bigKeyRefusals(question)];
}

function memoryRefusals(question: MovesQuestion): Refusal[] {
  if (question.spec.redis.maxmemoryPolicy !== 'noeviction') return [];
  return targetsOf(question, loadsOf(question))
    .filter(({ maxmemoryBytes, afterBytes }) => maxmemoryBytes > 0 && afterBytes > FILL_AT_MOST * maxmemoryBytes)
    .map(({ node, usedBytes, afterBytes, maxmemoryBytes }) => ({
      node,
      what:
        `${node} uses ${mebibytes(usedBytes)} and would get ${mebibytes(afterBytes - usedBytes)} more, ` +
        `which is over ${FILL_AT_MOST * 100} % of its maxmemory (${mebibytes(maxmemoryBytes)}): it would soon refuse writes.`,
      next: 'Raise redis.maxmemory, add masters, or move less to it.',
    }));
}

function bigKeyRefusals(question: MovesQuestion): Refusal[] {
  const { bigKeys, bigKeyBytes } = question.spec.moves;
  if (bigKeys === 'move') return [];
  return largestKeys(question)
    .filter(({ bytes }) => bytes >= bigKeyBytes)
    .map(({ node, slot, key, bytes }) => ({
      node,
      what:
        `Key ${JSON.stringify(key)} of slot ${slot} on ${node} has ${mebibytes(bytes)}, ` +
        `and moves.bigKeys refuses those from ${mebibytes(bigKeyBytes)} on: both ends would stand still while it moves.`,
      next: 'Make it smaller or delete it, or let it be moved (moves.bigKeys: move).',
    }));
}

/** Pairs of which the one that gets the keys cannot read what the other one writes. */
export function versionRefusals({ spec, observation, moves }: Omit<MovesQuestion, 'facts'>): Refusal[] {
  const pairs = new Map(moves.map((move) => [`${move.from} ${move.to}`, move]));
  return [...pairs.values()].flatMap(({ from, to }) => {
    const [source, target] = [from, to].map((name) => serverOf(spec, observation, name));
    if (source === undefined || target === undefined || readsPayloadsOf(target, source)) return [];
    return [
      {
        node: to,
        what: `${to} runs ${target.engine} ${target.version} and cannot read the keys that ${from} sends (${source.engine} ${source.version}).`,
        next: 'Finish the upgrade first, or move slots only to nodes of the newer version.',
      },
    ];
  });
}
