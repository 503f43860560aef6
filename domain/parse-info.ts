import type { ServerIdentity } from './capabilities.js';
import type { AnsweringNode, MasterReplication, ReplicaReplication } from './observation.js';
import { UnreadableAnswer } from './unreadable.js';
import { visibleLine } from './visible.js';

/** The fields of INFO or CLUSTER INFO by name; headings and blank lines are left out. */
export type InfoFields = ReadonlyMap<string, string>;

/**
 * Reads the `name:value` lines of INFO and CLUSTER INFO. Never fails: what is missing is said by whoever needs it. A field that stands there twice with two
 * values is left out: nobody could say which of them is true.
 */
export function parseInfo(text: string): InfoFields {
  const fields = new Map<string, string>();
  const doubtful = new Set<string>();
  for (const line of text.split(/\r?\n/)) {
    const colon = line.indexOf(':');
    if (colon <= 0 || line.startsWith('#')) continue;
    const [name, value] = [line.slice(0, colon), line.slice(colon + 1)];
    if ((fields.get(name) ?? value) !== value) doubtful.add(name);
    fields.set(name, value);
  }
  for (const name of doubtful) fields.delete(name);
  return fields;
}

/** What a server says of itself in INFO. @throws UnreadableAnswer where a field that every version has is missing. */
export function readServerInfo(
  info: InfoFields,
): Pick<
  AnsweringNode,
  | 'engine'
  | 'version'
  | 'role'
  | 'usedMemoryBytes'
  | 'maxmemoryBytes'
  | 'uptimeSeconds'
  | 'connectedClients'
  | 'replication'
> {
  const replication = readReplication(info);
  return {
    ...readIdentity(info),
    role: replication.role,
    usedMemoryBytes: count(info, 'used_memory'),
    maxmemoryBytes: count(info, 'maxmemory'),
    uptimeSeconds: count(info, 'uptime_in_seconds'),
    connectedClients: count(info, 'connected_clients'),
    replication,
  };
}

/** Valkey says a version of Redis too, the one that it began as. @throws UnreadableAnswer */
export function readIdentity(info: InfoFields): ServerIdentity {
  const isValkey = info.has('valkey_version');
  return {
    engine: isValkey ? 'valkey' : 'redis',
    version: version(info, isValkey ? 'valkey_version' : 'redis_version'),
  };
}

/** The replication section of INFO. @throws UnreadableAnswer */
export function readReplication(info: InfoFields): MasterReplication | ReplicaReplication {
  const role = text(info, 'role');
  if (role === 'master') {
    return { role: 'master', offset: count(info, 'master_repl_offset'), replicas: attachedReplicas(info) };
  }
  if (role !== 'slave') throw new UnreadableAnswer('INFO', `role:${role}`);
  return {
    role: 'replica',
    masterAddress: address(text(info, 'master_host')),
    masterPort: count(info, 'master_port'),
    link: info.get('master_link_status') === 'up' ? 'up' : 'down',
    syncing: info.get('master_sync_in_progress') === '1',
    ...syncedBytes(info.get('master_sync_read_bytes')),
    // Missing until the first sync with a master.
    offset: Math.max(0, whole('slave_repl_offset', info.get('slave_repl_offset') ?? '0')),
    lastIoSecondsAgo: whole('master_last_io_seconds_ago', info.get('master_last_io_seconds_ago') ?? '-1'),
  };
}

/** Printed only while a full sync is under way. */
function syncedBytes(digits: string | undefined): Pick<ReplicaReplication, 'syncedBytes'> {
  return digits === undefined ? {} : { syncedBytes: whole('master_sync_read_bytes', digits) };
}

function attachedReplicas(info: InfoFields): MasterReplication['replicas'] {
  return [...info]
    .filter(([name]) => /^slave\d+$/.test(name))
    .map(([, line]) => {
      const fields = new Map(line.split(',').map((pair) => [pair.slice(0, pair.indexOf('=')), valueOf(pair)]));
      return {
        address: address(fields.get('ip') ?? ''),
        port: whole('port', fields.get('port') ?? '0'),
        state: visibleLine(fields.get('state') ?? ''),
        offset: whole('offset', fields.get('offset') ?? '0'),
      };
    });
}

function valueOf(pair: string): string {
  return pair.slice(pair.indexOf('=') + 1);
}

/** CLUSTER INFO as far as the verdict needs it. @throws UnreadableAnswer */
export function readClusterInfo(info: InfoFields): Pick<AnsweringNode, 'clusterState' | 'currentEpoch' | 'slotTasks'> {
  return {
    clusterState: text(info, 'cluster_state') === 'ok' ? 'ok' : 'fail',
    currentEpoch: count(info, 'cluster_current_epoch'),
    slotTasks: whole('slot tasks', info.get('cluster_slot_migration_active_tasks') ?? '0'),
  };
}

function text(info: InfoFields, name: string): string {
  const value = info.get(name);
  if (value === undefined) throw new UnreadableAnswer('INFO', `no field ${name}`);
  return value;
}

function count(info: InfoFields, name: string): number {
  const value = whole(name, text(info, name));
  if (value < 0) throw new UnreadableAnswer('INFO', `${name}:${value}`);
  return value;
}

/** As far as 64 bits go; the last digits of what is above 2^53 are lost. */
function whole(name: string, digits: string): number {
  if (!/^-?\d{1,20}$/.test(digits)) throw new UnreadableAnswer('INFO', `${name}:${digits}`);
  return Number(digits);
}

function version(info: InfoFields, name: string): string {
  const value = text(info, name);
  if (!/^\d[0-9A-Za-z.+~_-]{0,63}$/.test(value)) throw new UnreadableAnswer('INFO', `${name}:${value}`);
  return value;
}

function address(value: string): string {
  if (!/^[0-9A-Za-z._:%-]{0,255}$/.test(value)) throw new UnreadableAnswer('INFO', value);
  return value;
}
