import { ForgeError } from '../../../domain/errors.js';
import { settingOf } from '../connection.js';
import type { MovingNodes } from './mover.js';
import { taken } from './trouble.js';

const SETTING = 'cluster-node-timeout';

interface TimeoutRequest {
  readonly nodes: Pick<MovingNodes, 'send'>;
  /** Names of all nodes: each decides for itself who does not answer. */
  readonly members: readonly string[];
  readonly ms: number;
}

/**
 * Gives all nodes this node timeout, at run time only, where they have another one; what was changed, one line each. Nodes that a crash left with a longer one
 * get the spec's again by the next move's first look; until then it is a finding (ConfigDrift).
 * @throws MoveTrouble where a node does not take it
 */
export async function setNodeTimeout({ nodes, members, ms }: TimeoutRequest): Promise<string[]> {
  const changed = await Promise.allSettled(members.map((name) => setOn({ nodes, name, ms })));
  return changed.flatMap((outcome) => {
    if (outcome.status === 'rejected') throw outcome.reason;
    return outcome.value;
  });
}

async function setOn({ nodes, name, ms }: Pick<TimeoutRequest, 'nodes' | 'ms'> & { readonly name: string }) {
  const [reply] = await taken(name, nodes.send(name, [['CONFIG', 'GET', SETTING]]));
  const before = settingOf(reply);
  if (before === String(ms)) return [];
  await taken(name, nodes.send(name, [['CONFIG', 'SET', SETTING, ms]]));
  return [`${name}: ${SETTING} ${before} → ${ms}`];
}

/** One after the other: what takes longer than a node may be silent. */
export class LongerTimeout {
  #last: Promise<void> = Promise.resolve();

  constructor(private readonly request: Omit<TimeoutRequest, 'ms'> & { readonly wantedMs: number }) {}

  /** Works while all nodes wait for so long; `null`: as they do. @throws MoveTrouble, and what `work` throws */
  async while(ms: number | null, work: () => Promise<void>): Promise<void> {
    const before = this.#last;
    const done = before.then(() => (ms === null ? work() : this.#raised(ms, work)));
    this.#last = done.catch(() => undefined);
    return done;
  }

  async #raised(ms: number, work: () => Promise<void>): Promise<void> {
    const { nodes, members } = this.request;
    try {
      await setNodeTimeout({ nodes, members, ms });
      await work();
    } finally {
      await this.#takeBack();
    }
  }

  /** A node that does not answer now gets it back by the next look. */
  async #takeBack(): Promise<void> {
    const { wantedMs, nodes, members } = this.request;
    for (const name of members) {
      await setNodeTimeout({ nodes, members: [name], ms: wantedMs }).catch((error: unknown) => {
        if (error instanceof ForgeError) throw error;
      });
    }
  }
}
