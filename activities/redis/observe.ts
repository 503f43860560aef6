import { wantedSettings } from '../../config/settings.js';
import type { SecretResolver } from '../../config/secrets.js';
import { declaredNodes } from '../../domain/nodes.js';
import type { Observation, ObservedNode, ViewEntry } from '../../domain/observation.js';
import type { ClusterSpec } from '../../domain/spec.js';
import { userName } from '../../domain/users.js';
import { askNode } from './ask-node.js';
import { type Credentials, withNode } from './connection.js';
import { strayKeysOf } from './slots/stray-keys.js';

export interface ObserveRequest {
  readonly spec: ClusterSpec;
  readonly secrets: SecretResolver;
  /** Whether masters count the keys of all slots, to find those that nobody is sent to: `left out` where the next look comes soon. */
  readonly strayKeys?: 'looked for' | 'left out';
}

/**
 * Asks all declared nodes at once, and then the members that they name and the spec does not. Takes as long as the slowest node, at the most
 * the deadline of a command per round.
 * @throws ForgeError SecretUnavailable
 */
export async function observe({ spec, secrets, strayKeys = 'looked for' }: ObserveRequest): Promise<Observation> {
  const password = await secrets(spec.secrets.operator.current);
  const credentials = { user: userName(spec, 'operator'), password };
  const timeoutMs = spec.timings.redisCommandMs;
  const settings = Object.keys(wantedSettings(spec));
  const declared = await Promise.all(
    declaredNodes(spec).map((node) =>
      askNode({ asked: { ...node, declared: true }, credentials, timeoutMs, settings }),
    ),
  );
  const strangers = await Promise.all(
    unaskedMembers(declared).map((entry) =>
      askNode({ asked: stranger(entry), credentials: lives(entry) ? credentials : {}, timeoutMs, settings }),
    ),
  );
  const nodes = [...declared, ...strangers];
  return {
    asOf: new Date().toISOString(),
    nodes: strayKeys === 'left out' ? nodes : await withStrayKeys(nodes, { credentials, timeoutMs }),
  };
}

export interface ExistingCluster {
  readonly address: string;
  readonly port: number;
  readonly credentials: Credentials;
  /** Deadline in milliseconds of connecting, and of each answer. */
  readonly timeoutMs: number;
}

/** Asks every node of an existing cluster, starting at one: whoever a view names is asked, too. */
export async function observeExisting(cluster: ExistingCluster): Promise<Observation> {
  const { credentials, timeoutMs } = cluster;
  const ask = (at: Endpoint) => askNode({ asked: stranger(at), credentials, timeoutMs, settings: [] });
  const nodes: ObservedNode[] = [await ask(cluster)];
  for (let found = unaskedMembers(nodes); found.length > 0; found = unaskedMembers(nodes)) {
    nodes.push(...(await Promise.all(found.map(ask))));
  }
  return { asOf: new Date().toISOString(), nodes: await withStrayKeys(nodes, cluster) };
}

/** Masters that answered are asked once more, for keys in slots that they do not own. One that does not tell is left as it is. */
async function withStrayKeys(
  nodes: readonly ObservedNode[],
  access: Pick<ExistingCluster, 'credentials' | 'timeoutMs'>,
): Promise<ObservedNode[]> {
  return Promise.all(
    nodes.map(async (node) => {
      if (!node.answered || node.role !== 'master') return node;
      const counting = withNode({ ...node, ...access }, (connection) =>
        strayKeysOf(node, (commands) => connection.pipeline(commands)),
      );
      return counting.then((strayKeys) => ({ ...node, strayKeys })).catch(() => node);
    }),
  );
}

type Endpoint = Pick<ViewEntry, 'address' | 'port'>;

/** Members in somebody's view that have neither answered under their ID nor been asked at their address. */
function unaskedMembers(nodes: readonly ObservedNode[]): ViewEntry[] {
  const asked = new Set(nodes.map(endpointText));
  const answered = new Set(nodes.flatMap((node) => (node.answered ? [node.id] : [])));
  const found = new Map<string, ViewEntry>();
  for (const entry of nodes.flatMap((node) => (node.answered ? node.view : []))) {
    const at = endpointText(entry);
    if (entry.address === '' || answered.has(entry.id) || asked.has(at)) continue;
    const before = found.get(at);
    if (before === undefined || !lives(before)) found.set(at, entry);
  }
  return [...found.values()];
}

/**
 * Whether the bus has this member under its ID: only then is it shown a password. At the address of a member that is gone somebody else's
 * server may listen by now.
 */
function lives(entry: ViewEntry): boolean {
  return entry.link === 'connected' && !entry.flags.some((flag) => /^(fail|fail\?|handshake|noaddr)$/.test(flag));
}

function stranger({ address, port }: Endpoint) {
  return { name: endpointText({ address, port }), host: address, zone: null, address, port, declared: false };
}

function endpointText({ address, port }: Endpoint): string {
  return `${address}:${port}`;
}
