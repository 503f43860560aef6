/** What MIGRATE of one key does at the least, in bytes of memory a millisecond: small members of a collection are the slowest. */
const SLOWEST_BYTES_PER_MS = 30_000;

/** How the one MIGRATE of a big key is sent. */
export interface BigKeyPlan {
  /** As long as it may hold both ends, in milliseconds. */
  readonly holdsMs: number;
  /** MIGRATE's own timeout: how long the source waits for the target while that works. */
  readonly migrateMs: number;
  /** What all nodes have to be set to meanwhile, so that nobody is voted out for not answering; `null` where what they run with is enough. */
  readonly nodeTimeoutMs: number | null;
}

/** A node that is held for half of the node timeout still answers its peers in time. */
export function bigKeyPlan({
  bytes,
  nodeTimeoutMs,
}: {
  readonly bytes: number;
  readonly nodeTimeoutMs: number;
}): BigKeyPlan {
  const holdsMs = Math.ceil(bytes / SLOWEST_BYTES_PER_MS);
  const migrateMs = Math.max(1000, holdsMs * 2);
  const enough = migrateMs <= nodeTimeoutMs / 2;
  return { holdsMs, migrateMs, nodeTimeoutMs: enough ? null : migrateMs * 2 + nodeTimeoutMs };
}
