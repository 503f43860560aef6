import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';

/** The program that changes hosts (helper/redisforge-host), as this version of RedisForge installs it. */
export interface HostHelper {
  readonly text: string;
  /** Hex; pins it on the hosts. */
  readonly sha256: string;
}

/** Reads the helper that lies beside this module. */
export function hostHelper(): HostHelper {
  const text = readFileSync(new URL('./helper/redisforge-host', import.meta.url), 'utf8');
  return { text, sha256: createHash('sha256').update(text).digest('hex') };
}
