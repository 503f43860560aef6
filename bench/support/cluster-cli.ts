import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { declaredNodes } from '../../domain/nodes.js';
import type { ReshapeStage } from '../../test/support/reshape-stage.js';

/** `redis-cli --cluster VERB` towards the stage's cluster, as admin and without asking; fails where it does. */
export async function clusterCli(stage: ReshapeStage) {
  const [first] = declaredNodes(stage.spec);
  const password = await stage.secret('admin');
  return async ([verb]: readonly [string], options: readonly string[]): Promise<void> => {
    const argv = [
      '--cluster',
      verb,
      `${first?.address}:${first?.port}`,
      ...options,
      '--cluster-yes',
      '--user',
      'admin',
    ];
    const child = spawn('redis-cli', argv, {
      env: { ...process.env, REDISCLI_AUTH: password },
      stdio: ['ignore', 'ignore', 'inherit'],
    });
    const [code] = (await once(child, 'exit')) as [number | null];
    if (code !== 0) throw new Error(`redis-cli ${argv.join(' ')} ended with ${code}`);
  };
}
