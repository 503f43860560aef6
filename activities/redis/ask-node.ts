import type { AnsweringNode, ObservedNode, SilentNode } from '../../domain/observation.js';
import { readNode } from '../../domain/read-node.js';
import { type Command, countOf, type Credentials, NodeConnection, type Reply, textOf, valueOf } from './connection.js';
import { silenceOf } from './silence.js';

/** Who is asked, in the observation's words. */
type Asked = Pick<SilentNode, 'name' | 'host' | 'zone' | 'address' | 'port' | 'declared'>;

export interface Question {
  readonly asked: Asked;
  readonly credentials: Credentials;
  /** Deadline in milliseconds of connecting, and of the answer. */
  readonly timeoutMs: number;
  /** Names of the running settings that are wanted; a node that does not know one leaves it out. */
  readonly settings: readonly string[];
}

const QUESTIONS: readonly Command[] = [
  ['CLUSTER', 'NODES'],
  ['CLUSTER', 'INFO'],
  ['CLUSTER', 'MYID'],
  ['INFO'],
  ['DBSIZE'],
];

/** Asks one node everything in one round trip. Never throws: a node that does not answer is a part of the picture. */
export async function askNode({ asked, credentials, timeoutMs, settings }: Question): Promise<ObservedNode> {
  try {
    const node = await NodeConnection.open({ ...asked, credentials, timeoutMs });
    try {
      return { ...asked, answered: true, ...(await answers(node, settings)) };
    } finally {
      node.close();
    }
  } catch (error) {
    const { silence, detail } = silenceOf(error);
    return { ...asked, answered: false, silence, detail };
  }
}

/** The first PING goes before the login: its answer tells whether anyone is let in. */
async function answers(node: NodeConnection, settings: readonly string[]) {
  const login = node.login();
  const wanted = settings.map((name): Command => ['CONFIG', 'GET', name]);
  const [ping, ...rest] = await node.pipeline([['PING'], ...login, ...QUESTIONS, ...wanted]);
  for (const reply of rest.splice(0, login.length)) valueOf(reply);
  const [nodes, clusterInfo, id, info, keys, ...config] = rest;
  return {
    ...readNode({
      clusterNodes: textOf(nodes),
      clusterInfo: textOf(clusterInfo),
      myId: textOf(id),
      info: textOf(info),
    }),
    keys: countOf(keys),
    settings: runningSettings(settings, config),
    openToAnyone: ping?.ok === true,
  } satisfies Partial<AnsweringNode>;
}

/** CONFIG GET answers with name and value in turn, and with nothing for a name that it does not know. */
function runningSettings(names: readonly string[], replies: readonly Reply[]): Record<string, string> {
  const settings: Record<string, string> = {};
  names.forEach((name, i) => {
    const reply = replies[i];
    const pair: unknown = reply?.ok === true ? reply.value : [];
    if (Array.isArray(pair) && typeof pair[1] === 'string') settings[name] = pair[1];
  });
  return settings;
}
