import type { Capabilities } from '../../domain/capabilities.js';
import { STAND_IN_HOLD } from '../../domain/formation-tuning.js';
import type { FormationAction, FormationInput, FormingNode } from '../../domain/formation.js';
import type { DeclaredNode } from '../../domain/nodes.js';
import type { SilentNode } from '../../domain/observation.js';
import { eachSlot } from '../../domain/ownership.js';
import { parseInfo, readClusterInfo, readReplication } from '../../domain/parse-info.js';
import { myselfIn, parseClusterNodes } from '../../domain/parse-nodes.js';
import type { ClusterSpec } from '../../domain/spec.js';
import { ForgeError } from '../../domain/errors.js';
import { type Command, countOf, type Reply, settingOf, textOf } from './connection.js';
import { type Access, OpenNodes } from './open-nodes.js';
import { silenceOf } from './silence.js';

type FormationNodes = FormationInput['observation']['nodes'];

/** The declared nodes as a formation asks them, every few milliseconds. */
export class FormingNodes extends OpenNodes {
  constructor(spec: ClusterSpec, access: Access) {
    super({ spec, access });
  }

  /** What a formation has to know of each node; a lost connection is opened again. */
  async look(): Promise<FormationNodes> {
    return Promise.all(this.declared.map((node) => this.#lookAt(node)));
  }

  async #lookAt(node: DeclaredNode): Promise<FormationNodes[number]> {
    const asked = { ...node, declared: true };
    try {
      const replies = await this.send(node.name, [
        ['CLUSTER', 'NODES'],
        ['CLUSTER', 'INFO'],
        ['INFO', 'replication'],
        ['DBSIZE'],
        ['CONFIG', 'GET', STAND_IN_HOLD.setting],
      ]);
      return { ...asked, answered: true, ...readLook(replies) };
    } catch (error) {
      if (error instanceof ForgeError && error.type === 'Fenced') throw error;
      const { silence } = silenceOf(error);
      return { ...asked, answered: false, silence } satisfies Partial<SilentNode>;
    }
  }
}

function readLook([nodes, clusterInfo, replication, keys, hold]: readonly Reply[]) {
  const view = parseClusterNodes(textOf(nodes));
  return {
    id: myselfIn(view),
    view,
    clusterState: readClusterInfo(parseInfo(textOf(clusterInfo))).clusterState,
    replication: readReplication(parseInfo(textOf(replication))),
    keys: countOf(keys),
    settings: { [STAND_IN_HOLD.setting]: settingOf(hold) },
  } satisfies Partial<FormingNode>;
}

/** The command of an action, as this server knows it. */
export function commandOf(action: FormationAction, { slotRanges }: Pick<Capabilities, 'slotRanges'>): Command {
  switch (action.kind) {
    case 'setConfigEpoch':
      return ['CLUSTER', 'SET-CONFIG-EPOCH', action.epoch];
    case 'holdWrites':
      return ['CONFIG', 'SET', STAND_IN_HOLD.setting, STAND_IN_HOLD.value];
    case 'addSlots':
      return slotRanges
        ? ['CLUSTER', 'ADDSLOTSRANGE', ...action.ranges.flat()]
        : ['CLUSTER', 'ADDSLOTS', ...eachSlot(action.ranges)];
    case 'meet':
      return ['CLUSTER', 'MEET', action.address, action.port];
    case 'replicate':
      return ['CLUSTER', 'REPLICATE', action.masterId];
    case 'takeOver':
      // Without the votes of the others: they serve nobody yet, and nobody has written anything.
      return ['CLUSTER', 'FAILOVER', 'TAKEOVER'];
    default:
      return action satisfies never;
  }
}

/** What an action did, for the record. */
export function effectOf(action: FormationAction): string {
  switch (action.kind) {
    case 'setConfigEpoch':
      return `${action.node}: config epoch ${action.epoch}`;
    case 'holdWrites':
      return `${action.node} takes no writes until ${action.for} takes over`;
    case 'addSlots':
      return `${action.node}: slots ${action.ranges.map(([from, to]) => `${from}-${to}`).join(' ')}`;
    case 'meet':
      return `${action.node} met ${action.target}`;
    case 'replicate':
      return `${action.node} replicates ${action.master}`;
    case 'takeOver':
      return `${action.node} took over from ${action.from}`;
    default:
      return action satisfies never;
  }
}
