import type { OpenSlot, ViewEntry } from './observation.js';
import { SLOT_COUNT, type SlotRange } from './slots.js';
import { UnreadableAnswer } from './unreadable.js';

const COMMAND = 'CLUSTER NODES';
const NODE_ID = /^[0-9a-f]{40}$/;
const SLOTS = /^(\d+)(?:-(\d+))?$/;
const OPEN_SLOT = /^\[(\d+)-([<>])-([0-9a-f]{40})\]$/;
/** The last colon before the bus port: an IPv6 address has colons of its own. Redis before 4 prints no bus port, before 7 no host name. */
const ENDPOINT = /^(.*):(\d{1,5})(?:@(\d{1,5}))?$/;
const ADDRESS = /^[0-9A-Za-z._:%-]{0,255}$/;
const FLAGS = /^[a-z?_-]+(,[a-z?_-]+)*$/;
const EPOCH = /^\d{1,20}$/;
const LAST_PORT = 65_535;

/**
 * Reads CLUSTER NODES (https://redis.io/docs/latest/commands/cluster-nodes/) of any version.
 * @throws UnreadableAnswer where the text is something else.
 */
export function parseClusterNodes(text: string): ViewEntry[] {
  const view = text
    .split(/\r?\n/)
    .filter((line) => line.trim() !== '')
    .map(parseLine);
  refuseTwice(view);
  return view;
}

/** The ID of the node whose view this is. @throws UnreadableAnswer where not exactly one line is its own */
export function myselfIn(view: readonly ViewEntry[]): string {
  const [id, ...others] = view.filter(({ flags }) => flags.includes('myself')).map((entry) => entry.id);
  if (id === undefined || others.length > 0) {
    throw new UnreadableAnswer(COMMAND, id === undefined ? 'nobody is myself' : 'more than one node is myself');
  }
  return id;
}

/** A node has one line, and a slot one owner: anything else is two answers in one, or half of one. */
function refuseTwice(view: readonly ViewEntry[]): void {
  const ids = new Set(view.map(({ id }) => id));
  if (ids.size < view.length) throw new UnreadableAnswer(COMMAND, 'a node twice');
  let owned = -1;
  for (const [from, to] of view.flatMap(({ slots }) => slots).sort((a, b) => a[0] - b[0])) {
    if (from <= owned) throw new UnreadableAnswer(COMMAND, `slot ${from} twice`);
    owned = to;
  }
}

function parseLine(line: string): ViewEntry {
  const [id, endpoint, flags, master = '-', , , epoch = '0', link, ...slots] = line.trim().split(/ +/);
  if (id === undefined || !NODE_ID.test(id) || endpoint === undefined || flags === undefined) throw unreadable(line);
  if ((master !== '-' && !NODE_ID.test(master)) || !EPOCH.test(epoch) || !FLAGS.test(flags)) throw unreadable(line);
  if (link !== undefined && link !== 'connected' && link !== 'disconnected') throw unreadable(line);
  const at = parseEndpoint(endpoint, line);
  if (at.address === '' && !/\b(myself|noaddr)\b/.test(flags)) throw unreadable(line);
  return {
    id,
    ...at,
    flags: flags.split(',').filter((flag) => flag !== 'noflags'),
    masterId: master === '-' ? null : master,
    configEpoch: Number(epoch),
    link: link === 'connected' ? 'connected' : 'disconnected',
    ...parseSlots(slots, line),
  };
}

function parseEndpoint(endpoint: string, line: string): Pick<ViewEntry, 'address' | 'port' | 'busPort'> {
  const [main = '', hostname = ''] = endpoint.split(',');
  const match = ENDPOINT.exec(main);
  if (match === null) throw unreadable(line);
  const [, address = '', port = '', busPort = ''] = match;
  const at = { address: address === '' ? hostname : address, port: Number(port), busPort: Number(busPort) };
  if (!ADDRESS.test(at.address) || at.port > LAST_PORT || at.busPort > LAST_PORT) throw unreadable(line);
  return at;
}

function parseSlots(words: readonly string[], line: string): Pick<ViewEntry, 'slots' | 'migrating' | 'importing'> {
  const slots: SlotRange[] = [];
  const migrating: OpenSlot[] = [];
  const importing: OpenSlot[] = [];
  for (const word of words) {
    const open = OPEN_SLOT.exec(word);
    if (open === null) slots.push(parseRange(word, line));
    else (open[2] === '>' ? migrating : importing).push({ slot: slotNumber(open[1], line), peer: open[3] ?? '' });
  }
  return { slots, migrating, importing };
}

function parseRange(word: string, line: string): SlotRange {
  const match = SLOTS.exec(word);
  if (match === null) throw unreadable(line);
  const from = slotNumber(match[1], line);
  const to = match[2] === undefined ? from : slotNumber(match[2], line);
  if (to < from) throw unreadable(line);
  return [from, to];
}

function slotNumber(digits: string | undefined, line: string): number {
  const slot = Number(digits);
  if (!Number.isInteger(slot) || slot >= SLOT_COUNT) throw unreadable(line);
  return slot;
}

function unreadable(line: string): UnreadableAnswer {
  return new UnreadableAnswer(COMMAND, line);
}
