/** What a key of the ledger is used for; each kind loses something of its own. */
export const KINDS = [
  'overwrite',
  'insert',
  'delete',
  'lasting',
  'expiring',
  'counter',
  'hash',
  'list',
] as const satisfies readonly string[];
export type Kind = (typeof KINDS)[number];

/** From and to, milliseconds since 1970. */
export type Span = readonly [from: number, to: number];

/** What a key holds. */
export type Value =
  | { readonly type: 'absent' }
  /** `expires`: the server's own moment is somewhere in it; `null` for never. */
  | { readonly type: 'string'; readonly text: string; readonly expires: Span | null }
  | { readonly type: 'hash'; readonly fields: Readonly<Record<string, string>> }
  | { readonly type: 'list'; readonly items: readonly string[] };

/** One write, made for what the key holds: its reply tells whether the key still held that. */
export interface Write {
  readonly command: readonly [name: string, ...words: string[]];
  /** What the key holds after it; `during`: from the sending to the reply. */
  after(during: Span): Value;
  /** What the key must have held before, by this reply, as `digest` writes it; `null` where the reply does not tell. */
  heldBefore(reply: unknown): string | null;
}

/** An acknowledged write: what the key held after it. */
export interface Entry {
  readonly digest: string;
  /** When the reply came, milliseconds since 1970. */
  readonly at: number;
}

/** One key of the ledger. At most one write of it is under way, so that the order of its writes is known. */
export interface Cell {
  readonly key: string;
  readonly slot: number;
  readonly kind: Kind;
  version: number;
  /** `open`: may be written. `settled`: will not be written any more. `spoilt`: was found wrong, and is reported. */
  state: 'open' | 'busy' | 'settled' | 'spoilt';
  /** What it may hold by now: one value, or two where the outcome of the last write is not known. */
  possible: readonly Value[];
  /** The last acknowledged writes, the oldest first. */
  history: readonly Entry[];
}

/** The digest of a key that is not there. */
export const NOTHING = '(nothing)';
const ABSENT: Value = { type: 'absent' };
/** A lost write is told by when it was acknowledged: so far back is known for each key. */
const KEPT = 10;
const HOUR_MS = 3_600_000;
const FIELDS = 4;
const LONGEST_LIST = 12;
/** After so many writes a key of this kind is left as it is, and another one takes its place. */
const SETTLES: Partial<Record<Kind, number>> = { insert: 1, delete: 4, expiring: 3, list: LONGEST_LIST };

export function newCell(at: { key: string; slot: number; kind: Kind }, now: number): Cell {
  return { ...at, version: 0, state: 'open', possible: [ABSENT], history: [{ digest: digest(ABSENT), at: now }] };
}

/** What a value is compared by: what was written and not when it ends. */
export function digest(value: Value): string {
  switch (value.type) {
    case 'absent':
      return NOTHING;
    case 'string':
      return value.text;
    case 'hash':
      return Object.keys(value.fields)
        .sort()
        .map((field) => `${field}=${value.fields[field]}`)
        .join(' ');
    case 'list':
      return value.items.length === 0 ? NOTHING : `${value.items.length} items to ${value.items.at(-1)}`;
  }
}

/** The next write of an open cell; it is busy until `acknowledge`, `refuse` or `doubt`. */
export function nextWrite(cell: Cell): Write {
  cell.state = 'busy';
  cell.version += 1;
  const { key, version } = cell;
  const [before = ABSENT] = cell.possible;
  const text = textOf(key, version);
  const setting = (ms: number | null): Write => ({
    command: ['SET', key, text, 'GET', ...(ms === null ? [] : ['PX', `${ms}`])],
    after: ([sent, acked]) => ({ type: 'string', text, expires: ms === null ? null : [sent + ms, acked + ms] }),
    heldBefore: (reply) => (reply === null ? digest(ABSENT) : typeof reply === 'string' ? reply : null),
  });
  switch (cell.kind) {
    case 'insert':
    case 'overwrite':
      return setting(null);
    case 'delete':
      return before.type === 'absent' ? setting(null) : deletion(key, before);
    case 'lasting':
      return setting(HOUR_MS + version * 60_000);
    case 'expiring':
      return { ...setting(200 + ((version * 977 + cell.slot * 131) % 2500)), heldBefore: () => null };
    case 'counter':
      return {
        command: ['INCR', key],
        after: () => ({ type: 'string', text: `${version}`, expires: null }),
        heldBefore: (reply) => (reply === 1 ? digest(ABSENT) : `${Number(reply) - 1}`),
      };
    case 'hash':
      return fieldWrite({ key, version, text, before });
    case 'list':
      return push({ key, text, before });
  }
}

/** Unique among all writes of all ledgers, as keys are. */
export function textOf(key: string, version: number): string {
  return `${key}#${version}`;
}

function deletion(key: string, before: Value): Write {
  return {
    command: ['DEL', key],
    after: () => ABSENT,
    heldBefore: (reply) => (reply === 1 ? digest(before) : digest(ABSENT)),
  };
}

interface Growth {
  readonly key: string;
  readonly text: string;
  readonly before: Value;
}

function fieldWrite({ key, version, text, before }: Growth & { version: number }): Write {
  const fields = before.type === 'hash' ? before.fields : {};
  const field = `f${version % FIELDS}`;
  return {
    command: ['HSET', key, field, text],
    after: () => ({ type: 'hash', fields: { ...fields, [field]: text } }),
    heldBefore: (reply) => (reply === (field in fields ? 0 : 1) ? digest(before) : `another set of fields`),
  };
}

function push({ key, text, before }: Growth): Write {
  const items = before.type === 'list' ? before.items : [];
  const list = (length: number): Value => ({ type: 'list', items: items.slice(0, length) });
  return {
    command: ['RPUSH', key, text],
    after: () => ({ type: 'list', items: [...items, text] }),
    heldBefore: (reply) =>
      Number(reply) - 1 <= items.length ? digest(list(Number(reply) - 1)) : `${Number(reply) - 1} items`,
  };
}

/** The write came back. `null` where the key held what it should have; else what it held, and since when it is lost. */
export function acknowledge(
  cell: Cell,
  { write, reply, during }: { write: Write; reply: unknown; during: Span },
): { found: string; expected: string; ackedAt: number } | null {
  const [before = ABSENT] = cell.possible;
  const found = write.heldBefore(reply);
  const expected = digest(before);
  if (found !== null && found !== expected) {
    cell.state = 'spoilt';
    return { found, expected, ackedAt: lostSince(cell, found) };
  }
  const after = write.after(during);
  cell.possible = [after];
  cell.history = [...cell.history.slice(-KEPT + 1), { digest: digest(after), at: during[1] }];
  cell.state = cell.version >= (SETTLES[cell.kind] ?? Infinity) ? 'settled' : 'open';
  return null;
}

/** The server said no: nothing was written. */
export function refuse(cell: Cell): void {
  cell.version -= 1;
  cell.state = 'open';
}

/** Nobody knows whether it was written, nor whether it will be: the key is left alone from now on. */
export function doubt(cell: Cell, { write, during }: { write: Write; during: Span }): void {
  cell.possible = [...cell.possible, write.after(during)];
  cell.state = 'settled';
}

/** When the first write after the one that is found was acknowledged; of the oldest that is known where it is none of them. */
export function lostSince(cell: Cell, found: string): number {
  const at = cell.history.findLastIndex((entry) => entry.digest === found);
  return (cell.history[at + 1] ?? cell.history[0])?.at ?? 0;
}
