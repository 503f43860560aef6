import { setTimeout as sleep } from 'node:timers/promises';
import { ownLine, type Viewer } from '../../../domain/move-transfers.js';
import { myselfIn, parseClusterNodes } from '../../../domain/parse-nodes.js';
import { type Command, type Reply, textOf } from '../connection.js';
import type { OpenNodes } from '../open-nodes.js';
import { silenceOf } from '../silence.js';
import { silent } from './trouble.js';

/** Between two tries; for so long a replica that took over may serve slots of which some keys have gone. */
const AGAIN_MS = 5;
/** Between two looks whether the source is back. */
const BACK_MS = 250;

export interface HeirWatch {
  /** Names of the masters that slots are on their way to. */
  readonly targets: readonly string[];
  /** As they were seen last, the silent ones among them. */
  readonly viewers: readonly Viewer[];
  readonly nodes: OpenNodes;
  /** When to give up, by `performance.now()`. */
  readonly until: number;
  readonly signal: AbortSignal;
  /** Told several times a second. */
  readonly progress: () => void;
}

/** Slots that a target imports from a source that does not answer. */
interface Orphans {
  readonly slots: readonly number[];
  readonly source: string;
  readonly targetId: string;
  /** Names of the source's replicas. */
  readonly heirs: readonly string[];
}

/**
 * Where flags are not replicated (Redis; Valkey before 8.0), the replica that takes over from a source does not know that slots of it are half way: keys that have gone are not there
 * for its clients, and what they write goes past them. So each replica of a source that has gone silent is told where they go, over and over, until it is a master and takes it, or
 * the source is back. Whoever dies with us in between is mended by the next look.
 * @throws ForgeError Fenced
 */
export async function tellHeirs(watch: HeirWatch): Promise<void> {
  const found = await Promise.all(watch.targets.map((target) => orphansOf(target, watch)));
  await Promise.all(found.flat().map((orphans) => tellUntilTaken(orphans, watch)));
}

async function orphansOf(target: string, { viewers, nodes }: HeirWatch): Promise<Orphans[]> {
  const own = await patiently(target, async () => {
    if ((await nodes.capabilitiesOf(target)).setSlotWaits) return undefined;
    const [text] = await nodes.sendAside('heirs', target, [['CLUSTER', 'NODES']]);
    const view = parseClusterNodes(textOf(text));
    return ownLine({ id: myselfIn(view), view });
  });
  if (own === undefined) return [];
  const peers = [...new Set(own.importing.map(({ peer }) => peer))];
  const orphans = peers.map(async (peer): Promise<Orphans[]> => {
    const source = viewers.find(({ id }) => id === peer)?.name;
    const heirs = viewers.filter((viewer) => ownLine(viewer)?.masterId === peer).map(({ name }) => name);
    if (source === undefined || heirs.length === 0 || (await answers(source, nodes))) return [];
    const slots = own.importing.filter((open) => open.peer === peer).map(({ slot }) => slot);
    return [{ slots, source, targetId: own.id, heirs }];
  });
  return (await Promise.all(orphans)).flat();
}

async function tellUntilTaken({ slots, source, targetId, heirs }: Orphans, watch: HeirWatch): Promise<void> {
  const { nodes, until, signal, progress } = watch;
  const commands = slots.map((slot): Command => ['CLUSTER', 'SETSLOT', slot, 'MIGRATING', targetId]);
  const over = new AbortController();
  const stop = AbortSignal.any([signal, over.signal]);
  const told = async () => {
    while (performance.now() < until && !stop.aborted) {
      const replies = await Promise.all(
        heirs.map((heir) => patiently(heir, () => nodes.sendAside('heirs', heir, commands))),
      );
      if (replies.some((own) => own?.every((reply) => !isReplicas(reply)))) return;
      await sleep(AGAIN_MS);
    }
  };
  // A host without power lets us wait for each answer: beside the others, so that none of them waits.
  const back = async () => {
    while (performance.now() < until && !stop.aborted) {
      progress();
      if (await answers(source, nodes)) return;
      await sleep(BACK_MS, undefined, { signal: stop }).catch(() => undefined);
    }
  };
  await Promise.race([told(), back()]).finally(() => over.abort());
}

/** The refusal of a node that is no master yet; any other answer will not be another one later. */
function isReplicas(reply: Reply): boolean {
  return !reply.ok && /only with masters/.test(silenceOf(reply.error).detail);
}

async function answers(name: string, nodes: OpenNodes): Promise<boolean> {
  return (await patiently(name, () => nodes.sendAside('heirs', name, [['PING']]))) !== undefined;
}

/** `undefined` where the node does not answer. @throws ForgeError as `silent` */
async function patiently<T>(name: string, ask: () => Promise<T>): Promise<T | undefined> {
  try {
    return await ask();
  } catch (error) {
    silent(error, name);
    return undefined;
  }
}
