import { createHash } from 'node:crypto';
import { readdir, readFile, stat } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { type NodeConnection, withNode } from '../../activities/redis/connection.js';
import { createSecretResolver } from '../../config/secrets.js';
import { type DeclaredNode, declaredNodes } from '../../domain/nodes.js';
import type { Stage } from './e2e.js';

/** All that an operation could change, by name: files, records, journals, processes; settings, users and topology of every node. */
export async function stateOf(stage: Stage): Promise<Record<string, string>> {
  const hosts = await Promise.all(stage.lab.hosts.map(({ root }) => filesBelow(root)));
  const nodes = await Promise.all(declaredNodes(stage.spec).map((node) => nodeState(stage, node)));
  return Object.assign({}, ...hosts, ...nodes) as Record<string, string>;
}

export interface RefusalLine {
  readonly step: string;
  readonly why: string;
}

/** Who was refused on the hosts for coming too late. */
export async function refusalsOn(stage: Stage): Promise<RefusalLine[]> {
  const texts = await Promise.all(
    stage.lab.hosts.map(({ root }) => readFile(join(root, 'record/refusals'), 'utf8').catch(() => '')),
  );
  return texts
    .flatMap((text) => text.split('\n'))
    .filter((line) => line !== '')
    .map((line) => {
      const [, , step = '', , why = ''] = line.split('\t');
      return { step, why };
    });
}

/** What a node writes by itself, and what a refusal leaves. */
const OWN = /\/(data|log)\/|record\/(refusals|lock|attempts\/.*)$/;

async function filesBelow(root: string): Promise<Record<string, string>> {
  const entries = await readdir(root, { recursive: true, withFileTypes: true }).catch(() => []);
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  const states = files
    .filter((file) => !OWN.test(file))
    .map(async (file) => {
      const [content, { mode }] = await Promise.all([readFile(file), stat(file)]);
      const digest = createHash('sha256').update(content).digest('hex');
      return [`${root.split('/').at(-1)}/${relative(root, file)}`, `${mode.toString(8)} ${digest}`] as const;
    });
  return Object.fromEntries(await Promise.all(states));
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
