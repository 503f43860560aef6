import type { SecretResolver } from '../../../config/secrets.js';
import type { MasterFacts, SlotFacts } from '../../../domain/move-facts.js';
import { type AnsweringNode, answering, type Observation, selfOf } from '../../../domain/observation.js';
import { eachSlot } from '../../../domain/ownership.js';
import { parseInfo } from '../../../domain/parse-info.js';
import type { KeySize } from '../../../domain/slot-moves.js';
import type { SlotRange } from '../../../domain/slots.js';
import type { ClusterSpec } from '../../../domain/spec.js';
import { userName } from '../../../domain/users.js';
import { visibleLine } from '../../../domain/visible.js';
import { type Command, countOf, type Reply, textOf } from '../connection.js';
import { OpenNodes } from '../open-nodes.js';

export interface FactsRequest {
  readonly spec: ClusterSpec;
  readonly observation: Observation;
  /** The slots that are to be moved: in them the largest keys are looked for. */
  readonly ranges: readonly SlotRange[];
}

/** Commands in one round trip: a node is away from its clients for a millisecond or two. */
const AT_ONCE = 512;

/** Keys that are measured on each master at the most; where it has no more in these slots, the largest of all is found. */
const MOST_MEASURED = 20_000;

/** How many of the largest are told of each master. */
const LARGEST = 5;

/** Members of a collection that MEMORY USAGE looks at: more of them is slower, and hardly truer. */
const SAMPLES = 5;

/**
 * What the masters say of the contents of their slots, with the operator's rights: keys slot by slot, memory, and the largest keys among those that were measured. Reads only.
 * Bytes are the mean of all keys of a node. What a master does not let be asked (an operator of an older version may not measure keys) or say in time is left out.
 * @throws ForgeError SecretUnavailable
 */
export async function gatherSlotFacts(
  { spec, observation, ranges }: FactsRequest,
  { secrets }: { readonly secrets: SecretResolver },
): Promise<SlotFacts> {
  const credentials = { user: userName(spec, 'operator'), password: await secrets(spec.secrets.operator.current) };
  const nodes = new OpenNodes({ spec, access: { credentials, raiseAgain: () => Promise.resolve() } });
  const moving = new Set(eachSlot(ranges));
  const masters = answering(observation).filter((node) => node.declared && selfOf(node)?.masterId === null);
  try {
    const facts = masters.map((master) => factsOf({ nodes, master, moving }).catch(() => null));
    return { masters: (await Promise.all(facts)).filter((one) => one !== null) };
  } finally {
    nodes.close();
  }
}

interface Asked {
  readonly nodes: Pick<OpenNodes, 'send' | 'sendBytes'>;
  readonly master: AnsweringNode;
  readonly moving: ReadonlySet<number>;
}

async function factsOf({ nodes, master, moving }: Asked): Promise<MasterFacts> {
  const owned = [...eachSlot(selfOf(master)?.slots ?? [])];
  const counts = await inParts(owned, (some) =>
    nodes.send(
      master.name,
      some.map((slot): Command => ['CLUSTER', 'COUNTKEYSINSLOT', slot]),
    ),
  );
  const keysPerSlot = owned.map((slot, i) => [slot, countOf(counts[i])] as const).filter(([, keys]) => keys > 0);
  const keys = keysPerSlot.reduce((sum, [, count]) => sum + count, 0);
  const info = parseInfo(textOf((await nodes.send(master.name, [['INFO', 'memory']]))[0]));
  const dataset = Number(info.get('used_memory_dataset') ?? 0);
  return {
    node: master.name,
    keysPerSlot,
    bytesPerSlot: null,
    bytesPerKey: keys === 0 || !Number.isFinite(dataset) ? 0 : Math.round(dataset / keys),
    usedMemoryBytes: master.usedMemoryBytes,
    maxmemoryBytes: master.maxmemoryBytes,
    largestKeys: await largestKeys({ nodes, master, slots: keysPerSlot.filter(([slot]) => moving.has(slot)) }),
  };
}

/** Where there are too many keys to measure each, as many of every slot. */
async function largestKeys({
  nodes,
  master,
  slots,
}: Pick<Asked, 'nodes' | 'master'> & { readonly slots: readonly (readonly [number, number])[] }): Promise<KeySize[]> {
  const keys = slots.reduce((sum, [, count]) => sum + count, 0);
  const share = Math.min(1, MOST_MEASURED / Math.max(1, keys));
  const lists = await inParts(slots, (some) =>
    nodes.sendBytes(
      master.name,
      some.map(([slot, count]): Command => ['CLUSTER', 'GETKEYSINSLOT', slot, Math.max(1, Math.ceil(count * share))]),
    ),
  );
  const found = slots.flatMap(([slot], i) => keysIn(lists[i]).map((key) => ({ slot, key })));
  const sizes = await inParts(found, (some) =>
    nodes.send(
      master.name,
      some.map(({ key }): Command => ['MEMORY', 'USAGE', key, 'SAMPLES', SAMPLES]),
    ),
  );
  return found
    .flatMap(({ slot, key }, i): KeySize[] => {
      const reply = sizes[i];
      const bytes = reply?.ok === true ? reply.value : null;
      if (typeof bytes !== 'number') return [];
      return [{ node: master.name, slot, key: visibleLine(key.toString('utf8')), bytes }];
    })
    .sort((a, b) => b.bytes - a.bytes)
    .slice(0, LARGEST);
}

function keysIn(reply: Reply | undefined): Buffer[] {
  if (reply?.ok !== true || !Array.isArray(reply.value)) return [];
  return (reply.value as unknown[]).filter((key) => Buffer.isBuffer(key));
}

async function inParts<T>(items: readonly T[], ask: (some: readonly T[]) => Promise<Reply[]>): Promise<Reply[]> {
  const replies: Reply[] = [];
  for (let at = 0; at < items.length; at += AT_ONCE) replies.push(...(await ask(items.slice(at, at + AT_ONCE))));
  return replies;
}
