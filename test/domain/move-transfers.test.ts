import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { lanesToStart, SOURCES_PER_TARGET } from '../../domain/move-schedule.js';
import { resolveMoves, Shards, type Viewer } from '../../domain/move-transfers.js';
import { troubleOf } from '../../domain/move-trouble.js';
import type { ViewEntry } from '../../domain/observation.js';
import { slotsIn, type SlotRange } from '../../domain/slots.js';

const idOf = (name: string) => name.padEnd(40, '0');

interface Words {
  readonly slots?: readonly SlotRange[];
  readonly replicaOf?: string;
  readonly migrating?: readonly [slot: number, peer: string][];
  readonly importing?: readonly [slot: number, peer: string][];
}

/** A node that says this of itself, and nothing of others. */
function viewer(name: string, { slots = [], replicaOf, migrating = [], importing = [] }: Words = {}): Viewer {
  const open = (pairs: readonly [number, string][]) => pairs.map(([slot, peer]) => ({ slot, peer: idOf(peer) }));
  const self: ViewEntry = {
    id: idOf(name),
    address: '10.0.0.1',
    port: 6379,
    busPort: 16_379,
    flags: ['myself'],
    masterId: replicaOf === undefined ? null : idOf(replicaOf),
    configEpoch: 1,
    link: 'connected',
    slots,
    migrating: open(migrating),
    importing: open(importing),
  };
  return { name, id: idOf(name), view: [self] };
}

const lookedAt = (viewers: readonly Viewer[], shards = new Shards()) => {
  shards.seen(viewers);
  return { viewers, shards };
};

const moveTo = (to: string, ...ranges: SlotRange[]) => [{ from: 'a', to, ranges }];

describe('resolveMoves', () => {
  it('takes the owner from its own words, and the master of the named shard for the target', () => {
    const viewers = [
      viewer('a', { slots: [[0, 9]] }),
      viewer('c', { slots: [[10, 19]] }),
      viewer('b', { replicaOf: 'c' }),
    ];
    expect(resolveMoves(moveTo('b', [0, 12]), lookedAt(viewers))).toEqual({
      transfers: [{ from: 'a', to: 'c', ranges: [[0, 9]] }],
      done: 3,
      begun: 0,
      stuck: [],
    });
  });

  it('goes on with whoever owns the slots by now', () => {
    const viewers = [viewer('a', { replicaOf: 'd' }), viewer('d', { slots: [[0, 9]] }), viewer('b')];
    expect(resolveMoves(moveTo('b', [0, 9]), lookedAt(viewers)).transfers).toEqual([
      { from: 'd', to: 'b', ranges: [[0, 9]] },
    ]);
  });

  it.each<[string, Viewer[], 'begun' | 'done' | 'stuck']>([
    [
      'open on both ends',
      [viewer('a', { slots: [[5, 5]], migrating: [[5, 'b']] }), viewer('b', { importing: [[5, 'a']] })],
      'begun',
    ],
    ['open on the target alone', [viewer('a', { slots: [[5, 5]] }), viewer('b', { importing: [[5, 'a']] })], 'begun'],
    ['claimed by both', [viewer('a', { slots: [[5, 5]] }), viewer('b', { slots: [[5, 5]] })], 'begun'],
    [
      'the target’s, and open still where it was',
      [viewer('a', { migrating: [[5, 'b']] }), viewer('b', { slots: [[5, 5]] })],
      'begun',
    ],
    ['the target’s', [viewer('a'), viewer('b', { slots: [[5, 5]] })], 'done'],
    ['claimed by nobody', [viewer('a'), viewer('b')], 'stuck'],
    [
      'claimed by two others',
      [viewer('a', { slots: [[5, 5]] }), viewer('c', { slots: [[5, 5]] }), viewer('b')],
      'stuck',
    ],
    [
      'open towards a third',
      [viewer('a', { slots: [[5, 5]], migrating: [[5, 'c']] }), viewer('b'), viewer('c')],
      'stuck',
    ],
    ['for a target that does not answer', [viewer('a', { slots: [[5, 5]] })], 'stuck'],
  ])('knows a slot that is %s', (_, viewers, kind) => {
    const { transfers, done, begun, stuck } = resolveMoves(moveTo('b', [5, 5]), lookedAt(viewers));
    expect({ transfers: transfers.length, done, begun, stuck: stuck.length }).toEqual({
      transfers: kind === 'begun' ? 1 : 0,
      done: kind === 'done' ? 1 : 0,
      begun: kind === 'begun' ? 1 : 0,
      stuck: kind === 'stuck' ? 1 : 0,
    });
  });

  it('knows who takes over from a target that does not answer any more, and what was on its way to it', () => {
    const { shards } = lookedAt([viewer('a', { slots: [[5, 5]] }), viewer('b'), viewer('e', { replicaOf: 'b' })]);
    const afterwards = lookedAt([viewer('a', { slots: [[5, 5]], migrating: [[5, 'b']] }), viewer('e')], shards);
    expect(resolveMoves(moveTo('b', [5, 5]), afterwards)).toMatchObject({
      transfers: [{ from: 'a', to: 'e', ranges: [[5, 5]] }],
      begun: 1,
    });
    const unseen = lookedAt([viewer('a', { slots: [[5, 5]], migrating: [[5, 'b']] }), viewer('e')]);
    expect(resolveMoves(moveTo('b', [5, 5]), unseen).stuck).toHaveLength(1);
  });

  it('counts every slot of every move once', () => {
    const owner = fc.constantFrom('a', 'b', 'c', '');
    fc.assert(
      fc.property(fc.array(owner, { minLength: 1, maxLength: 60 }), fc.constantFrom('a', 'b', 'c'), (owners, to) => {
        const own = (name: string) => owners.flatMap((at, slot): SlotRange[] => (at === name ? [[slot, slot]] : []));
        const viewers = ['a', 'b', 'c'].map((name) => viewer(name, { slots: own(name) }));
        const { transfers, done, stuck } = resolveMoves(moveTo(to, [0, owners.length - 1]), lookedAt(viewers));
        const moved = transfers.reduce((sum, { ranges }) => sum + slotsIn(ranges), 0);
        const left = stuck.reduce((sum, { ranges }) => sum + slotsIn(ranges), 0);
        expect(moved + done + left).toBe(owners.length);
        expect(done).toBe(slotsIn(own(to)));
        expect(left).toBe(slotsIn(own('')));
      }),
    );
  });
});

