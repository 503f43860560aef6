import { hostname } from 'node:os';
import { createActivities, type ForgeActivities } from '../activities/index.js';
import { hostHelper } from '../activities/hosts/helper.js';
import { createSshPool } from '../activities/ssh/pool.js';
import { createSecretResolver } from '../config/secrets.js';

/** Reads from this machine, with its own reach and its own secrets, without Temporal; closes its connections afterwards. */
export async function withLocalActivities<T>(
  env: NodeJS.ProcessEnv,
  use: (activities: ForgeActivities) => Promise<T>,
): Promise<T> {
  const ssh = createSshPool({ agentSocket: env['SSH_AUTH_SOCK'] });
  try {
    return await use(
      createActivities({ ssh, secrets: createSecretResolver({ env, machine: hostname() }), helper: hostHelper() }),
    );
  } finally {
    await ssh.close();
  }
}
