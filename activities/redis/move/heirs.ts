import { setTimeout as sleep } from 'node:timers/promises';
import { ownLine, type Viewer } from '../../../domain/move-transfers.js';
import { declaredNodes } from '../../../domain/nodes.js';
import { parseClusterNodes } from '../../../domain/parse-nodes.js';
import { endpoint } from '../../../domain/picture.js';
import type { ClusterSpec } from '../../../domain/spec.js';
import { type Command, type Reply, textOf } from '../connection.js';
import type { OpenNodes } from '../open-nodes.js';
import { silenceOf } from '../silence.js';
import { silent } from './trouble.js';

/** Between two tries; for so long a replica that took over may serve slots of which some keys have gone. */
const AGAIN_MS = 5;
/** Between two looks whether the source is back. */
const BACK_MS = 250;

export interface HeirWatch {
  readonly spec: ClusterSpec;
  /** Names of the masters that slots are on their way to. */
  readonly targets: readonly string[];
  /** Those that answer, or did a moment ago. */
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
 * Tells whether there were any that somebody has taken.
 * @throws ForgeError Fenced
 */
export async function tellHeirs(watch: HeirWatch): Promise<boolean> {
  const found = await Promise.all(watch.targets.map((target) => orphansOf(target, watch)));
  const taken = await Promise.all(found.flat().map((orphans) => tellUntilTaken(orphans, watch)));
  return taken.includes(true);
}

async function orphansOf(target: string, { spec, viewers, nodes }: HeirWatch): Promise<Orphans[]> {
  const view = await patiently(target, async () => {
    if ((await nodes.capabilitiesOf(target)).setSlotWaits) return undefined;
    const [text] = await nodes.sendAside('heirs', target, [['CLUSTER', 'NODES']]);
    return parseClusterNodes(textOf(text));
  });
  const own = view?.find(({ flags }) => flags.includes('myself'));
  if (view === undefined || own === undefined) return [];
  const peers = view.filter(({ id }) => own.importing.some(({ peer }) => peer === id));
  const orphans = peers.map(async ({ id: peer, ...entry }): Promise<Orphans[]> => {
    const source = declaredNodes(spec).find((node) => endpoint(node) === endpoint(entry))?.name;
    const heirs = viewers.filter((viewer) => ownLine(viewer)?.masterId === peer).map(({ name }) => name);
    if (source === undefined || heirs.length === 0 || (await answers(source, nodes))) return [];
    const slots = own.importing.filter((open) => open.peer === peer).map(({ slot }) => slot);
    return [{ slots, source, targetId: own.id, heirs }];
  });
  return (await Promise.all(orphans)).flat();
}

async function tellUntilTaken({ slots, source, targetId, heirs }: Orphans, watch: HeirWatch): Promise<boolean> {
  const { nodes, until, signal, progress } = watch;
  const [first, ...rest] = slots.map((slot): Command => ['CLUSTER', 'SETSLOT', slot, 'MIGRATING', targetId]);
  if (first === undefined) return false;
  const over = new AbortController();
  const stop = AbortSignal.any([signal, over.signal]);
  const told = async () => {
    while (performance.now() < until && !stop.aborted) {
      const taken = await Promise.all(heirs.map((heir) => tell(heir, nodes, [first])));
      const heir = heirs[taken.indexOf(true)];
      if (heir !== undefined) return rest.length === 0 || tell(heir, nodes, rest);
      await sleep(AGAIN_MS);
    }
    return false;
  };
  // A host without power lets us wait for each answer: beside the others, so that none of them waits.
  const back = async () => {
    while (performance.now() < until && !stop.aborted) {
      progress();
      if (await answers(source, nodes)) return true;
      await sleep(BACK_MS, undefined, { signal: stop }).catch(() => undefined);
    }
    return false;
  };
  return Promise.race([told(), back()]).finally(() => over.abort());
}

/** Whether the node is a master by now, and has heard it. */
async function tell(heir: string, nodes: OpenNodes, commands: readonly Command[]): Promise<boolean> {
  const replies = await patiently(heir, () => nodes.sendAside('heirs', heir, commands));
  return replies?.some(isReplicas) === false;
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
