import { rm } from 'node:fs/promises';
import type { ShapeSpec } from '../../domain/spec.js';
import type { ReshapeStage } from '../support/reshape-stage.js';
import { until } from '../support/until.js';

/** Which hosts are in the cluster and which wait: the matrix takes it round and round. */
export interface Roster {
  hosts: readonly string[];
  spares: readonly string[];
}

export interface ReshapePlan {
  readonly verb: readonly string[];
  /** The spec that it runs with. */
  readonly file: string;
  /** The spec that holds afterwards, where it is another one; and who is in it. */
  readonly after?: string;
  readonly roster: Roster;
  /** What has to be so before the next one; run when it is done and proven. */
  readonly tidy?: () => Promise<void>;
}

/** An operation of the matrix that changes the shape of a cluster; one after the other they bring it back to where it began. */
export interface ReshapeOperation {
  readonly name: string;
  /** Brings the world to where it begins, and says what is run. */
  prepare(stage: ReshapeStage, roster: Roster): Promise<ReshapePlan>;
}

const SMALL: ShapeSpec = { masters: 3, replicasPerMaster: 1 };
const LARGE: ShapeSpec = { masters: 4, replicasPerMaster: 1 };
const EVEN = { by: 'slots', threshold: 2 };

export const GROWING: ReshapeOperation = {
  name: 'add a master and its replica',
  async prepare(stage, { hosts, spares }) {
    const roster = { hosts: [...hosts, ...spares.slice(0, 2)], spares: spares.slice(2) };
    const file = await stage.specWith({
      hosts: roster.hosts,
      shape: LARGE,
      change: (document) => document.set('balance', document.createNode(EVEN)),
    });
    return { verb: ['apply'], file, roster };
  },
};

export const RESHAPE_OPERATIONS: readonly ReshapeOperation[] = [
  GROWING,
  {
    name: 'rebalance by weights',
    async prepare(stage, roster) {
      const file = await stage.specWith({ hosts: roster.hosts, shape: LARGE });
      const master = (await stage.nodes(file)).find(({ role }) => role === 'master');
      return { verb: ['rebalance', '--weights', `${master?.name}=2`], file, roster };
    },
  },
  {
    name: 'replace a dead host',
    async prepare(stage, { hosts, spares }) {
      const before = await stage.specWith({ hosts, shape: LARGE });
      const nodes = await stage.nodes(before);
      const dead = nodes.find(({ role }) => role === 'master')?.host ?? '';
      const [spare = ''] = spares;
      const host = hostOf(stage, dead);
      await stage.lab.driver.kill(host);
      await until('its replica took over', async () => isCovered(await stage.nodes(before)), 60_000);
      const roster = { hosts: [...hosts.filter((name) => name !== dead), spare], spares: [...spares.slice(1), dead] };
      const leaving = Object.fromEntries(
        nodes.filter((node) => node.host === dead).map((node) => [node.name, 'lost' as const]),
      );
      return {
        verb: ['apply'],
        file: await stage.specWith({ hosts: [...hosts, spare], shape: LARGE, leaving }),
        after: await stage.specWith({ hosts: roster.hosts, shape: LARGE }),
        roster,
        tidy: () => asNew(stage, dead),
      };
    },
  },
  {
    name: 'remove a master and its replica',
    async prepare(stage, { hosts, spares }) {
      const nodes = await stage.nodes(await stage.specWith({ hosts, shape: LARGE }));
      const master = nodes.find(({ role }) => role === 'master');
      const leave = nodes.filter(({ id, masterId }) => id === master?.id || masterId === master?.id);
      const gone = leave.map(({ host }) => host);
      const roster = { hosts: hosts.filter((name) => !gone.includes(name)), spares: [...spares, ...gone] };
      const leaving = Object.fromEntries(leave.map(({ name }) => [name, 'drain' as const]));
      return {
        verb: ['apply'],
        file: await stage.specWith({ hosts, shape: SMALL, leaving }),
        after: await stage.specWith({ hosts: roster.hosts, shape: SMALL }),
        roster,
        tidy: async () => {
          for (const name of gone) await asNew(stage, name);
        },
      };
    },
  },
];

function isCovered(nodes: Awaited<ReturnType<ReshapeStage['nodes']>>): boolean {
  const owned = nodes
    .filter(({ role, answered }) => role === 'master' && answered)
    .flatMap(({ slots }) => slots)
    .reduce((sum, [from, to]) => sum + to - from + 1, 0);
  return owned === 16_384;
}

function hostOf(stage: ReshapeStage, name: string) {
  const host = stage.lab.hosts.find((one) => one.name === name);
  if (host === undefined) throw new Error(`the lab has no host ${name}`);
  return host;
}

/** Another machine in its place: nothing of before is on it. */
async function asNew(stage: ReshapeStage, name: string): Promise<void> {
  const host = hostOf(stage, name);
  await stage.lab.driver.kill(host);
  await rm(host.root, { recursive: true, force: true });
  await stage.lab.driver.prepare(host);
  await stage.lab.driver.start(host);
}