describe('lanesToStart', () => {
  const lane = fc
    .record({ from: fc.nat(6), to: fc.nat(6), slots: fc.integer({ min: 1, max: 4096 }) })
    .filter(({ from, to }) => from !== to)
    .map(({ from, to, slots }) => ({ from: `m${from}`, to: `m${to}`, slots }));

  it('brings all lanes to their end, and no node ever gives to two, gives and takes, or takes from more than it bears', () => {
    fc.assert(
      fc.property(fc.array(lane, { maxLength: 20 }), fc.nat(), (all, seed) => {
        let [waiting, running] = [[...all], [] as typeof all];
        for (let round = 0; waiting.length + running.length > 0; round += 1) {
          const started = lanesToStart(waiting, running);
          waiting = waiting.filter((one) => !started.includes(one));
          running = [...running, ...started];
          expect(running.length).toBeGreaterThan(0);
          for (const node of new Set(running.flatMap(({ from, to }) => [from, to]))) {
            const [gives, takes] = [
              running.filter(({ from }) => from === node),
              running.filter(({ to }) => to === node),
            ];
            expect(gives.length).toBeLessThanOrEqual(1);
            expect(takes.length).toBeLessThanOrEqual(gives.length > 0 ? 0 : SOURCES_PER_TARGET);
          }
          running = running.filter((_, i) => i !== (seed + round) % running.length);
        }
      }),
    );
  });

  it('leaves no lane waiting that could run', () => {
    fc.assert(
      fc.property(fc.array(lane, { maxLength: 20 }), (all) => {
        const started = lanesToStart(all, []);
        expect(
          lanesToStart(
            all.filter((one) => !started.includes(one)),
            started,
          ),
        ).toEqual([]);
      }),
    );
  });
});

describe('troubleOf', () => {
  it.each([
    ["ERR Target instance replied with error: OOM command not allowed when used memory > 'maxmemory'.", 'no-room'],
    ['IOERR error or timeout reading to target instance', 'passes'],
    ['IOERR error or timeout connecting to the client', 'passes'],
    ['ERR Target instance replied with error: LOADING Redis is loading the dataset in memory', 'passes'],
    ['CLUSTERDOWN The cluster is down', 'passes'],
    ['ERR Target instance replied with error: CLUSTERDOWN The cluster is down', 'passes'],
    ["READONLY You can't write against a read only replica.", 'roles'],
    ['ERR Please use SETSLOT only with masters.', 'roles'],
    ["ERR I'm not the owner of hash slot 5", 'roles'],
    ["ERR I'm already the owner of hash slot 5", 'roles'],
    ["ERR I don't know about node 4f", 'roles'],
    ['ERR Target node is not a master', 'roles'],
    ["ERR Can't assign hashslot 5 to a different node while I still hold keys for this hash slot.", 'roles'],
    ['ERR Target instance replied with error: MOVED 5 10.0.0.1:7000', 'roles'],
    ['ERR Target instance replied with error: WRONGPASS invalid username-password pair or user is disabled.', 'roles'],
    ['ERR Target instance replied with error: NOPERM this user has no permissions', 'stays'],
    ['ERR Target instance replied with error: ERR DUMP payload version or checksum are wrong', 'stays'],
    ['ERR Target instance replied with error: MISCONF Errors writing to the AOF file', 'stays'],
  ])('%s: %s', (words, trouble) => expect(troubleOf(words)).toBe(trouble));
});
