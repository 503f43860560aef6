/** A member that is to follow another master. Masters are called by who they are before anything is changed. */
export interface Attachment {
  readonly node: string;
  /** Whom it follows now; `null` where it follows nobody. */
  readonly from: string | null;
  readonly of: string;
  /** Whether it is a copy of its master's data now. */
  readonly inSync: boolean;
  /** It is a master that gives its slots away: it follows somebody when it has none, and nobody follows it any more. */
  readonly drained: boolean;
}

export interface AttachQuestion {
  readonly attachments: readonly Attachment[];
  /** How many replicas in sync each master has, those that were joined before included. */
  readonly replicas: ReadonlyMap<string, number>;
  /** How many a master may not fall below: what is wanted, or what it had from the start where that was less. */
  readonly least: (master: string) => number;
  /** Masters that own nothing any more once the slots are moved. */
  readonly drained: ReadonlySet<string>;
}

export interface AttachOrder {
  /** Before slots move. */
  readonly before: readonly Attachment[];
  /** Once drained masters have no slots. */
  readonly after: readonly Attachment[];
  /** Those that would leave a master without cover for a time, in whatever order. */
  readonly blocked: readonly Attachment[];
}

/** An order in which no master that owns slots ever has fewer replicas than it may have; as many as can be before the slots move. */
export function orderAttachments({ attachments, replicas, least, drained }: AttachQuestion): AttachOrder {
  const counts = new Map(replicas);
  const count = (master: string) => counts.get(master) ?? 0;
  let pending = [...attachments];
  const round = (free: ReadonlySet<string>): Attachment[] => {
    const done: Attachment[] = [];
    const mayGo = ({ node, from, inSync, drained: gives }: Attachment) => {
      if (pending.some((other) => other.from === node) || (gives && !free.has(node))) return false;
      return from === null || !inSync || free.has(from) || count(from) - 1 >= least(from);
    };
    for (;;) {
      const next = pending.find(mayGo);
      if (next === undefined) return done;
      pending = pending.filter((one) => one !== next);
      if (next.from !== null && next.inSync) counts.set(next.from, count(next.from) - 1);
      counts.set(next.of, count(next.of) + 1);
      done.push(next);
    }
  };
  const before = round(new Set());
  const after = round(drained);
  return { before, after, blocked: pending };
}
