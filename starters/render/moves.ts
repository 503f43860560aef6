import { moveText } from '../../domain/move-totals.js';
import type { StepRecord } from '../../domain/operation.js';
import type { MoveForecast, SlotMove, TargetForecast } from '../../domain/slot-moves.js';
import { formatRanges, slotsIn } from '../../domain/slots.js';
import type { CliIo } from '../io.js';
import { formatBytes, formatCount } from './table.js';

/** Ranges that are shown of a move; what is taken from everywhere has very many. */
const MOST_RANGES = 8;

/** Keys that are shown; all that were found are in the JSON. */
const MOST_KEYS = 3;

/** A line for each pair: `h1:7000 → h4:7000  1,365 slots  0-1364`. */
export function renderMoves(moves: readonly SlotMove[]): string[] {
  const width = (end: 'from' | 'to') => Math.max(...moves.map((move) => move[end].length));
  const counts = moves.map(({ ranges }) => formatCount(slotsIn(ranges)));
  const widest = Math.max(...counts.map((count) => count.length));
  return moves.map(({ from, to, ranges }, i) => {
    const more = ranges.length > MOST_RANGES ? ` … (${ranges.length} ranges)` : '';
    const pair = `${from.padEnd(width('from'))} → ${to.padEnd(width('to'))}`;
    return `${pair}  ${(counts[i] ?? '').padStart(widest)} slots  ${formatRanges(ranges.slice(0, MOST_RANGES))}${more}`;
  });
}

const MOVERS = {
  atomic: 'by the engine itself, in one go',
  keys: 'key by key',
} as const satisfies Record<MoveForecast['mover'], string>;

/** What the move will take: as it is now, since every write changes it. */
export function renderForecast(forecast: MoveForecast): string[] {
  const { mover, slots, keys, bytes, largestKeys, seconds, targets } = forecast;
  const width = Math.max(0, ...targets.map(({ node }) => node.length));
  return [
    `  move     ${formatCount(slots)} slots, ${formatCount(keys)} keys, about ${formatBytes(bytes)}, ${MOVERS[mover]}: about ${formatSeconds(seconds)}`,
    ...largestKeys.slice(0, MOST_KEYS).map(({ node, slot, key, bytes: size }, i) => {
      const shown = key.length > 60 ? `${key.slice(0, 59)}…` : key;
      return `  ${i === 0 ? 'largest' : '       '}  ${formatBytes(size)} ${JSON.stringify(shown)} on ${node}, slot ${slot}`;
    }),
    ...targets.map((target, i) => `  ${i === 0 ? 'memory ' : '       '}  ${memoryWords(target, width)}`),
  ];
}

function memoryWords({ node, usedBytes, afterBytes, maxmemoryBytes }: TargetForecast, width: number): string {
  const limit = maxmemoryBytes === 0 ? 'no limit' : `of ${formatBytes(maxmemoryBytes)}`;
  return `${node.padEnd(width)}  ${formatBytes(usedBytes)} now, ${formatBytes(afterBytes)} then, ${limit}`;
}

const BAR = 24;

/** How far a step that moves slots is; nothing for others. */
export function renderMoved({ moved, state }: StepRecord, { colors }: Pick<CliIo, 'colors'>): string[] {
  if (moved === undefined) return [];
  const all = moved.slotsDone + moved.slotsLeft;
  const part = all === 0 ? 1 : moved.slotsDone / all;
  const done = Math.floor(part * BAR);
  const bar = `${colors.cyan('█'.repeat(done))}${colors.dim('░'.repeat(BAR - done))} ${`${Math.floor(part * 100)}`.padStart(3)}%  `;
  return [`      ${state === 'running' ? bar : ''}${colors.dim(moveText(moved))}`];
}

/** `12 s`, `3 min 20 s`, `2 h 5 min`. */
export function formatSeconds(seconds: number): string {
  const whole = Math.max(seconds > 0 ? 1 : 0, Math.round(seconds));
  if (whole < 60) return `${whole} s`;
  const [minutes, rest] = [Math.floor(whole / 60), whole % 60];
  if (minutes < 60) return rest === 0 ? `${minutes} min` : `${minutes} min ${rest} s`;
  return minutes % 60 === 0 ? `${Math.floor(minutes / 60)} h` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}
