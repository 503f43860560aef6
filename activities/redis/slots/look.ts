import type { SecretResolver } from '../../../config/secrets.js';
import { leavingNodes } from '../../../domain/nodes.js';
import { answering, type Observation, selfOf } from '../../../domain/observation.js';
import { eachSlot } from '../../../domain/ownership.js';
import { slotsInQuestion } from '../../../domain/slot-cases.js';
import { type KeyCounts, type SlotNode, type SlotStates, SlotTable } from '../../../domain/slot-states.js';
import { SLOT_COUNT, type SlotRange } from '../../../domain/slots.js';
import type { ClusterSpec } from '../../../domain/spec.js';
import { userName } from '../../../domain/users.js';
import { type Command, countOf } from '../connection.js';
import { OpenNodes } from '../open-nodes.js';

/** Slots that are counted in one round trip: more of them would keep a node from its clients. */
const COUNTED_AT_ONCE = 1024;

export interface SlotLook {
  readonly spec: ClusterSpec;
  readonly observation: Observation;
}

/**
 * All that decides about half states of slots: what was observed, and how many keys masters have where it matters. It reads only, with the operator's
 * rights. Each master counts the keys of its own slots once, and those of all others where its number of keys says that there must be more.
 * @throws ForgeError SecretUnavailable
 */
export async function lookAtSlots(
  { spec, observation }: SlotLook,
  { secrets }: { readonly secrets: SecretResolver },
): Promise<SlotStates> {
  const credentials = { user: userName(spec, 'operator'), password: await secrets(spec.secrets.operator.current) };
  const nodes = new OpenNodes({ spec, access: { credentials, raiseAgain: () => Promise.resolve() } });
  try {
    const states = { ...frame(spec), nodes: observation.nodes, keys: {} };
    const masters = declaredMasters(answering(observation));
    const strays = await findStrays(nodes, masters);
    const slots = [...new Set([...slotsInQuestion(new SlotTable(states)), ...strays])];
    return { ...states, keys: await countKeys(nodes, masters, slots) };
  } finally {
    nodes.close();
  }
}

/** What of the states comes from the spec. */
export function frame(spec: ClusterSpec): Pick<SlotStates, 'lost' | 'replicasPerMaster'> {
  const lost = leavingNodes(spec).flatMap(({ name, leaving }) => (leaving === 'lost' ? [name] : []));
  return { lost, replicasPerMaster: spec.shape.replicasPerMaster };
}

function declaredMasters<Node extends Pick<SlotNode, 'declared' | 'id' | 'view'>>(nodes: readonly Node[]): Node[] {
  return nodes.filter((node) => node.declared && selfOf(node)?.masterId === null);
}

/** By node name, the keys in these slots; who does not answer is left out. */
async function countKeys(
  nodes: Pick<OpenNodes, 'send'>,
  masters: readonly Pick<SlotNode, 'name'>[],
  slots: readonly number[],
): Promise<KeyCounts> {
  if (slots.length === 0) return {};
  const counted = masters.map(async ({ name }) => {
    const counts = await countOn(nodes, name, slots).catch(() => null);
    return counts === null ? [] : [[name, Object.fromEntries(slots.map((slot, i) => [slot, counts[i] ?? 0]))] as const];
  });
  return Object.fromEntries((await Promise.all(counted)).flat());
}

type Counting = Pick<SlotNode, 'name' | 'id' | 'view'>;

/** Slots of which some master has keys without owning them. */
async function findStrays(nodes: Pick<OpenNodes, 'send'>, masters: readonly Counting[]): Promise<number[]> {
  const found = masters.map((master) => strayKeysOn(nodes, master).catch(() => []));
  return [...new Set((await Promise.all(found)).flatMap((strays) => strays.map(({ slot }) => slot)))];
}

export interface StrayKeys {
  readonly slot: number;
  readonly keys: number;
}

/**
 * The keys that a master has in slots that it does not own. Where its slots have as many keys as it has at all, before and after the count, there are none;
 * clients that write meanwhile only make it look closer.
 * @throws NodeSilent
 */
export async function strayKeysOn(nodes: Pick<OpenNodes, 'send'>, master: Counting): Promise<StrayKeys[]> {
  const owned = new Set(eachSlot(selfOf(master)?.slots ?? []));
  const all = async () => (await nodes.send(master.name, [['DBSIZE']])).map(countOf)[0];
  const before = await all();
  const own = (await countOn(nodes, master.name, [...owned])).reduce((sum, keys) => sum + keys, 0);
  if (own === before && own === (await all())) return [];
  const others = [...eachSlot(ALL_SLOTS)].filter((slot) => !owned.has(slot));
  const strays = await countOn(nodes, master.name, others);
  return others.map((slot, i) => ({ slot, keys: strays[i] ?? 0 })).filter(({ keys }) => keys > 0);
}

const ALL_SLOTS: readonly SlotRange[] = [[0, SLOT_COUNT - 1]];

async function countOn(nodes: Pick<OpenNodes, 'send'>, name: string, slots: readonly number[]): Promise<number[]> {
  const counts: number[] = [];
  for (let at = 0; at < slots.length; at += COUNTED_AT_ONCE) {
    const some = slots.slice(at, at + COUNTED_AT_ONCE);
    const commands = some.map((slot): Command => ['CLUSTER', 'COUNTKEYSINSLOT', slot]);
    counts.push(...(await nodes.send(name, commands)).map(countOf));
  }
  return counts;
}
