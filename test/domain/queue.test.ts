import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  aheadOf,
  isFull,
  MOST_WAITING,
  nextLapse,
  type Queue,
  renewed,
  withoutLapsed,
  withoutTicket,
  withTicket,
} from '../../domain/queue.js';

const LIFE_MS = 10;

type Event =
  | { readonly kind: 'take'; readonly id: string }
  | { readonly kind: 'renew'; readonly id: string }
  | { readonly kind: 'leave'; readonly id: string }
  | { readonly kind: 'wait'; readonly ms: number };

const ids = fc.constantFrom('a', 'b', 'c', 'd', 'e');
const events: fc.Arbitrary<Event[]> = fc.array(
  fc.oneof(
    fc.record({ kind: fc.constant('take' as const), id: ids }),
    fc.record({ kind: fc.constant('renew' as const), id: ids }),
    fc.record({ kind: fc.constant('leave' as const), id: ids }),
    fc.record({ kind: fc.constant('wait' as const), ms: fc.integer({ min: 1, max: LIFE_MS }) }),
  ),
  { maxLength: 60 },
);

const ticket = (id: string, lapsesAt: number) => ({
  id,
  operation: 'apply' as const,
  actor: `${id}@here`,
  reason: '',
  since: new Date(0).toISOString(),
  lapsesAt,
});

interface Moment {
  readonly now: number;
  readonly queue: Queue;
}

/** As the workflow does it: what has lapsed goes before anything else is looked at. */
function after({ now, queue }: Moment, event: Event): Moment {
  switch (event.kind) {
    case 'take':
      return { now, queue: withTicket(queue, ticket(event.id, now + LIFE_MS)) };
    case 'renew':
      return { now, queue: renewed(queue, event.id, now + LIFE_MS) };
    case 'leave':
      return { now, queue: withoutTicket(queue, event.id) };
    case 'wait':
      return { now: now + event.ms, queue: withoutLapsed(queue, now + event.ms) };
    default:
      return event satisfies never;
  }
}

const idsOf = (queue: Queue) => queue.map(({ id }) => id);

describe('the queue of a cluster', () => {
  it('keeps those who stay in order of arrival, whatever the others do', () => {
    fc.assert(
      fc.property(events, (story) => {
        let arrivals: string[] = [];
        let moment: Moment = { now: 0, queue: [] };
        for (const event of story) {
          moment = after(moment, event);
          const present = idsOf(moment.queue);
          // Who left or lapsed has lost the place; who comes, comes last.
          arrivals = arrivals.filter((id) => present.includes(id));
          arrivals.push(...present.filter((id) => !arrivals.includes(id)));
          expect(present).toEqual(arrivals);
        }
      }),
    );
  });

  it('has never anybody at its head who has not been heard of for longer than a ticket is good', () => {
    fc.assert(
      fc.property(events, (story) => {
        const heard = new Map<string, number>();
        let moment: Moment = { now: 0, queue: [] };
        for (const event of story) {
          moment = after(moment, event);
          if (event.kind === 'take' || event.kind === 'renew') heard.set(event.id, moment.now);
          for (const { id } of moment.queue) expect(moment.now - (heard.get(id) ?? -Infinity)).toBeLessThan(LIFE_MS);
          const next = nextLapse(moment.queue);
          if (next !== null) expect(next).toBeGreaterThan(moment.now);
        }
      }),
    );
  });

  it('gives nobody a second place, and a lapsed ticket back to nobody', () => {
    const queue = [ticket('a', 5), ticket('b', 9)];
    expect(idsOf(withTicket(queue, ticket('a', 20)))).toEqual(['a', 'b']);
    expect(withTicket(queue, ticket('a', 20))[0]?.lapsesAt).toBe(20);
    expect(idsOf(renewed(withoutLapsed(queue, 5), 'a', 20))).toEqual(['b']);
  });

  it('is bounded: the one too many is not taken, and the others keep their places', () => {
    const full = Array.from({ length: MOST_WAITING }, (_, i) => ticket(`t${i}`, 1)).reduce<Queue>(withTicket, []);
    expect(isFull(full)).toBe(true);
    expect(withTicket(full, ticket('one too many', 1))).toEqual(full);
    expect(idsOf(withTicket(full, ticket('t7', 2)))).toEqual(idsOf(full));
    expect(isFull(withoutTicket(full, 't0'))).toBe(false);
  });

  it('says who is ahead; nobody of the first, and nothing of one who is not in it', () => {
    const queue = [ticket('a', 1), ticket('b', 1), ticket('c', 1)];
    expect(aheadOf(queue, 'a')).toEqual([]);
    expect(aheadOf(queue, 'c')?.map(({ id }) => id)).toEqual(['a', 'b']);
    expect(aheadOf(queue, 'x')).toBeNull();
  });
});
