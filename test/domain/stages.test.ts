import { describe, expect, it } from 'vitest';
import type { Step } from '../../domain/plan.js';
import { moveText, moveTotals } from '../../domain/move-totals.js';
import { stagesOf } from '../../domain/stages.js';

const start = (host: string): Step => ({ kind: 'startNode', id: host, host, node: `${host}:1`, why: 'new' });
const settings = (host: string): Step => {
  return { kind: 'changeSettings', id: host, host, node: `${host}:1`, settings: [], files: [], atNextStart: [] };
};
const smoke: Step = { kind: 'smokeTest', id: 'smokeTest' };

describe('the stages of a plan', () => {
  it('take neighbours of hosts together, and all else one after the other', () => {
    const stages = stagesOf([start('a'), start('b'), settings('c'), smoke, start('d')]);
    expect(stages.map((stage) => [stage.on, 'steps' in stage ? stage.steps.length : 1])).toEqual([
      ['hosts', 2],
      ['node', 1],
      ['cluster', 1],
      ['hosts', 1],
    ]);
  });
});

describe('how far a move is', () => {
  it('adds up what its batches did, and tells what is left at their speed', () => {
    const batch = { slotsLeft: 300, keys: 1000, bytes: 0, tookMs: 2000, p99Ms: null };
    const totals = moveTotals([
      { ...batch, slotsDone: 50 },
      { ...batch, slotsDone: 100 },
    ]);
    expect(totals).toMatchObject({ slotsDone: 100, keys: 2000, keysPerSecond: 500, secondsLeft: 12 });
    expect(moveText(totals)).toBe('100 of 400 slots, 2000 keys, 500 keys/s, 12 s left');
  });
});
