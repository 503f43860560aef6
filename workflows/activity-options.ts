import { proxyActivities } from '@temporalio/workflow';
import type { Activities } from '../activities/index.js';
import { READ_TRIES, type Read } from '../domain/reads.js';
import type { ClusterSpec } from '../domain/spec.js';

/** The patch: what every operation does on every host is one activity each. Operations from before go on host by host. */
export const ALL_HOSTS = 'all-hosts';

/** Far above the longest batch (domain/move-pace.ts): one that hangs in its last slots is found by its own deadlines before. */
const MOVE_TIMEOUT_MS = 30 * 60_000;

/**
 * Activities by duration class. None has a schedule-to-close timeout: an operation waits for a worker for as long as it takes. Each attempt
 * is bounded, each class has a bound on its attempts, and a dead worker is noticed by the missing heartbeat, not by the long timeout.
 */
export function activitiesFor({ timings, hosts }: ClusterSpec) {
  const heartbeatTimeout = timings.heartbeatMs;
  /** All hosts, so many at a time. */
  const rounds = Math.ceil(hosts.length / timings.hostParallelism);
  return {
    /** Reads, see domain/reads.ts; the worker's interceptor sees to it that a host which is down is not asked so often. */
    read: proxyActivities<Pick<Activities, Read>>({
      startToCloseTimeout: timings.sshConnectMs + timings.commandMs,
      heartbeatTimeout,
      retry: { initialInterval: 250, maximumInterval: 1_000, maximumAttempts: 10 },
    }),
    /** Each host may be asked twice in one attempt. */
    survey: proxyActivities<Pick<Activities, 'surveyHosts'>>({
      startToCloseTimeout: rounds * READ_TRIES * (timings.sshConnectMs + timings.commandMs),
      heartbeatTimeout,
      retry: { initialInterval: 250, maximumInterval: 1_000, maximumAttempts: 10 },
    }),
    /** The same change on all hosts, patient as those on one. */
    all: proxyActivities<Pick<Activities, 'takeLeases' | 'releaseLeases' | 'recordMembers'>>({
      startToCloseTimeout: rounds * (timings.sshConnectMs + timings.commandMs + timings.startMs),
      heartbeatTimeout,
      retry: { initialInterval: 250, maximumInterval: 10_000, maximumAttempts: 10 },
    }),
    /** Changes on one host. They are asked again over a short outage of the host: ten tries, the later ones ten seconds apart. */
    change: proxyActivities<Activities>({
      startToCloseTimeout: timings.sshConnectMs + timings.commandMs + timings.startMs,
      heartbeatTimeout,
      retry: { initialInterval: 250, maximumInterval: 10_000, maximumAttempts: 10 },
    }),
    /** Bringing an engine to a host: the bytes go over, and then a job of the host's own. */
    install: proxyActivities<Activities>({
      startToCloseTimeout: timings.sshConnectMs + 2 * timings.installMs + timings.commandMs,
      heartbeatTimeout,
      retry: { initialInterval: 250, maximumInterval: 10_000, maximumAttempts: 10 },
    }),
    /** A batch of a move ends by itself when its time is over, or when it is cancelled, with what it has done until then. */
    move: proxyActivities<Pick<Activities, 'moveSlots' | 'repairSlots'>>({
      startToCloseTimeout: MOVE_TIMEOUT_MS,
      heartbeatTimeout,
      cancellationType: 'WAIT_CANCELLATION_COMPLETED',
      retry: { initialInterval: 250, maximumInterval: 5_000, maximumAttempts: 20 },
    }),
    /** Forming and proving wait for conditions of the cluster, with their own deadline inside. */
    settle: proxyActivities<Activities>({
      startToCloseTimeout: 2 * timings.formMs + timings.commandMs,
      heartbeatTimeout,
      retry: { initialInterval: 250, maximumInterval: 5_000, maximumAttempts: 10 },
    }),
  };
}

export type OperationActivities = ReturnType<typeof activitiesFor>;
