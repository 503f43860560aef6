import { atomicTroubleOf } from '../../../domain/atomic-refusals.js';
import { ForgeError } from '../../../domain/errors.js';
import { formatRanges, type SlotRange, slotsIn } from '../../../domain/slots.js';
import type { Transfer } from './mover.js';
import { MoveTrouble } from './trouble.js';

interface Refused {
  readonly transfer: Transfer;
  readonly ranges: readonly SlotRange[];
  /** The engine's own words. */
  readonly words: string;
}

/** A task that the engine does not take, or does not bring to its end: as trouble that may pass, or as a failure for people. */
export function taskFailure({ transfer, ranges, words }: Refused): ForgeError | MoveTrouble {
  const { from, to } = transfer;
  const slots = `${slotsIn(ranges)} slots (${shortRanges(ranges)})`;
  const what = `${slots} do not go from ${from.name} to ${to.name}: ${words}.`;
  const left = `${from.name} owns them as before; nothing is under way.`;
  const trouble = atomicTroubleOf(words);
  switch (trouble) {
    case 'open-slots':
      return openSlots(`${from.name} or ${to.name}`);
    case 'roles':
      return rolesChanged({ node: from.name, words });
    case 'rights':
      return new ForgeError('CommandFailed', {
        what,
        left,
        next: 'The replication user may not do on the nodes what moving slots takes: run apply, which gives it its rights.',
      });
    case 'no-room':
      return new MoveTrouble({ trouble: 'no-room', node: to.name, words });
    case 'busy':
    case 'other':
      return new ForgeError('CommandFailed', {
        what,
        left,
        next: `See the logs of ${from.name} and ${to.name}; then run the same again: it goes on with what is left, key by key where the spec says moves.mover: keys.`,
      });
    default:
      return trouble satisfies never;
  }
}

/** A slot that somebody began to move key by key keeps both engines from moving any in one go. */
export function openSlots(node: string): ForgeError {
  return new ForgeError('Refused', {
    what: `${node} has slots open to a move key by key that somebody did not finish: no slot can be moved in one go there.`,
    left: 'No slot was moved by this.',
    next: 'Run redisforge repair: it finishes or closes them.',
  });
}

/** Somebody is not what it was when the move was looked at: who owns what has to be looked up again. */
export function rolesChanged(seen: { readonly node: string; readonly words: string }): MoveTrouble {
  return new MoveTrouble({ trouble: 'roles', ...seen });
}

const MOST_RANGES = 5;

function shortRanges(ranges: readonly SlotRange[]): string {
  const more = ranges.length - MOST_RANGES;
  return `${formatRanges(ranges.slice(0, MOST_RANGES))}${more > 0 ? ` and ${more} more ranges` : ''}`;
}
