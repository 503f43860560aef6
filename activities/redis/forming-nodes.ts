import { type Capabilities, capabilitiesOf } from '../../domain/capabilities.js';
import { STAND_IN_HOLD } from '../../domain/formation-tuning.js';
import type { FormationAction, FormationInput, FormingNode } from '../../domain/formation.js';
import { type DeclaredNode, declaredNodes } from '../../domain/nodes.js';
import type { SilentNode } from '../../domain/observation.js';
import { eachSlot } from '../../domain/ownership.js';
import { parseInfo, readClusterInfo, readIdentity, readReplication } from '../../domain/parse-info.js';
import { myselfIn, parseClusterNodes } from '../../domain/parse-nodes.js';
import type { ClusterSpec } from '../../domain/spec.js';
import { ForgeError } from '../../domain/errors.js';
import {
  type Command,
  connectNode,
  countOf,
  type Credentials,
  type NodeConnection,
  type Reply,
  settingOf,
  textOf,
} from './connection.js';
import { nodeFailure } from './failure.js';
import { isLetGo } from './fence.js';
import { silenceOf } from './silence.js';

type FormationNodes = FormationInput['observation']['nodes'];

/** Who works on the nodes. */
export interface Access {
  readonly credentials: Credentials;
  /** Called where a node does not know the user any more, before it is tried once more. @throws ForgeError Fenced where a newer attempt is the reason */
  readonly raiseAgain: (node: string) => Promise<void>;
}

/** The declared nodes with one open connection each, for as long as a formation takes: it asks them every few milliseconds. */
export class FormingNodes {
  readonly #connections = new Map<string, NodeConnection>();
  readonly #capabilities = new Map<string, Capabilities>();
  readonly #declared: readonly DeclaredNode[];

  constructor(
    private readonly spec: ClusterSpec,
    private readonly access: Access,
  ) {
    this.#declared = declaredNodes(spec);
  }

  /** What a formation has to know of each node; a lost connection is opened again. */
  async look(): Promise<FormationNodes> {
    return Promise.all(this.#declared.map((node) => this.#lookAt(node)));
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

  /** Sends commands to one node in one round trip. @throws NodeSilent; ForgeError Fenced where a newer attempt is at work */
  async send(name: string, commands: readonly Command[]): Promise<Reply[]> {
    const connection = await this.#connection(name);
    try {
      return await connection.pipeline(commands);
    } catch (error) {
      connection.close();
      this.#connections.delete(name);
      throw error;
    }
  }

  /** As `send`, with a failure for people. @throws ForgeError NodeUnreachable, NodeAuthFailed */
  async mustSend(name: string, commands: readonly Command[]): Promise<Reply[]> {
    try {
      return await this.send(name, commands);
    } catch (error) {
      throw nodeFailure(error, name);
    }
  }

  /** What one node can do. Asked once for each. @throws NodeSilent */
  async capabilitiesOf(name: string): Promise<Capabilities> {
    const known = this.#capabilities.get(name);
    if (known !== undefined) return known;
    const [info] = await this.send(name, [['INFO', 'server']]);
    const capabilities = capabilitiesOf(readIdentity(parseInfo(textOf(info))));
    this.#capabilities.set(name, capabilities);
    return capabilities;
  }

  close(): void {
    for (const connection of this.#connections.values()) connection.close();
    this.#connections.clear();
  }

  async #connection(name: string): Promise<NodeConnection> {
    const open = this.#connections.get(name);
    if (open !== undefined) return open;
    const node = this.#declared.find((candidate) => candidate.name === name);
    if (node === undefined) throw new Error(`${name} is no node of ${this.spec.name}`);
    const connection = await this.#connect(node);
    this.#connections.set(name, connection);
    return connection;
  }

  /** A node that was started anew has its users from the file, where ours is not. */
  async #connect(node: DeclaredNode): Promise<NodeConnection> {
    const { credentials, raiseAgain } = this.access;
    const target = { ...node, credentials, timeoutMs: this.spec.timings.redisCommandMs };
    try {
      return await connectNode(target);
    } catch (error) {
      if (!isLetGo(error)) throw error;
      await raiseAgain(node.name);
      return connectNode(target);
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
