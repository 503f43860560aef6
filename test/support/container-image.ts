import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';

/** vitest's global setup: the image of the container hosts is there, or is made (about a minute), before the first test. */
export default async function setup(): Promise<void> {
  const child = spawn('bash', [join('scripts', 'lab-image.sh')], {
    stdio: ['ignore', 'inherit', 'inherit'],
    env: { ...process.env, CI: 'true' },
  });
  const [code] = (await once(child, 'close')) as [number | null];
  if (code !== 0) throw new Error('there is no image for container hosts: see what scripts/lab-image.sh says above');
}
