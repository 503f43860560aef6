import type { OpenSlot, ViewEntry } from './observation.js';
import { SLOT_COUNT, type SlotRange } from './slots.js';
import { UnreadableAnswer } from './unreadable.js';

const COMMAND = 'CLUSTER NODES';
const ID = /^[0-9a-f]{40}$/;
const SLOTS = /^(\d+)(?:-(\d+))?$/;
const OPEN_SLOT = /^\[(\d+)-([<>])-([0-9a-f]{40})\]$/;
/** The last colon before the bus port: an IPv6 address has colons of its own. Redis before 4 prints no bus port, before 7 no host name. */
const ENDPOINT = /^(.*):(\d+)(?:@(\d+))?$/;

/**
 * Reads CLUSTER NODES (https://redis.io/docs/latest/commands/cluster-nodes/) of any version.
 * @throws UnreadableAnswer where the text is something else.
 */
export function parseClusterNodes(text: string): ViewEntry[] {
  return text
    .split(/\r?\n/)
    .filter((line) => line.trim() !== '')
    .map(parseLine);
}

function parseLine(line: string): ViewEntry {
  const [id, endpoint, flags, master = '-', , , epoch = '0', link, ...slots] = line.trim().split(/ +/);
  if (id === undefined || !ID.test(id) || endpoint === undefined || flags === undefined) throw unreadable(line);
  if ((master !== '-' && !ID.test(master)) || !/^\d+$/.test(epoch)) throw unreadable(line);
  return {
    id,
    ...parseEndpoint(endpoint, line),
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
  return { address: address === '' ? hostname : address, port: Number(port), busPort: Number(busPort) };
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
