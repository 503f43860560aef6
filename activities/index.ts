import type { SecretResolver } from '../config/secrets.js';
import type { HostStep, LeaseRequest } from '../domain/steps.js';
import { type ClusterActivities, createClusterActivities } from './cluster/activities.js';
import { type AllHostsActivities, createAllHostsActivities } from './hosts/all-hosts.js';
import { createHostActivities, type HostActivities } from './hosts/activities.js';
import { confirmToken, forgetIdentities } from './hosts/lease.js';
import type { HostHelper } from './hosts/helper.js';
import { dropFences } from './redis/left-fences.js';
import { createRedisActivities, type RedisActivities } from './redis/activities.js';
import { gatherSlotFacts } from './redis/move/facts.js';
import { lookAtSlots } from './redis/slots/look.js';
import { otherSecrets } from './redis/users.js';
import type { ServerActivities } from './server.js';
import type { SshPool } from './ssh/pool.js';

/** Everything that a workflow may ask a worker to do. */
export type Activities = ForgeActivities & ServerActivities;

/** What needs no Temporal server: `plan` and `status` call these directly. */
export type ForgeActivities = HostActivities & AllHostsActivities & RedisActivities & ClusterActivities;

export interface Adapters {
  readonly ssh: SshPool;
  readonly secrets: SecretResolver;
  readonly helper: HostHelper;
}

export function createActivities({ ssh, secrets, helper }: Adapters): ForgeActivities {
  const hosts = createHostActivities({ ssh, secrets, helper });
  const redis = createRedisActivities({
    secrets,
    confirm: (request) => confirmToken({ ssh, helper }, request),
    letGo: (request) => forgetIdentities({ ssh, helper }, request),
  });
  const fenced = {
    ...hosts,
    /** With the host's word the connections of every operation before are gone from its nodes, also where this one never speaks to them. */
    async takeLease(request: LeaseRequest) {
      const record = await hosts.takeLease(request);
      await dropFences({ spec: request.spec, secrets, upTo: request.lease.generation - 1 });
      return record;
    },
    /** Nothing of an operation goes on after its end. */
    async releaseLease(step: HostStep) {
      const result = await hosts.releaseLease(step);
      await dropFences({ spec: step.spec, secrets, upTo: step.token.generation });
      return result;
    },
  };
  return {
    ...fenced,
    ...createAllHostsActivities(fenced),
    ...redis,
    ...createClusterActivities({
      observe: (input) => redis.observeCluster(input),
      otherSecrets: (input) => otherSecrets(input, { secrets }),
      lookAtSlots: (look) => lookAtSlots(look, { secrets }),
      gatherSlotFacts: (request) => gatherSlotFacts(request, { secrets }),
      secrets,
      helperSha256: helper.sha256,
    }),
  };
}
