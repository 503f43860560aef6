import type { Viewer } from '../../../domain/move-transfers.js';
import { declaredNodes, lostNodes } from '../../../domain/nodes.js';
import { endpoint } from '../../../domain/picture.js';
import type { ClusterSpec } from '../../../domain/spec.js';
import { fallenBefore } from '../fallen.js';
import type { OpenNodes } from '../open-nodes.js';
import { movesByKeys } from './choose.js';
import type { Transfer } from './mover.js';
import { MoveTrouble, silent } from './trouble.js';

export interface ReclaimRequest {
  readonly transfers: readonly Transfer[];
  readonly viewers: readonly Viewer[];
  readonly spec: ClusterSpec;
  readonly nodes: Pick<OpenNodes, 'send'>;
}

/**
 * Nothing more is given to a shard whose old master fell with slots half way to it and would take all of its slots back by coming (see `Capabilities.importerReclaims`): it is waited for,
 * unless the spec says that it will not come.
 * @throws MoveTrouble; ForgeError Fenced
 */
export async function throwReclaim({ transfers, viewers, spec, nodes }: ReclaimRequest): Promise<void> {
  const lost = lostNodes(spec);
  const silentNodes = declaredNodes(spec).filter(
    ({ name }) => !lost.includes(name) && !viewers.some((viewer) => viewer.name === name),
  );
  if (silentNodes.length === 0) return;
  const targets = transfers.filter((transfer) => movesByKeys(transfer, spec.moves)).map(({ to }) => to);
  await Promise.all(
    targets.map(async (target) => {
      const fallen = await fallenBefore(target, nodes).catch((error: unknown) => {
        throw silent(error, target.name);
      });
      const view = viewers.find(({ name }) => name === target.name)?.view ?? [];
      const before = view
        .filter(({ id }) => fallen.includes(id))
        .flatMap((entry) => silentNodes.find((node) => endpoint(node) === endpoint(entry)) ?? [])[0];
      if (before === undefined) return;
      throw new MoveTrouble({
        trouble: 'passes',
        node: target.name,
        words: `it took over from ${before.name}, which does not answer and would take all of its slots back by coming when more have been given to it. Bring ${before.name} back, or say in the spec that it will not come (leaving: lost)`,
      });
    }),
  );
}
