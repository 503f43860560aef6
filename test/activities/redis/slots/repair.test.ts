import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { capabilitiesOf } from '../../../../domain/capabilities.js';
import type { SlotRepair } from '../../../../domain/slot-repairs.js';
import { compactRanges } from '../../../../domain/slots.js';
import { type EngineName, requireEngine } from '../../../../lab/engines.js';
import { HalfCluster, type Shard } from '../../../support/half-states.js';
import { expectNoProblems } from '../../../support/no-problems.js';
import { KILLED_DRIVERS, KILLED_NODES, type Scene, SWAPS } from './half-state-cases.js';

/** Neither planned nor done while the old master may come back later. */
async function backFirst({ cluster, slots, source }: Scene, killed: Shard): Promise<void> {
  const { repairs, stuck } = await cluster.plan();
  expect(repairs).toEqual([]);
  expect(stuck).toMatchObject([{ what: expect.stringContaining(`lets ${killed.master} take back`) as string }]);
  const ranges = compactRanges(slots.map((slot) => [slot, slot]));
  const planned: SlotRepair = {
    repair: 'finish-move',
    ...{ owner: killed.replica, from: source.master, ranges, why: 'planned before it fell' },
  };
  await expect(cluster.repair([planned])).rejects.toThrow(/take back all slots/);
  expect(await cluster.claims(source.master)).toEqual(expect.arrayContaining([...slots]));
  await cluster.revive(killed);
}

/** Killed and waited for, it takes longer: one engine whose replicas know nothing of a move, and one whose do. */
const ENGINES_OF_KILLS: readonly EngineName[] = ['redis-7.0', 'valkey-9.1'];

const ENGINES: readonly EngineName[] = ['redis-7.0', 'redis-8.6', 'valkey-8.1', 'valkey-9.1'];

describe.each(ENGINES)('half states of slots on %s', (name) => {
  let cluster: HalfCluster;
  beforeAll(async () => {
    cluster = await HalfCluster.start(await requireEngine(name));
  }, 300_000);
  afterAll(() => cluster?.stop());

  const kills = ENGINES_OF_KILLS.includes(name) ? KILLED_NODES : [];
  const states = [...KILLED_DRIVERS, ...SWAPS, ...kills].filter(
    ({ not = [] }) => !not.some((kind) => name.startsWith(kind)),
  );

  it.each(states)('$name', { timeout: 240_000 }, async (state) => {
    await cluster.mendAll();
    const [source, target, third] = await cluster.shards();
    if (source === undefined || target === undefined || third === undefined)
      throw new Error('there are no three shards');
    const scene = { cluster, source, target, third, slots: await cluster.slotsOf(source, 3) };
    const wanted = { source, target, third }[state.owner];
    await state.make(scene);
    const killed = state.kills === undefined ? undefined : scene[state.kills];
    if (killed !== undefined) {
      await cluster.replicated();
      await cluster.kill(killed);
    }

    const errors = await cluster.errors();
    expect(errors).toContain(state.finding);
    const complaints = await cluster.cliComplaints(killed === source ? target.master : source.master);
    const isAwaited = state.backFirst?.includes(cluster.engine.kind) === true;
    if (killed !== undefined && isAwaited) await backFirst(scene, killed);
    const { repairs, stuck } = await cluster.plan();
    expect(stuck).toEqual([]);
    const isHidden = capabilitiesOf({ engine: cluster.engine.kind, version: cluster.engine.version }).hidesForeignKeys;
    if (isHidden && state.finding === 'StrayKeys') {
      // Of which slots, it does not tell, and redis-cli sees nothing of it.
      expect(repairs).toMatchObject([{ repair: 'uncover-keys', ranges: [] }]);
    } else {
      expect(complaints.length, 'redis-cli sees it, too').toBeGreaterThan(0);
      const named = repairs.filter(({ repair }) => repair !== 'uncover-keys');
      expect(named.map(({ repair }) => repair)).toEqual(state.repairs);
      expect(named[0]).toMatchObject({
        ranges: compactRanges(scene.slots.map((slot) => [slot, slot])),
        why: expect.stringMatching(state.why) as string,
      });
    }
    expect([wanted.master, wanted.replica]).toContain(repairs[0]?.owner);

    expect(await cluster.repair(repairs)).toHaveLength(1);
    expect(await cluster.plan()).toEqual({ repairs: [], stuck: [] });
    expect(await cluster.repair(repairs)).toEqual([]);
    if (killed !== undefined && !isAwaited) {
      await cluster.revive(killed);
      // On Valkey whoever comes back may bring the flags along that it had: half a state of its own.
      await cluster.mendAll();
    }
    expectNoProblems(await cluster.problems());
  });
});
