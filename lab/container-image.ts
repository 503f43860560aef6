import { join } from 'node:path';
import { ForgeError } from '../domain/errors.js';
import { type ContainerEngine, engineRefused } from './container-engine.js';
import type { LabEngine } from './driver.js';
import { runProgram } from './programs.js';
import { engineVersion } from './spec.js';
import { projectDir } from './temporal-cli.js';

export interface LabImage {
  readonly tag: string;
  /** Code name of the Debian in it. */
  readonly release: string;
}

/** Debian's package in the image. */
const SERVER = '/usr/bin/redis-server';

/** The image of the lab's hosts, as it is made from the recipe of this version; refuses where it was not made yet. */
export async function findImage(engine: ContainerEngine): Promise<LabImage> {
  const { stdout } = await runProgram(join(projectDir(), 'scripts', 'lab-image.sh'), ['--tag']);
  const tag = stdout.trim();
  const format = '{{index .Config.Labels "redisforge.release"}}';
  const { code, stdout: release } = await engine.ask({ argv: ['image', 'inspect', '--format', format, tag] });
  if (code === 0) return { tag, release: release.trim() };
  throw new ForgeError('Refused', {
    what: `The image of the lab's container hosts, ${tag}, is not there.`,
    left: 'Nothing was started.',
    next: 'Make it with `make lab-image`: from a Debian base image, or on a Debian machine without a registry with debootstrap, as root, in about a minute.',
  });
}

/** The Redis that comes with the image. */
export async function imageEngine(engine: ContainerEngine): Promise<LabEngine> {
  const { tag } = await findImage(engine);
  const argv = ['run', '--rm', '--network', 'none', '--entrypoint', SERVER, tag, '--version'];
  const answer = await engine.ask({ argv });
  const version = engineVersion(answer.stdout);
  if (version === null) throw engineRefused(argv, answer);
  return { server: SERVER, version };
}
