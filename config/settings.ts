import { parseSize } from './units.js';
import { capabilitiesOf } from '../domain/capabilities.js';
import type { ClusterSpec, EngineSpec } from '../domain/spec.js';

/** The settings of every node that the spec decides, by directive, in the form in which CONFIG GET prints them. No secrets. */
export function nodeSettings(spec: ClusterSpec): Record<string, string> {
  const { redis, persistence, engine } = spec;
  return known(engine, {
    'protected-mode': yesNo(redis.protectedMode),
    'cluster-node-timeout': String(redis.nodeTimeoutMs),
    'cluster-require-full-coverage': yesNo(redis.requireFullCoverage),
    // Placement is ours: a replica that moves by itself would undo it.
    ...replicaMigration(spec),
    // Recovery to a point in time needs the times in the log from its first line on.
    'aof-timestamp-enabled': 'yes',
    maxmemory: String(redis.maxmemoryBytes),
    'maxmemory-policy': redis.maxmemoryPolicy,
    maxclients: String(redis.maxclients),
    'min-replicas-to-write': String(redis.minReplicasToWrite),
    'min-replicas-max-lag': String(redis.minReplicasMaxLagSeconds),
    'repl-backlog-size': String(redis.replBacklogBytes),
    // Redis's own default, written down: forming a cluster lowers it for a moment, and a crash may leave it so.
    'repl-diskless-sync-delay': '5',
    appendonly: yesNo(persistence.appendonly),
    appendfsync: persistence.appendfsync,
    save: persistence.save,
  });
}

/** Redis before 7.0 has no switch for it, only the number of replicas that a master has to keep before one of them moves; 1 is its own default. */
function replicaMigration({ redis, engine: { kind, version } }: ClusterSpec): Record<string, string> {
  const isFree = redis.replicaMigration === 'free';
  const { unknownDirectives } = capabilitiesOf({ engine: kind, version });
  return unknownDirectives.has('cluster-allow-replica-migration')
    ? { 'cluster-migration-barrier': isFree ? '1' : '1000000' }
    : { 'cluster-allow-replica-migration': yesNo(isFree) };
}

/** The settings to compare with CONFIG GET: those of `nodeSettings`, and those of `redis.extra` that CONFIG GET prints as they were written. */
export function wantedSettings(spec: ClusterSpec): Record<string, string> {
  const extra = Object.entries(spec.redis.extra)
    .filter(([name, value]) => !PRINTED_OTHERWISE.has(name) && ONE_PLAIN_WORD.test(value))
    .map(([name, value]) => [name, asPrinted(value)] as const);
  return { ...nodeSettings(spec), ...Object.fromEntries(extra) };
}

/** CONFIG GET gives these in other words than they were set with, or not at all; or they are secret and shown to nobody. */
const PRINTED_OTHERWISE: ReadonlySet<string> = new Set([
  'client-output-buffer-limit',
  'loadmodule',
  'notify-keyspace-events',
  'syslog-facility',
  'tls-client-key-file-pass',
  'tls-key-file-pass',
  'unixsocketperm',
]);

/** Values of several words, or with quotes, come back in a form of Redis's own. */
const ONE_PLAIN_WORD = /^(""|[^\s"']*)$/;

function asPrinted(value: string): string {
  const unquoted = value === '""' ? '' : value;
  const bytes = /^\d+[kmg]b?$/i.test(unquoted) ? parseSize(unquoted) : null;
  return bytes === null ? unquoted : String(bytes);
}

function yesNo(on: boolean): string {
  return on ? 'yes' : 'no';
}

/** Not every server starts with all of them. */
function known({ kind, version }: EngineSpec, settings: Record<string, string>): Record<string, string> {
  const { unknownDirectives } = capabilitiesOf({ engine: kind, version });
  return Object.fromEntries(Object.entries(settings).filter(([name]) => !unknownDirectives.has(name)));
}
