import type { Capabilities } from '../../../domain/capabilities.js';
import { ForgeError } from '../../../domain/errors.js';
import type { SlotAction, SlotStages } from '../../../domain/slot-repair-actions.js';
import type { Command } from '../connection.js';
import type { OpenNodes, Row } from '../open-nodes.js';
import { silenceOf } from '../silence.js';

/** Connections that share the SETSLOTs of a round where the server holds each back until its replicas have it. */
const WAYS = 8;

/** One slot with what is told about it. */
export interface SlotOrders {
  readonly slot: number;
  readonly stages: SlotStages;
}

export type KeyOrder = Extract<SlotAction, { kind: 'keys' }> & { readonly slot: number };

/** What a round of orders came to. */
export interface RoundResult {
  /** Keys that are to be moved now: all that comes before was taken. */
  readonly keys: readonly KeyOrder[];
  /** The nodes' own words where they refused, by what they were told. */
  readonly refused: ReadonlyMap<string, string>;
}

/**
 * Gives the orders of many slots at once, stage by stage: all that one node is told in a stage goes in one round trip. A slot whose orders were refused goes no further;
 * the next look tells what came of it.
 * @throws ForgeError Fenced
 */
export async function giveOrders(orders: readonly SlotOrders[], nodes: OpenNodes): Promise<RoundResult> {
  const refused = new Map<string, string>();
  const keys: KeyOrder[] = [];
  let going = orders;
  for (let stage = 0; going.some(({ stages }) => stage < stages.length); stage += 1) {
    const told = going.flatMap(({ slot, stages }) => (stages[stage] ?? []).map((action) => ({ slot, action })));
    for (const { slot, action } of told) if (action.kind === 'keys') keys.push({ ...action, slot });
    const failed = await giveStage(told, nodes, refused);
    going = going.filter(({ slot }) => !failed.has(slot));
  }
  return { keys, refused };
}

interface Told {
  readonly slot: number;
  readonly action: SlotAction;
}

/** Gives the slots of which something was refused. */
async function giveStage(told: readonly Told[], nodes: OpenNodes, refused: Map<string, string>): Promise<Set<number>> {
  const names = [...new Set(told.map(({ action }) => action.node))];
  const failed = new Set<number>();
  const given = names.map(async (name) => {
    const slots = new Map<number, Command[]>();
    for (const { slot, action } of told) {
      const command = action.node === name ? commandOf(slot, action) : null;
      if (command !== null) slots.set(slot, [...(slots.get(slot) ?? []), command]);
    }
    for (const slot of await giveTo({ name, rows: slots, nodes, refused })) failed.add(slot);
  });
  for (const outcome of await Promise.allSettled(given)) if (outcome.status === 'rejected') throw outcome.reason;
  return failed;
}

interface NodeOrders {
  readonly name: string;
  readonly rows: ReadonlyMap<number, Row>;
  readonly nodes: OpenNodes;
  readonly refused: Map<string, string>;
}

async function giveTo({ name, rows, nodes, refused }: NodeOrders): Promise<number[]> {
  if (rows.size === 0) return [];
  const slots = [...rows.keys()];
  try {
    const { setSlotWaits }: Capabilities = await nodes.capabilitiesOf(name);
    const replies = await nodes.sendRows({ name, rows: [...rows.values()], ways: setSlotWaits ? WAYS : 1 });
    return slots.filter((slot, i) => {
      const no = replies[i]?.find((reply) => !reply.ok);
      if (no?.ok === false) refused.set(`${name}, slot ${slot}`, silenceOf(no.error).detail);
      return no !== undefined;
    });
  } catch (error) {
    if (error instanceof ForgeError) throw error;
    refused.set(name, silenceOf(error).message);
    return slots;
  }
}

/** `null` for what is no command to the node alone. */
function commandOf(slot: number, action: SlotAction): Command | null {
  switch (action.kind) {
    case 'stable':
      return ['CLUSTER', 'SETSLOT', slot, 'STABLE'];
    case 'importing':
      return ['CLUSTER', 'SETSLOT', slot, 'IMPORTING', action.id];
    case 'migrating':
      return ['CLUSTER', 'SETSLOT', slot, 'MIGRATING', action.id];
    case 'own':
      return ['CLUSTER', 'SETSLOT', slot, 'NODE', action.id];
    case 'bump':
      return ['CLUSTER', 'BUMPEPOCH'];
    case 'keys':
      return null;
    default:
      return action satisfies never;
  }
}
