import { execFile } from 'node:child_process';
import { copyFile, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { IConfiguration, ICruiseResult } from 'dependency-cruiser';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const run = promisify(execFile);
const PROJECT = fileURLToPath(new URL('../..', import.meta.url));
const SLOW = 60_000;

/** One import that crosses each wall, and the wall that has to name it. */
const CROSSINGS: readonly { wall: string; from: string; imports: string }[] = [
  { wall: 'domain-is-pure', from: 'domain/clock.ts', imports: "import { now } from 'node:perf_hooks';" },
  { wall: 'domain-is-pure', from: 'domain/settings.ts', imports: "import type { named } from '../config/named.js';" },
  {
    wall: 'workflows-see-domain-and-temporal',
    from: 'workflows/direct.ts',
    imports: "import { named } from '../activities/named.js';",
  },
  {
    wall: 'workflows-see-domain-and-temporal',
    from: 'workflows/shape.ts',
    imports: "import { z } from 'zod';",
  },
  {
    wall: 'workflows-take-only-types-of-activities',
    from: 'workflows/typed.ts',
    imports: "import type { named } from '../workers/named.js';",
  },
  {
    wall: 'activities-see-domain-and-adapters',
    from: 'activities/composing.ts',
    imports: "import { named } from '../workers/named.js';",
  },
  { wall: 'config-sees-domain', from: 'config/acting.ts', imports: "import { named } from '../activities/named.js';" },
  { wall: 'workers-do-not-start', from: 'workers/verb.ts', imports: "import { named } from '../starters/named.js';" },
  {
    wall: 'product-never-imports-tests',
    from: 'starters/fixture.ts',
    imports: "import { named } from '../test/named.js';",
  },
  {
    wall: 'lab-is-beside-the-product',
    from: 'lab/hosts.ts',
    imports: "import { named } from '../activities/named.js';",
  },
  { wall: 'no-cycles', from: 'domain/egg.ts', imports: "import { hen } from './hen.js'; export const egg = hen;" },
];

/** What the walls let through, beside what they do not. */
const ALLOWED: Readonly<Record<string, string>> = {
  // The other half of the cycle: it is named once.
  'domain/hen.ts': "import { egg } from './egg.js'; export const hen = egg;",
  'workflows/proxies.ts': "import type { named } from '../activities/named.js';",
  'workflows/runbook.ts': "import { sleep } from '@temporalio/workflow'; import { named } from '../domain/named.js';",
  'activities/rendered.ts': "import { named } from '../config/named.js';",
  'starters/verb.ts': "import { named } from '../lab/named.js'; import { other } from '../workers/named.js';",
};

const { forbidden = [] } = createRequire(import.meta.url)('../../.dependency-cruiser.cjs') as IConfiguration;

/** What `npm run walls` runs, with its report as JSON. */
async function violations(cwd: string): Promise<{ wall: string; from: string }[]> {
  const { scripts } = JSON.parse(await readFile(join(PROJECT, 'package.json'), 'utf8')) as {
    scripts: { walls: string };
  };
  const [tool = '', ...argv] = scripts.walls.split(' ');
  const { stdout } = await run(join(PROJECT, 'node_modules/.bin', tool), [...argv, '--output-type', 'json'], {
    cwd,
    maxBuffer: 64 * 2 ** 20,
  });
  const { summary } = JSON.parse(stdout) as ICruiseResult;
  return summary.violations.map(({ rule, from }) => ({ wall: rule.name, from }));
}

describe('the walls', () => {
  let tree = '';

  beforeAll(async () => {
    tree = await mkdtemp(join(tmpdir(), 'redisforge-walls-'));
    for (const file of ['.dependency-cruiser.cjs', 'tsconfig.json'])
      await copyFile(join(PROJECT, file), join(tree, file));
    await symlink(join(PROJECT, 'node_modules'), join(tree, 'node_modules'));
    const folders = ['domain', 'workflows', 'activities', 'workers', 'starters', 'config', 'lab', 'test'];
    const named = folders.map((folder) => [`${folder}/named.ts`, 'export const named = 1;'] as const);
    const crossing = CROSSINGS.map(({ from, imports }) => [from, imports] as const);
    for (const [path, text] of [...named, ...crossing, ...Object.entries(ALLOWED)]) {
      await mkdir(dirname(join(tree, path)), { recursive: true });
      await writeFile(join(tree, path), text);
    }
  });

  afterAll(() => rm(tree, { recursive: true }));

  it('have a crossing each among those tried here', () => {
    expect(new Set(CROSSINGS.map(({ wall }) => wall))).toEqual(new Set(forbidden.map(({ name }) => name)));
  });

  it(
    'name every import that crosses one, and no other',
    async () => {
      const byFrom = (a: { from: string }, b: { from: string }) => a.from.localeCompare(b.from);
      const crossed = CROSSINGS.map(({ wall, from }) => ({ wall, from }));
      expect((await violations(tree)).sort(byFrom)).toEqual(crossed.sort(byFrom));
    },
    SLOW,
  );

  it('are crossed nowhere in the tree', async () => expect(await violations(PROJECT)).toEqual([]), SLOW);
});
