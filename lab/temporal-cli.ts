import { existsSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ForgeError } from '../domain/errors.js';
import { isExecutable } from './programs.js';

/** The folder of the project's package.json, whether this runs from the sources or from dist/. */
export function projectDir(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, 'package.json'))) {
    const parent = dirname(folder);
    if (parent === folder) throw new Error('no package.json above this file');
    folder = parent;
  }
  return folder;
}

/** The project's own tool folder. */
export function projectToolsDir(): string {
  return join(projectDir(), '.tools', 'bin');
}

export interface TemporalCliSearch {
  readonly env: NodeJS.ProcessEnv;
  readonly toolsDir: string;
}

/** The Temporal CLI: `TEMPORAL_CLI_PATH`, then `temporal` on the PATH, then the project's tool folder. */
export async function findTemporalCli({ env, toolsDir }: TemporalCliSearch): Promise<string> {
  const named = env['TEMPORAL_CLI_PATH'];
  if (named !== undefined && named !== '') {
    if (await isExecutable(named)) return named;
    throw missing(`TEMPORAL_CLI_PATH names ${named}, which is no program that can be run.`);
  }
  const onPath = (env['PATH'] ?? '').split(delimiter).filter((folder) => folder !== '');
  for (const folder of [...onPath, toolsDir]) {
    const path = join(folder, 'temporal');
    if (await isExecutable(path)) return path;
  }
  throw missing(`There is no program \`temporal\` on the PATH, and none in ${toolsDir}.`);
}

function missing(what: string): ForgeError {
  return new ForgeError('TemporalUnreachable', {
    what: `The Temporal dev server cannot be started: ${what}`,
    left: 'Nothing was changed.',
    next: 'Run `make setup`, which puts it there, or set TEMPORAL_CLI_PATH to a Temporal CLI of your own.',
  });
}
