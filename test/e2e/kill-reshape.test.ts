import { describe, expect, it } from 'vitest';
import type { EngineName } from '../../lab/engines.js';
import { type Kill, killWords } from '../kill/kills.js';
import type { Return } from '../kill/node-killer.js';
import { ReshapeArena, RESHAPED } from '../kill/reshape-arena.js';
import { GROWING } from '../kill/reshape-operations.js';

/** The short part of the kills of `make test-kill` in changes of shape: the same every time, with either mover. */
interface Case {
  readonly mover: string;
  readonly engine: EngineName;
  readonly kills: readonly Kill[];
  readonly returns: Return;
}

const CASES: readonly Case[] = [
  {
    mover: 'key by key',
    engine: 'redis-7.0',
    kills: [
      { victim: 'worker', activity: 'moveSlots', call: 1, moment: { afterMs: 300 } },
      { victim: 'source', activity: 'moveSlots', call: 2, moment: { afterMs: 200 } },
      // By then the slots may be where they belong, or not yet: its death is to come in either case.
      { victim: 'temporal', activity: 'awaitHealthy', call: 1, moment: 'before' },
    ],
    returns: 'failed over',
  },
  {
    mover: 'in one go',
    engine: 'redis-8.6',
    kills: [
      { victim: 'target', activity: 'moveSlots', call: 1, moment: 'before' },
      { victim: 'worker', activity: 'moveSlots', call: 1, moment: 'after' },
    ],
    returns: 'at once',
  },
];

describe('a cluster grows, and loses no acknowledged write but what a killed master had not replicated,', () => {
  it.each(CASES)('while kill -9 hits those who move slots $mover', { timeout: 240_000 }, async (one) => {
    const { engine, kills, returns } = one;
    const arena = await ReshapeArena.open({ name: `kill-${process.pid}`, engine });
    try {
      const { outcome, hits, ledger } = await arena.perform({ operation: GROWING, kills, returns });
      console.log(`${engine}: ${hits.map(({ kill }) => killWords(kill)).join('; ')}: ${ledger}`);
      expect(outcome).toBe(RESHAPED);
      expect(hits.map(({ kill }) => kill.victim)).toEqual(kills.map(({ victim }) => victim));
    } finally {
      await arena.close();
    }
  });
});
