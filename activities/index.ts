import type { SecretResolver } from '../config/secrets.js';
import { type ClusterActivities, createClusterActivities } from './cluster/activities.js';
import { createHostActivities, type HostActivities } from './hosts/activities.js';
import type { HostHelper } from './hosts/helper.js';
import { createRedisActivities, type RedisActivities } from './redis/activities.js';
import { otherSecrets } from './redis/users.js';
import type { ServerActivities } from './server.js';
import type { SshPool } from './ssh/pool.js';

/** Everything that a workflow may ask a worker to do. */
export type Activities = ForgeActivities & ServerActivities;

/** What needs no Temporal server: `plan` and `status` call these directly. */
export type ForgeActivities = HostActivities & RedisActivities & ClusterActivities;

export interface Adapters {
  readonly ssh: SshPool;
  readonly secrets: SecretResolver;
  readonly helper: HostHelper;
}

export function createActivities({ ssh, secrets, helper }: Adapters): ForgeActivities {
  const redis = createRedisActivities({ secrets });
  return {
    ...createHostActivities({ ssh, secrets, helper }),
    ...redis,
    ...createClusterActivities({
      observe: (input) => redis.observeCluster(input),
      otherSecrets: (input) => otherSecrets(input, { secrets }),
      secrets,
      helperSha256: helper.sha256,
    }),
  };
}
