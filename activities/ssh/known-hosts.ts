import { createHmac } from 'node:crypto';

/** Host keys as a known_hosts file gives them for one host, each `algorithm base64`. */
export interface KnownKeys {
  readonly trusted: readonly string[];
  readonly revoked: readonly string[];
}

/** The keys that the text of a known_hosts file (sshd(8), "SSH_KNOWN_HOSTS FILE FORMAT") holds for a host. Certificate authorities are not supported: their lines are passed over. */
export function knownKeys({ text, host, port }: { text: string; host: string; port: number }): KnownKeys {
  const name = port === 22 ? host : `[${host}]:${port}`;
  const trusted: string[] = [];
  const revoked: string[] = [];
  for (const line of text.split(/\r?\n/)) {
    const words = line.trim().split(/\s+/);
    const marker = words[0]?.startsWith('@') === true ? words.shift() : undefined;
    const [names, algorithm, base64] = words;
    if (names === undefined || names.startsWith('#') || algorithm === undefined || base64 === undefined) continue;
    if (!matches(names, name.toLowerCase())) continue;
    if (marker === undefined) trusted.push(`${algorithm} ${base64}`);
    if (marker === '@revoked') revoked.push(`${algorithm} ${base64}`);
  }
  return { trusted, revoked };
}

function matches(names: string, name: string): boolean {
  if (names.startsWith('|1|')) return matchesHash(names, name);
  const patterns = names.toLowerCase().split(',');
  if (patterns.some((pattern) => pattern.startsWith('!') && matchesPattern(pattern.slice(1), name))) return false;
  return patterns.some((pattern) => matchesPattern(pattern, name));
}

/** `|1|salt|hmac`: the name itself is not in the file. */
function matchesHash(entry: string, name: string): boolean {
  const [salt, hash] = entry.split('|').slice(2);
  if (salt === undefined || hash === undefined) return false;
  return createHmac('sha1', Buffer.from(salt, 'base64')).update(name).digest('base64') === hash;
}

function matchesPattern(pattern: string, name: string): boolean {
  const source = pattern
    .replace(/[.+^${}()|[\]\\]/g, '\\$&')
    .replaceAll('*', '.*')
    .replaceAll('?', '.');
  return new RegExp(`^${source}$`).test(name);
}
