import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';

/** The program that changes hosts, as this version of RedisForge installs it: one file, `redisforge-host`. */
export interface HostHelper {
  readonly text: string;
  /** Hex; pins it on the hosts. */
  readonly sha256: string;
}

/** The parts in `helper/` that make up the program, in its order: what is called stands before who calls it. */
const PARTS = [
  'head',
  'answer',
  'record',
  'lease',
  'ensure',
  'engines',
  'packages',
  'units',
  'systemd',
  'ports',
  'profile',
  'guard',
  'nodes',
  'jobs',
  'sweep',
  'looking',
  'main',
] as const;

/** Puts the helper together. Its text is the same for the same version of RedisForge. */
export function hostHelper(): HostHelper {
  const read = (part: string) => readFileSync(new URL(`./helper/${part}.sh`, import.meta.url), 'utf8');
  const text = PARTS.map(read).join('\n');
  return { text, sha256: createHash('sha256').update(text).digest('hex') };
}
