import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { slotsInQuestion } from '../../domain/slot-cases.js';
import { nextStages } from '../../domain/slot-repair-actions.js';
import { planRepairs, workableCase } from '../../domain/slot-repair-plan.js';
import type { ViewEntry } from '../../domain/observation.js';
import { type SlotStates, SlotTable } from '../../domain/slot-states.js';
import { soundObservation } from '../support/observations.js';
import { keysIn, type ModelNode, MOVING, SlotModel } from '../support/slot-model.js';

/** Numbers of one run, drawn beforehand, so that a failing run can be made smaller. */
class Dice {
  #at = 0;
  constructor(private readonly rolls: readonly number[]) {}

  upTo(most: number): number {
    const roll = this.rolls[this.#at % this.rolls.length] ?? 0;
    this.#at += 1;
    return roll % most;
  }

  oneIn(times: number): boolean {
    return this.upTo(times) === 0;
  }

  pick<T>(list: readonly T[]): T {
    const found = list[this.upTo(list.length)];
    if (found === undefined) throw new Error('nothing to pick from');
    return found;
  }
}

/** Clients that write at any moment, and words on the bus. */
function meanwhile(model: SlotModel, dice: Dice): void {
  for (let n = dice.upTo(3); n > 0; n -= 1) {
    const slot = dice.pick(MOVING);
    model.write(
      dice.pick(model.nodes),
      { slot, name: `${slot}:${dice.upTo(4)}` },
      `v${model.ledger.size}-${dice.upTo(1000)}`,
    );
  }
  for (let n = dice.upTo(3); n > 0; n -= 1) model.gossip(dice.pick(model.nodes), dice.pick(model.nodes));
}

/** A mover that is killed somewhere: each slot is left wherever it was. */
function moveAndDie(model: SlotModel, dice: Dice): void {
  const [source, target, third] = model.nodes;
  if (source === undefined || target === undefined || third === undefined) return;
  for (const slot of MOVING) {
    const sourceFirst = dice.oneIn(4);
    const steps = [
      () => model.take({ node: target.name, kind: 'importing', id: source.id }, slot),
      () => model.take({ node: source.name, kind: 'migrating', id: target.id }, slot),
      () =>
        model.take({ node: source.name, kind: 'keys', to: target.name, wins: 'source' }, slot, () => !dice.oneIn(5)),
      () => model.take({ node: source.name, kind: 'keys', to: target.name, wins: 'source' }, slot),
      () => model.take({ node: (sourceFirst ? source : target).name, kind: 'own', id: target.id }, slot),
      () => model.take({ node: (sourceFirst ? target : source).name, kind: 'own', id: target.id }, slot),
      () => model.take({ node: third.name, kind: 'own', id: target.id }, slot),
    ];
    for (const step of steps.slice(0, dice.upTo(steps.length + 1))) {
      if (!step() && steps.indexOf(step) !== 2) break;
      meanwhile(model, dice);
    }
  }
}

function failovers(model: SlotModel, dice: Dice): void {
  for (const master of model.nodes.slice(0, 3)) {
    if (dice.oneIn(3)) model.failover(master, dice.oneIn(2) ? 'died' : 'planned');
    meanwhile(model, dice);
  }
}

/** One attempt of a repair; it may be killed between any two commands, and in the middle of moving keys. */
function repairOnce(model: SlotModel, dice: Dice, killed: () => boolean): void {
  const table = new SlotTable(model.states());
  for (const slot of slotsInQuestion(table)) {
    const found = workableCase(table, slot);
    if (found === null || found.kind === 'stuck') continue;
    for (const stage of nextStages(table, slot, found)) {
      let taken = true;
      for (const action of stage) {
        if (killed()) return;
        taken = model.take(action, slot, () => !killed()) && taken;
        meanwhile(model, dice);
      }
      if (!taken) break;
    }
  }
}

function expectSound(model: SlotModel): void {
  const masters = model.masters();
  const table = new SlotTable(model.states());
  for (const slot of MOVING) {
    const [owner, ...others] = table.claimants(slot).map(({ id }) => model.node(id));
    expect(others).toEqual([]);
    expect(model.nodes.filter(({ alive }) => alive).map(({ owners }) => owners.get(slot))).toEqual(
      model.nodes.filter(({ alive }) => alive).map(() => owner?.id),
    );
    for (const node of masters) {
      expect([...node.migrating.keys(), ...node.importing.keys()]).toEqual([]);
      if (node.id !== owner?.id) expect([...keysIn(node, slot)], `keys of ${slot} on ${node.name}`).toEqual([]);
    }
    const kept = Object.fromEntries(keysIn(owner ?? NOBODY, slot));
    const written = [...model.ledger].filter(([key]) => key.startsWith(`${slot}:`));
    expect(kept).toEqual(Object.fromEntries(written));
  }
}

const NOBODY = { keys: new Map() } as unknown as ModelNode;

function isHalf(model: SlotModel): boolean {
  const { repairs, stuck } = planRepairs(model.states());
  return repairs.length + stuck.length > 0;
}

function isCovered(model: SlotModel): boolean {
  const table = new SlotTable(model.states());
  return MOVING.every((slot) => table.claimants(slot).length > 0);
}

describe('planRepairs and what follows from it', () => {
  it('mends every half state that a killed mover, failovers and clients make, itself killed again and again, and loses no write', {
    timeout: 120_000,
  }, () => {
    const rolls = fc.array(fc.nat(9999), { minLength: 50, maxLength: 400 });
    fc.assert(
      fc.property(rolls, fc.nat(12), (numbers, kills) => {
        const model = new SlotModel();
        const dice = new Dice(numbers);
        for (const slot of MOVING) {
          for (const n of [0, 1, 2])
            model.write(model.node(model.nodes[0]?.id), { slot, name: `${slot}:${n}` }, `first-${n}`);
        }
        moveAndDie(model, dice);
        failovers(model, dice);
        let left = kills;
        let rounds = 0;
        while (isHalf(model) || rounds < 2 || !isCovered(model)) {
          repairOnce(model, dice, () => left > 0 && dice.oneIn(4) && left-- > 0);
          if (rounds === 1 && dice.oneIn(3)) failovers(model, dice);
          if (rounds > 3) model.gossipAll(1);
          // At last somebody says of the dead that they will not come back.
          if (rounds > 20) model.deadAreLost = true;
          rounds += 1;
          if (rounds > 80) throw new Error(`no end: ${JSON.stringify(planRepairs(model.states()))}`);
        }
        model.gossipAll();
        expect(planRepairs(model.states())).toEqual({ repairs: [], stuck: [] });
        expectSound(model);
      }),
      { numRuns: 40 },
    );
  });
});

describe('a cluster that was never formed, or to a part', () => {
  const claiming = (owned: (from: number) => boolean): SlotStates => {
    const { nodes } = soundObservation();
    const view = (node: (typeof nodes)[number]) =>
      node.answered
        ? {
            ...node,
            view: node.view.map((entry) => ({ ...entry, slots: entry.slots.filter(([from]) => owned(from)) })),
          }
        : node;
    return { nodes: nodes.map(view), keys: {}, hidden: {}, fallen: {}, lost: [], replicasPerMaster: 1 };
  };

  /** Each slot once went through all others: twenty seconds in which the worker did nothing else. */
  it('is looked through slot by slot, and no slot for all others', () => {
    const startedAt = performance.now();
    expect(planRepairs(claiming(() => false)).stuck).toHaveLength(1);
    const none = performance.now() - startedAt;
    const sound = performance.now();
    for (let i = 0; i < 20; i += 1) planRepairs(claiming(() => true));
    expect(none).toBeLessThan(20 * Math.max(1, performance.now() - sound));
    expect(planRepairs(claiming((from) => from === 0)).repairs).toMatchObject([
      { repair: 'assign-slots', ranges: [[5461, 16383]] },
    ]);
  });
});

describe('a target that fell with slots half way to it, on an engine that lets it take its shard back', () => {
  it('is waited for, unless the spec says that it will not come', () => {
    const model = new SlotModel();
    const [source, target] = model.nodes;
    if (source === undefined || target === undefined) throw new Error('the model has no masters');
    const [slot = 0] = MOVING;
    for (const n of [0, 1]) model.write(source, { slot, name: `${slot}:${n}` }, `v${n}`);
    model.take({ node: target.name, kind: 'importing', id: source.id }, slot);
    model.take({ node: source.name, kind: 'migrating', id: target.id }, slot);
    let sent = 0;
    model.take({ node: source.name, kind: 'keys', to: target.name, wins: 'source' }, slot, () => (sent += 1) < 3);
    model.failover(target, 'died');
    const heir = model.masters().find(({ id }) => ![source.id, model.nodes[2]?.id].includes(id));
    model.gossipAll();
    const fallen = { [heir?.name ?? '']: [target.id] };

    expect(planRepairs({ ...model.states(), fallen })).toMatchObject({
      repairs: [],
      stuck: [{ what: expect.stringContaining(`take back all slots`) as string }],
    });
    const finished = { repairs: [{ repair: 'finish-move', owner: heir?.name }], stuck: [] };
    expect(planRepairs(model.states())).toMatchObject(finished);
    model.deadAreLost = true;
    expect(planRepairs({ ...model.states(), fallen })).toMatchObject(finished);
  });
});

describe('a master that died before its replica heard of slots that had just come to it', () => {
  /** The first two of its slots are still its own in all eyes; the replica that took over has the rest. */
  const [WITH_KEYS, WITHOUT] = [0, 1];
  const tookOver = (keys: SlotStates['keys']): SlotStates => {
    const { nodes } = soundObservation();
    const [dead] = nodes;
    const heir = nodes.find(
      (node) => node.answered && node.view.some((one) => one.id === node.id && one.masterId === deadId),
    );
    if (heir?.answered !== true || dead === undefined) throw new Error('the first node has no replica');
    const view = (entry: ViewEntry): ViewEntry => {
      if (entry.id === deadId) return { ...entry, flags: ['master', 'fail'], slots: [[WITH_KEYS, WITHOUT]] };
      if (entry.id !== heir.id) return entry;
      return { ...entry, flags: ['master'], masterId: null, configEpoch: 9, slots: [[WITHOUT + 1, 5460]] };
    };
    const seen = nodes.flatMap((node) =>
      node.answered && node !== dead ? [{ ...node, view: node.view.map(view) }] : [],
    );
    return {
      nodes: [{ ...dead, answered: false }, ...seen],
      keys,
      hidden: {},
      fallen: {},
      lost: [],
      replicasPerMaster: 1,
    };
  };
  const deadId = soundObservation().nodes.flatMap((node) => (node.answered ? [node.id] : []))[0] ?? '';

  it('leaves all of them to it, also those without keys: no one else can have had any', () => {
    const { repairs, stuck } = planRepairs(tookOver({ 'h6:6379': { [WITH_KEYS]: 3 } }));
    expect(stuck).toEqual([]);
    expect(repairs).toMatchObject([{ repair: 'tell-owner', owner: 'h6:6379', ranges: [[WITH_KEYS, WITHOUT]] }]);
  });

  it('keeps them where nobody has a key of any: whether it had a replica at all, nobody knows', () => {
    const table = new SlotTable(tookOver({}));
    expect(workableCase(table, WITHOUT)).toBeNull();
  });
});
