import type { SecretResolver } from '../../../config/secrets.js';
import { capabilitiesOf } from '../../../domain/capabilities.js';
import { lostNodes } from '../../../domain/nodes.js';
import {
  type AnsweringNode,
  answering,
  type Observation,
  selfOf,
  type StrayKeys,
} from '../../../domain/observation.js';
import { eachSlot } from '../../../domain/ownership.js';
import { slotsInQuestion } from '../../../domain/slot-cases.js';
import { type KeyCounts, type SlotNode, type SlotStates, SlotTable } from '../../../domain/slot-states.js';
import type { ClusterSpec } from '../../../domain/spec.js';
import { userName } from '../../../domain/users.js';
import type { Command } from '../connection.js';
import { fallenBefore } from '../fallen.js';
import { OpenNodes } from '../open-nodes.js';
import { countSlots, strayKeysOf } from './stray-keys.js';

export interface SlotLook {
  readonly spec: ClusterSpec;
  readonly observation: Observation;
}

/**
 * All that decides about half states of slots: what was observed, and how many keys masters have where it matters. It reads only, with the operator's
 * rights.
 * @throws ForgeError SecretUnavailable
 */
export async function lookAtSlots(
  { spec, observation }: SlotLook,
  { secrets }: { readonly secrets: SecretResolver },
): Promise<SlotStates> {
  const credentials = { user: userName(spec, 'operator'), password: await secrets(spec.secrets.operator.current) };
  const nodes = new OpenNodes({ spec, access: { credentials, raiseAgain: () => Promise.resolve() } });
  try {
    const masters = declaredMasters(answering(observation));
    const strays = await strayKeys(nodes, masters);
    const hidden = Object.fromEntries([...strays].map(([name, keys]) => [name, keys.hidden]));
    const fallen = await fallenOf(nodes, masters, observation);
    const states = { ...frame(spec), nodes: observation.nodes, keys: {}, hidden, fallen };
    const foreign = [...strays.values()].flatMap(({ ranges }) => [...eachSlot(ranges)]);
    const slots = [...new Set([...slotsInQuestion(new SlotTable(states)), ...foreign])];
    return { ...states, keys: await countKeys(nodes, masters, slots) };
  } finally {
    nodes.close();
  }
}

/** What of the states comes from the spec. */
export function frame(spec: ClusterSpec): Pick<SlotStates, 'lost' | 'replicasPerMaster'> {
  return { lost: lostNodes(spec), replicasPerMaster: spec.shape.replicasPerMaster };
}

function declaredMasters<Node extends Pick<SlotNode, 'declared' | 'id' | 'view'>>(nodes: readonly Node[]): Node[] {
  return nodes.filter((node) => node.declared && selfOf(node)?.masterId === null);
}

/** By node name, who fell before each master; where all answer nobody is asked. What is not told here is asked again by whoever mends. */
async function fallenOf(
  nodes: OpenNodes,
  masters: readonly AnsweringNode[],
  observation: Observation,
): Promise<SlotStates['fallen']> {
  if (observation.nodes.every(({ answered }) => answered)) return {};
  const found = masters.map(async (master) => {
    const fallen = await fallenBefore({ ...master, capabilities: capabilitiesOf(master) }, nodes).catch(() => []);
    return [master.name, fallen] as const;
  });
  return Object.fromEntries(await Promise.all(found));
}

/** By node name, the keys in these slots; who does not answer is left out. */
async function countKeys(
  nodes: Pick<OpenNodes, 'send'>,
  masters: readonly Pick<SlotNode, 'name'>[],
  slots: readonly number[],
): Promise<KeyCounts> {
  if (slots.length === 0) return {};
  const counted = masters.map(async ({ name }) => {
    const counts = await countSlots(slots, (commands) => nodes.send(name, commands)).catch(() => null);
    return counts === null ? [] : [[name, Object.fromEntries(slots.map((slot, i) => [slot, counts[i] ?? 0]))] as const];
  });
  return Object.fromEntries((await Promise.all(counted)).flat());
}

/** By name, what each master has in slots that it does not own; an observation that was made closely tells it already. */
async function strayKeys(
  nodes: Pick<OpenNodes, 'send'>,
  masters: readonly AnsweringNode[],
): Promise<ReadonlyMap<string, StrayKeys>> {
  const found = masters.map(async (master) => {
    const ask = (commands: readonly Command[]) => nodes.send(master.name, commands);
    const strays = master.strayKeys ?? (await strayKeysOf(master, ask).catch(() => null));
    return [master.name, strays ?? { keys: 0, ranges: [], hidden: 0 }] as const;
  });
  return new Map(await Promise.all(found));
}
