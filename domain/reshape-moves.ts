import { balanceBySlots, fillAndDrain, type SharingMaster } from './balance.js';
import { balanceByMemory } from './balance-memory.js';
import type { Members } from './cluster-members.js';
import { awaitedFailovers, failoverWords } from './failovers.js';
import { contentsOf, type SlotFacts } from './move-facts.js';
import { eachSlot, rangesBy } from './ownership.js';
import type { Refusal } from './plan.js';
import type { SlotMove } from './slot-moves.js';
import { compactRanges, formatRanges, SLOT_COUNT, type SlotRange } from './slots.js';
import type { BalanceSpec } from './spec.js';

/** A shard as the slots see it. */
export interface Shard {
  /** Its master in the end, to whom slots go. */
  readonly master: string;
  /** Who owns its slots at the moment: another one where a replica takes over. */
  readonly owner: string;
  /** All its nodes, now and in the end. */
  readonly nodes: readonly string[];
  readonly slots: readonly SlotRange[];
  /** It is to own nothing in the end. */
  readonly drained: boolean;
}

export interface SharingQuestion {
  readonly shards: readonly Shard[];
  /** `null`: nobody asked for even shares. */
  readonly balance: BalanceSpec | null;
  readonly facts: SlotFacts | undefined;
}

/** The moves to the wanted shares. */
export function sharingMoves({ shards, balance, facts }: SharingQuestion): SlotMove[] {
  const masters = shards.map(
    ({ master, slots, drained, nodes }): SharingMaster => ({
      name: master,
      slots,
      weight: drained ? 0 : weightOf(balance, [master, ...nodes]),
    }),
  );
  const owner = new Map(shards.map((shard) => [shard.master, shard.owner]));
  return inOneOrder(
    shares(masters, { balance, facts }).map((move) => ({ ...move, from: owner.get(move.from) ?? move.from })),
  );
}

/** The same moves are the same list, however they were found: what was shown is compared with what is to be done. */
function inOneOrder(moves: readonly SlotMove[]): SlotMove[] {
  const place = ({ from, to }: SlotMove) => `${from} ${to}`;
  return moves
    .map((move) => ({ ...move, ranges: compactRanges(move.ranges) }))
    .sort((a, b) => (place(a) < place(b) ? -1 : 1));
}

function shares(
  masters: readonly SharingMaster[],
  { balance, facts }: Pick<SharingQuestion, 'balance' | 'facts'>,
): SlotMove[] {
  if (balance === null) return fillAndDrain(masters);
  const { by, thresholdPercent } = balance;
  const contents = facts === undefined ? null : contentsOf(facts);
  if (by === 'slots' || contents === null) return balanceBySlots({ masters, thresholdPercent });
  const bytesOf = (slot: number) => contents(slot).bytes;
  return balanceByMemory({ masters, bytesOf, thresholdPercent }) ?? balanceBySlots({ masters, thresholdPercent });
}

/** The weight that is said for one of a shard's nodes, its master first. */
function weightOf(balance: BalanceSpec | null, nodes: readonly string[]): number {
  const said = nodes.flatMap((node) => balance?.weights[node] ?? []);
  return said[0] ?? 1;
}

export interface AskedMoves {
  readonly moves: readonly SlotMove[];
  readonly refusals: readonly Refusal[];
}

/** Of moves that a person asked for, or was shown, those that are still to be made, from whoever owns the slots by now. */
export function askedMoves({
  asked,
  shards,
  uncovered,
}: {
  readonly asked: readonly SlotMove[];
  readonly shards: readonly Shard[];
  readonly uncovered: readonly SlotRange[];
}): AskedMoves {
  const refusals: Refusal[] = [];
  const target = new Array<Shard | undefined>(SLOT_COUNT).fill(undefined);
  const twice = new Set<number>();
  for (const { to, ranges } of asked) {
    const shard = shards.find(({ master, owner, nodes }) => [master, owner, ...nodes].includes(to));
    if (shard === undefined || shard.drained) {
      const why = shard === undefined ? 'is in no shard of the cluster' : 'is to give its slots away';
      refusals.push({
        node: to,
        what: `Slots ${formatRanges(ranges)} cannot go to ${to}: it ${why}.`,
        next: 'Name a master that stays, or one of its replicas.',
      });
      continue;
    }
    for (const slot of eachSlot(ranges)) {
      if (target[slot] !== undefined && target[slot] !== shard) twice.add(slot);
      target[slot] = shard;
    }
  }
  const unowned = [...eachSlot(uncovered)].filter((slot) => target[slot] !== undefined);
  return {
    moves: inOneOrder(shards.flatMap((from) => movesFrom(from, target))),
    refusals: [
      ...refusals,
      ...slotsRefusal([...twice], 'are asked to go to two masters', 'Name each slot once.'),
      ...slotsRefusal(unowned, 'are owned by nobody', 'Bring their owner back, or run repair, first.'),
    ],
  };
}

function slotsRefusal(slots: readonly number[], what: string, next: string): Refusal[] {
  if (slots.length === 0) return [];
  const ranges = compactRanges(slots.map((slot) => [slot, slot] as const));
  return [{ what: `Slots ${formatRanges(ranges)} ${what}.`, next }];
}

function movesFrom(from: Shard, target: readonly (Shard | undefined)[]): SlotMove[] {
  const owned = new Set(eachSlot(from.slots));
  const leaving = rangesBy((slot) => {
    const to = target[slot];
    return to === undefined || to === from || !owned.has(slot) ? undefined : to.master;
  });
  return [...leaving].map(([to, ranges]) => ({ ranges, from: from.owner, to }));
}

/** What the moves are for, in words that stay the same while keys come and go. */
export function whyMoves(
  moves: readonly SlotMove[],
  { shards, asked }: { shards: readonly Shard[]; asked: boolean },
): string {
  const named = (some: readonly Shard[], end: 'from' | 'to') =>
    some.filter(({ owner, master }) => moves.some((move) => [owner, master].includes(move[end])));
  const drained = named(
    shards.filter((shard) => shard.drained),
    'from',
  ).map(({ owner }) => owner);
  const filled = named(
    shards.filter(({ slots, drained: gives }) => !gives && slots.length === 0),
    'to',
  ).map(({ master }) => master);
  const words = [
    ...(drained.length === 0 ? [] : [`drain ${drained.join(', ')}`]),
    ...(filled.length === 0 ? [] : [`fill ${filled.join(', ')}`]),
  ];
  if (words.length > 0) return words.join('; ');
  return asked ? 'as asked' : 'to the wanted shares';
}

/** Slots that nobody serves, with what to do. */
export function uncoveredRefusal(cluster: Members): Refusal[] {
  const { uncovered, members } = cluster;
  if (uncovered.length === 0) return [];
  const silent = members.filter(({ answer, isReplica }) => answer === null && !isReplica);
  const names = silent.map(({ node, leaving }) => (leaving === 'lost' ? `${node.name}, declared lost,` : node.name));
  const whose = silent.length === 0 ? '' : `; ${names.join(' and ')} may have them, and does not answer`;
  const what = `Slots ${formatRanges(uncovered)} have no owner that answers${whose}: to go on would lose their data.`;
  const awaited = awaitedFailovers(cluster);
  if (awaited.length === 0) {
    return [{ what, next: 'Bring the owner back; run repair where a move was begun and not ended.' }];
  }
  return [
    {
      what,
      next: `Wait for the failover of ${failoverWords(awaited)}, which Redis does by itself, and run the same again. Where it does not come, the replica's log says why (redisforge logs ${awaited[0]?.replicas[0]}).`,
      awaited: { failovers: awaited },
    },
  ];
}
