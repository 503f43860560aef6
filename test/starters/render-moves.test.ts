import pc from 'picocolors';
import { describe, expect, it } from 'vitest';
import type { StepRecord } from '../../domain/operation.js';
import type { Plan } from '../../domain/plan.js';
import { formatSeconds, renderMoved } from '../../starters/render/moves.js';
import { renderPlan } from '../../starters/render/plan.js';

const io = { colors: pc.createColors(false) };

const plan: Plan = {
  ...{ cluster: 'orders', uid: '7d7ae5b2-0f3c-4cf9-9d3f-6b2f4f0f8a11', operation: 'scale', digest: 'a1b2c3d4e5f6a7b8' },
  ...{ refusals: [], drift: [], notes: [] },
  steps: [
    { kind: 'joinNodes', id: 'joinNodes', masters: ['h4:7000'], replicas: [{ node: 'h1:7001', of: 'h4:7000' }] },
    {
      kind: 'moveSlots',
      id: 'moveSlots',
      why: 'fill h4:7000',
      moves: [
        { ranges: [[0, 1364]], from: 'h1:7000', to: 'h4:7000' },
        {
          ranges: Array.from({ length: 20 }, (_, i): [number, number] => [6000 + 3 * i, 6001 + 3 * i]),
          from: 'h10:7000',
          to: 'h4:7000',
        },
      ],
    },
    { kind: 'smokeTest', id: 'smokeTest' },
  ],
  forecast: {
    ...{ mover: 'keys', slots: 1405, keys: 91_234, bytes: 12 * 2 ** 20, seconds: 4.2 },
    largestKeys: [{ node: 'h1:7000', slot: 12, key: 'cart:\u0007', bytes: 64 * 2 ** 20 }],
    targets: [{ node: 'h4:7000', usedBytes: 2 ** 20, afterBytes: 13 * 2 ** 20, maxmemoryBytes: 256 * 2 ** 20 }],
  },
};

describe('a plan that moves slots', () => {
  it('says who gives what to whom, and what that will take', () => {
    expect(renderPlan(plan, io)).toEqual([
      'scale orders  plan a1b2c3d4e5f6',
      '   1. join h4:7000 as a master, h1:7001 as replica of h4:7000',
      '   2. move 1405 slots (fill h4:7000)',
      '        h1:7000  → h4:7000  1,365 slots  0-1364',
      '        h10:7000 → h4:7000     40 slots  6000-6001 6003-6004 6006-6007 6009-6010 6012-6013 6015-6016 6018-6019 6021-6022 … (20 ranges)',
      '   3. smoke test through the cluster as the application user',
      '  move     1,405 slots, 91,234 keys, about 12M, key by key: about 4 s',
      '  largest  64M "cart:\\u0007" on h1:7000, slot 12',
      '  memory   h4:7000  1M now, 13M then, of 256M',
    ]);
  });
});

describe('how far a move is', () => {
  const step: StepRecord = {
    ...{ id: 'moveSlots', title: 'move 4096 slots', state: 'running', effects: [] },
    moved: {
      ...{ slotsDone: 1024, slotsLeft: 3072, keys: 68_000, bytes: 9 * 2 ** 20, p99Ms: 3.14 },
      ...{ keysPerSecond: 31_000, bytesPerSecond: 4 * 2 ** 20, secondsLeft: 7 },
    },
  };

  it('is shown with what is left of it while it runs, and in one line afterwards', () => {
    const [live = ''] = renderMoved(step, io);
    expect(live).toContain(
      '██████░░░░░░░░░░░░░░░░░░  25%  1024 of 4096 slots, 68000 keys, 9.0 MiB, 31000 keys/s, 7 s left, p99 3.1 ms',
    );
    const [ended = ''] = renderMoved({ ...step, state: 'changed' }, io);
    expect(ended.trim()).toMatch(/^1024 of 4096 slots/);
    const { moved: _moved, ...other } = step;
    expect(renderMoved(other, io)).toEqual([]);
  });

  it.each([
    [0, '0 s'],
    [0.2, '1 s'],
    [59.4, '59 s'],
    [60, '1 min'],
    [200, '3 min 20 s'],
    [7500, '2 h 5 min'],
    [7200, '2 h'],
  ])('%d seconds', (seconds, words) => {
    expect(formatSeconds(seconds)).toBe(words);
  });
});
