import { createHash } from 'node:crypto';
import { hostPaths, nodePaths, unitTemplate } from '../domain/nodes.js';
import type { ClusterSpec, HostSpec } from '../domain/spec.js';

/** The template unit of a cluster's nodes on one host. It holds no secret. */
export interface RenderedUnit {
  readonly name: string;
  readonly content: string;
  /** Hex. */
  readonly sha256: string;
}

/**
 * A node that stops may write all of its memory to disk first, and systemd kills it when this time is over: a slow disk takes 20 MiB in a second, and a
 * minute is for what else there is to do.
 */
const SLOWEST_DISK_BYTES_PER_SECOND = 20 * 2 ** 20;
const STOP_BASE_SECONDS = 60;

/** The unit of the service method `systemd`; `null` where the spec has another one. The same spec gives the same bytes; docs/service-methods.md has the reasons. */
export function renderUnit(spec: ClusterSpec, host: HostSpec): RenderedUnit | null {
  if (spec.service.method !== 'systemd') return null;
  const content = `${lines(spec, spec.service.user, host).join('\n')}\n`;
  return { name: unitTemplate(spec), content, sha256: createHash('sha256').update(content).digest('hex') };
}

/** `%i` is the instance: the node's port. The root has no character that systemd reads as more than itself (domain/spec-rules-service.ts). */
function lines(spec: ClusterSpec, user: string, host: HostSpec): string[] {
  const { root, helper } = hostPaths(host);
  const { data, logs } = nodePaths(host, '%i');
  return [
    `# Nodes of cluster ${spec.name}. Written by RedisForge from the spec: changes made here are found and undone.`,
    `# uid ${spec.uid}`,
    '[Unit]',
    `Description=Redis node %i of cluster ${spec.name}`,
    'Wants=network-online.target',
    'After=network-online.target',
    `RequiresMountsFor=${data}`,
    // Ten starts a day by itself: a node that fails each time does not try for ever.
    'StartLimitIntervalSec=86400',
    'StartLimitBurst=10',
    '',
    '[Service]',
    // Not notify: many builds of the engines have no libsystemd, and would wait for ever to be ready.
    'Type=exec',
    // Any exit code from 1 to 254 leaves the unit inactive, without a restart.
    `ExecCondition=+${helper} --root ${root} node guard %i`,
    `ExecStart=${helper} --root ${root} node run %i`,
    `User=${user}`,
    'Restart=on-failure',
    'RestartSec=5',
    'TimeoutStartSec=infinity',
    `TimeoutStopSec=${stopSeconds(spec)}`,
    'KillMode=mixed',
    `LimitNOFILE=${spec.redis.nofile}`,
    'OOMScoreAdjust=-500',
    // A child that writes a dump may be killed for its memory; its node goes on.
    'OOMPolicy=continue',
    'UMask=0077',
    '',
    'NoNewPrivileges=yes',
    'CapabilityBoundingSet=',
    'AmbientCapabilities=',
    'ProtectSystem=strict',
    `ReadWritePaths=${data} ${logs}`,
    'ProtectHome=yes',
    'PrivateTmp=yes',
    'PrivateDevices=yes',
    'ProtectProc=invisible',
    'ProtectClock=yes',
    'ProtectHostname=yes',
    'ProtectKernelLogs=yes',
    'ProtectKernelModules=yes',
    'ProtectKernelTunables=yes',
    'ProtectControlGroups=yes',
    'RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX',
    'RestrictNamespaces=yes',
    'RestrictRealtime=yes',
    'RestrictSUIDSGID=yes',
    'LockPersonality=yes',
    'MemoryDenyWriteExecute=yes',
    'SystemCallArchitectures=native',
    '',
    '[Install]',
    'WantedBy=multi-user.target',
  ];
}

function stopSeconds({ redis }: ClusterSpec): number {
  return STOP_BASE_SECONDS + Math.ceil(redis.maxmemoryBytes / SLOWEST_DISK_BYTES_PER_SECOND);
}
