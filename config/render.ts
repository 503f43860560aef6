import { createHash } from 'node:crypto';
import { serverOf } from '../domain/install.js';
import { nodePaths, unitName } from '../domain/nodes.js';
import type { ClusterSpec, HostSpec } from '../domain/spec.js';
import type { NodeFileRole } from '../domain/survey.js';
import { userName } from '../domain/users.js';
import { renderUsers } from './render-users.js';
import { confValue } from './redis-quote.js';
import type { NodeSecrets } from './secrets.js';
import { nodeSettings } from './settings.js';

export { wantedSettings } from './settings.js';

/** A file as it has to be on the host. redis.conf holds the replication secret: show `sha256`, never `content`. */
export interface RenderedFile {
  readonly role: NodeFileRole;
  /** Absolute, on the host. */
  readonly path: string;
  /** As chmod takes it; or with owner and the account whose group it gets, as the host helper takes it. */
  readonly mode: string;
  readonly content: string;
  /** Hex. */
  readonly sha256: string;
}

export interface RenderRequest {
  readonly spec: ClusterSpec;
  readonly host: HostSpec;
  readonly port: number;
  readonly secrets: NodeSecrets;
}

/** All files of one node. The same request gives the same bytes. */
export function renderNodeFiles(request: RenderRequest): RenderedFile[] {
  const { spec, host, port, secrets } = request;
  const paths = nodePaths(host, port);
  return [
    file('config', paths.config, renderConfig(request, { settings: nodeSettings(spec), extra: spec.redis.extra })),
    file('acl', paths.acl, renderUsers(spec, secrets)),
    file('service', paths.service, renderService(spec, port, [serverOf(spec, host, port), paths.config])),
  ].map((rendered) => ({ ...rendered, mode: nodeModes(spec).file }));
}

/** The command of a node, an argument a line; before it, where systemd runs it, the unit. */
function renderService({ name, service }: ClusterSpec, port: number, argv: readonly string[]): string {
  const manager = service.method === 'systemd' ? [`systemd ${unitName({ name }, port)}`] : [];
  return `${[...manager, ...argv].join('\n')}\n`;
}

/** Modes of what a node has, as the host helper takes them. Under systemd a node has an account of its own, which may change only data and log. */
export function nodeModes({ service }: ClusterSpec) {
  if (service.method !== 'systemd') return { shared: '700', home: '700', own: '700', run: '700', file: '600' };
  const { user } = service;
  return { shared: '711', home: `750:root:${user}`, own: `700:${user}:${user}`, run: '700', file: `640:root:${user}` };
}

/**
 * Digests that redis.conf would have if the spec said of these settings what the node runs with: with their lines in `redis.extra`, and without, as
 * before somebody wrote them there.
 */
export function configsAsRunning(request: RenderRequest, running: Readonly<Record<string, string>>): string[] {
  const extra = Object.entries(request.spec.redis.extra);
  const settings = asRunning(Object.entries(nodeSettings(request.spec)), running);
  const before = extra.filter(([name]) => running[name] === undefined);
  return [asRunning(extra, running), Object.fromEntries(before)].map((lines) =>
    digest(renderConfig(request, { settings, extra: lines })),
  );
}

function asRunning(settings: readonly (readonly [string, string])[], running: Readonly<Record<string, string>>) {
  return Object.fromEntries(settings.map(([name, value]) => [name, running[name] ?? value]));
}

function file(role: NodeFileRole, path: string, content: string): Omit<RenderedFile, 'mode'> {
  return { role, path, content, sha256: digest(content) };
}

function digest(content: string): string {
  return createHash('sha256').update(content).digest('hex');
}

interface ConfigLines {
  readonly settings: Readonly<Record<string, string>>;
  readonly extra: Readonly<Record<string, string>>;
}

function renderConfig({ spec, host, port, secrets }: RenderRequest, { settings, extra }: ConfigLines): string {
  const paths = nodePaths(host, port);
  const directive = (name: string, value: string) => `${name} ${confValue(value)}`;
  return `${[
    `# Cluster ${spec.name}, node ${host.name}:${port}. Written by RedisForge from the spec: changes made here are found and undone.`,
    directive('bind', host.address),
    directive('port', String(port)),
    directive('cluster-announce-ip', host.address),
    // A host may have several addresses: masters and people know this node by the declared one.
    directive('replica-announce-ip', host.address),
    'daemonize no',
    directive('dir', paths.data),
    directive('logfile', paths.log),
    directive('aclfile', paths.acl),
    'cluster-enabled yes',
    'cluster-config-file nodes.conf',
    '',
    '# What a replica says to its master; its rights are in the ACL file.',
    directive('masteruser', userName(spec, 'replication')),
    directive('masterauth', secrets.replication.current.reveal()),
    '',
    ...Object.entries(settings).map(([name, value]) => directive(name, value)),
    ...extraLines(extra),
  ].join('\n')}\n`;
}

/** Directives of the spec's own: their values are several arguments, so they are written as they are (the spec's check keeps them to one line). */
function extraLines(extra: ConfigLines['extra']): string[] {
  const entries = Object.entries(extra);
  if (entries.length === 0) return [];
  return ['', '# redis.extra of the spec', ...entries.map(([name, value]) => `${name} ${value === '' ? '""' : value}`)];
}
