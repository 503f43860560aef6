import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseSlots, requestedMoves, type SlotRequest } from '../../domain/slot-request.js';
import { eachSlot } from '../../domain/ownership.js';
import { evenShares, slotsIn } from '../../domain/slots.js';
import type { NodeStatus } from '../../domain/verdict.js';

function nodeOf(name: string, change: Partial<NodeStatus> = {}): NodeStatus {
  return {
    ...{ id: name.padEnd(40, '0'), name, host: name.split(':')[0] ?? '', address: '10.0.0.1', port: 6379, zone: 'a' },
    ...{ role: 'master', masterId: null, slots: [], keys: 0, usedMemoryBytes: 1, maxmemoryBytes: 0, lagBytes: null },
    ...{ version: '7.0.15', answered: true },
    ...change,
  };
}

const shares = evenShares(3);
const nodes = [
  ...shares.map((share, i) => nodeOf(`h${i + 1}:6379`, { slots: [share] })),
  nodeOf('h4:6379', { role: 'replica', masterId: 'h1:6379'.padEnd(40, '0') }),
  nodeOf('h5:6379'),
];
const moved = (...requests: SlotRequest[]) => requestedMoves(requests, nodes);

describe('slots that a person asks to be moved', () => {
  it.each([
    [
      '0-100,500',
      [
        [0, 100],
        [500, 500],
      ],
    ],
    ['16383', [[16383, 16383]]],
    ['16384', null],
    ['7-3', null],
    ['', null],
    ['1-', null],
    ['a', null],
  ])('reads %s', (text, ranges) => {
    expect(parseSlots(text)).toEqual(ranges);
  });

  it('come from whoever owns them, and those that are there already are left out', () => {
    expect(moved({ kind: 'slots', ranges: [[5000, 6000]], to: 'h5:6379' })).toEqual({
      moves: [
        { ranges: [[5000, 5460]], from: 'h1:6379', to: 'h5:6379' },
        { ranges: [[5461, 6000]], from: 'h2:6379', to: 'h5:6379' },
      ],
    });
    expect(moved({ kind: 'slots', ranges: [[5000, 6000]], to: 'h4:6379' })).toEqual({
      moves: [{ ranges: [[5461, 6000]], from: 'h2:6379', to: 'h4:6379' }],
    });
  });

  it('are refused where nobody owns one, where one has two targets, and where the target is no member', () => {
    const orphaned = requestedMoves([{ kind: 'slots', ranges: [[10, 12]], to: 'h5:6379' }], nodes.slice(1));
    expect(orphaned).toMatchObject({ problem: 'Nobody owns 3 of the slots that are to be moved (10-12).' });
    const twice = moved(
      { kind: 'slots', ranges: [[0, 9]], to: 'h5:6379' },
      { kind: 'slots', ranges: [[9, 12]], to: 'h2:6379' },
    );
    expect(twice).toMatchObject({ problem: 'Slot 9 is to go to h5:6379 and to h2:6379.' });
    expect(moved({ kind: 'slots', ranges: [[0, 9]], to: 'h9:1' })).toMatchObject({
      problem: expect.stringContaining('h9:1 is no member') as string,
    });
  });

  it('by number: the lowest of one shard, or of all others in proportion', () => {
    expect(moved({ kind: 'count', count: 10, from: 'h4:6379', to: 'h5:6379' })).toEqual({
      moves: [{ ranges: [[0, 9]], from: 'h1:6379', to: 'h5:6379' }],
    });
    expect(moved({ kind: 'count', count: 6000, from: 'h2:6379', to: 'h5:6379' })).toMatchObject({
      problem: '6000 slots are asked for, and h2:6379 has 5461.',
    });
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 16384 }), (count) => {
        const asked = moved({ kind: 'count', count, from: null, to: 'h5:6379' });
        const moves = 'moves' in asked ? asked.moves : [];
        expect(moves.reduce((sum, { ranges }) => sum + slotsIn(ranges), 0)).toBe(count);
        const slots = moves.flatMap(({ ranges }) => [...eachSlot(ranges)]);
        expect(new Set(slots).size).toBe(count);
        const sizes = moves.map(({ ranges }) => slotsIn(ranges));
        expect(Math.max(...sizes) - Math.min(...(sizes.length < 3 ? [0] : sizes))).toBeLessThan(3);
      }),
      { numRuns: 30 },
    );
  });
});
