import { keySlot } from './key-slot.js';

/** How many hash tags are tried to find a key for each master; with thousands of slots each a dozen is enough. */
const TAGS_TRIED = 2000;

/**
 * The beginning that a key must have so that these ACL patterns (`~orders:* %R~shared:*`) let it be read and written; `null` where no pattern of the
 * form `literal*` allows both.
 */
export function writablePrefix(patterns: string): string | null {
  const prefixes = patterns.split(/\s+/).flatMap((pattern) => {
    if (pattern === 'allkeys') return [''];
    const match = /^(?:~|%(?:RW|WR)~)([^*?[\]\\]*)\*+$/i.exec(pattern);
    return match?.[1] === undefined ? [] : [match[1]];
  });
  return prefixes[0] ?? null;
}

export interface SmokeKey {
  readonly key: string;
  /** A second key with the same hash tag: it has to be in the same slot. */
  readonly sibling: string;
  readonly slot: number;
}

/** One key per owner, as far as keys with this prefix can reach it: a prefix with a hash tag of its own reaches one only. */
export function smokeKeys(request: {
  readonly prefix: string;
  readonly token: string;
  readonly ownerOf: (slot: number) => string | undefined;
}): Map<string, SmokeKey> {
  const keys = new Map<string, SmokeKey>();
  for (let tag = 0; tag < TAGS_TRIED; tag += 1) {
    const name = `${request.prefix}redisforge:smoke:${request.token}:{${tag}}`;
    const slot = keySlot(name);
    const owner = request.ownerOf(slot);
    if (owner !== undefined && !keys.has(owner)) keys.set(owner, { key: name, sibling: `${name}:sibling`, slot });
  }
  return keys;
}
