import { type NodeConnection, withNode } from '../../activities/redis/connection.js';
import { createSecretResolver } from '../../config/secrets.js';
import { type DeclaredNode, declaredNodes } from '../../domain/nodes.js';
import type { LabHost } from '../../lab/driver.js';
import type { Stage } from './e2e.js';

/** All that an operation could change, by name: files, links, records, journals, engines, processes; settings, users and topology of every node. */
export async function stateOf(stage: Stage): Promise<Record<string, string>> {
  const hosts = await Promise.all(stage.lab.hosts.map((host) => filesOn(stage, host)));
  const nodes = await Promise.all(declaredNodes(stage.spec).map((node) => nodeState(stage, node)));
  return Object.assign({}, ...hosts, ...nodes) as Record<string, string>;
}

export interface RefusalLine {
  readonly generation: number;
  readonly step: string;
  readonly why: string;
}

/** Who was refused on the hosts for coming too late. Read without the helper, which is gone where a host was given back. */
export async function refusalsOn(stage: Stage): Promise<RefusalLine[]> {
  const texts = await Promise.all(
    stage.lab.hosts.map((host) => stage.onHost(host, ['cat', `${host.root}/record/refusals`]).catch(() => '')),
  );
  return texts.flatMap(refusalLines);
}

/** As the host writes them, and its verb `refusals` prints them. */
export function refusalLines(text: string): RefusalLine[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      const [, generation = '', step = '', , why = ''] = line.split('\t');
      return { generation: Number(generation), step, why };
    });
}

/** Mode and content of each file, and where each link points to; without what a node writes by itself, and what a refusal leaves. */
const LIST_FILES = `cd "$1" 2>/dev/null || exit 0
set -- . '(' -path './nodes/*/data' -o -path './nodes/*/log' -o -path ./record/refusals -o -path ./record/lock -o -path ./record/attempts ')' -prune -o
find "$@" '(' -type f -o -type l ')' -printf '%P\\t%m %l\\n'
find "$@" -type f -exec sha256sum {} + | sed 's|^\\([0-9a-f]*\\)  ./\\(.*\\)|content of \\2\\t\\1|'`;

async function filesOn(stage: Stage, host: LabHost): Promise<Record<string, string>> {
  const listed = await stage.onHost(host, ['sh', '-c', LIST_FILES, 'sh', host.root]);
  const entries = listed.split('\n').map((line) => line.split('\t'));
  return Object.fromEntries(entries.map(([name = '', state = '']) => [`${host.name} ${name}`, state]));
}

/** Works on a node as the user who may do everything. */
export async function asAdminOf<T>(
  { spec }: Stage,
  node: DeclaredNode,
  work: (connection: NodeConnection) => Promise<T>,
): Promise<T> {
  const password = await createSecretResolver({ env: process.env, machine: 'the test' })(spec.secrets.admin.current);
  return withNode({ ...node, credentials: { user: 'admin', password }, timeoutMs: 5000 }, work);
}

async function nodeState(stage: Stage, node: DeclaredNode): Promise<Record<string, string>> {
  const text = await asAdminOf(stage, node, async (connection) => {
    const config = await connection.ask('CONFIG', 'GET', '*');
    const users = await connection.ask('ACL', 'LIST');
    const cluster = String(await connection.ask('CLUSTER', 'NODES'));
    return { config: String(config), users: (users as string[]).sort().join('\n'), cluster: topology(cluster) };
  }).catch(() => ({ config: 'down', users: 'down', cluster: 'down' }));
  return Object.fromEntries(Object.entries(text).map(([part, value]) => [`${node.name} ${part}`, value]));
}

/** Who is what, without the times of the last signs of life. */
function topology(text: string): string {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => line.split(' '))
    .map(([id, address, flags, master, , , epoch, , ...slots]) =>
      [id, address, flags, master, epoch, ...slots].join(' '),
    )
    .sort()
    .join('\n');
}
