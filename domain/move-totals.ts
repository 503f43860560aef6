import type { MoveTotals } from './operation.js';
import type { MoveProgress } from './slot-moves.js';

/** How far a move is after these batches, and how fast it goes. */
export function moveTotals(batches: readonly MoveProgress[]): MoveTotals {
  const last = batches.at(-1);
  const sum = (part: 'keys' | 'bytes' | 'tookMs') => batches.reduce((total, batch) => total + batch[part], 0);
  const [keys, bytes, tookMs] = [sum('keys'), sum('bytes'), sum('tookMs')];
  const { slotsDone = 0, slotsLeft = 0, p99Ms = null } = last ?? {};
  const aSecond = (amount: number) => (tookMs === 0 ? 0 : Math.round((amount / tookMs) * 1000));
  return {
    slotsDone,
    slotsLeft,
    keys,
    bytes,
    p99Ms,
    keysPerSecond: aSecond(keys),
    bytesPerSecond: aSecond(bytes),
    secondsLeft: slotsDone === 0 ? null : Math.round(((slotsLeft / slotsDone) * tookMs) / 1000),
  };
}

/** `512 of 4096 slots, 34021 keys, 4.2 MiB, 12000 keys/s, 18 s left, p99 4.1 ms`. */
export function moveText(moved: MoveTotals): string {
  const { slotsDone, slotsLeft, keys, bytes, keysPerSecond, secondsLeft, p99Ms } = moved;
  const parts = [
    `${slotsDone} of ${slotsDone + slotsLeft} slots`,
    `${keys} keys`,
    ...(bytes === 0 ? [] : [`${(bytes / 2 ** 20).toFixed(1)} MiB`]),
    `${keysPerSecond} keys/s`,
    ...(slotsLeft === 0 || secondsLeft === null ? [] : [`${secondsLeft} s left`]),
    ...(p99Ms === null ? [] : [`p99 ${p99Ms.toFixed(1)} ms`]),
  ];
  return parts.join(', ');
}
