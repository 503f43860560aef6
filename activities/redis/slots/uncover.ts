import { ForgeError } from '../../../domain/errors.js';
import type { Member } from '../../../domain/slot-states.js';
import { SLOT_COUNT } from '../../../domain/slots.js';
import { type Command, valueOf } from '../connection.js';
import type { OpenNodes } from '../open-nodes.js';

/** Slots that are tried in one round trip. */
const TRIED_AT_ONCE = 512;

export interface Uncovering {
  readonly nodes: OpenNodes;
  readonly masters: readonly Member[];
  /** All slots of nodes in `whole`; of the others these. */
  readonly slots: readonly number[];
  readonly whole: ReadonlySet<string>;
}

/**
 * Has masters that hide keys of slots which they do not own tell of them: a slot that is open for import is counted. What has none is closed in the same breath, and is
 * nobody's concern meanwhile, as clients are let in only where they are sent on; what has some stays open, as the half move that it is. Gives the slots that were
 * found; asked again it finds none.
 * @throws ForgeError Fenced
 */
export async function uncoverKeys({ nodes, masters, slots, whole }: Uncovering): Promise<number[]> {
  const found = masters.map(async (master) => {
    const tried = whole.has(master.name) ? Array.from({ length: SLOT_COUNT }, (_, slot) => slot) : slots;
    const foreign = tried.filter((slot) => master.owners[slot] !== master.id && !master.importing.has(slot));
    try {
      const { hidesForeignKeys } = await nodes.capabilitiesOf(master.name);
      return hidesForeignKeys ? await tryOn(nodes, master, foreign) : [];
    } catch (error) {
      if (error instanceof ForgeError) throw error;
      return [];
    }
  });
  return [...new Set((await Promise.all(found)).flat())];
}

async function tryOn(nodes: OpenNodes, master: Member, slots: readonly number[]): Promise<number[]> {
  const found: number[] = [];
  for (let at = 0; at < slots.length; at += TRIED_AT_ONCE) {
    const some = slots.slice(at, at + TRIED_AT_ONCE).flatMap((slot) => openings(master, slot));
    const replies = await nodes.send(
      master.name,
      some.flatMap(({ slot, open }): Command[] => [
        open,
        ['CLUSTER', 'COUNTKEYSINSLOT', slot],
        ['CLUSTER', 'SETSLOT', slot, 'STABLE'],
      ]),
    );
    const having = some.filter((_, i) => {
      const count = replies[3 * i + 1];
      return count?.ok === true && count.value !== 0;
    });
    for (const reply of await nodes.send(
      master.name,
      having.map(({ open }) => open),
    ))
      valueOf(reply);
    found.push(...having.map(({ slot }) => slot));
  }
  return found;
}

/** From its owner in the node's own eyes, or from anybody: who it is is set right by what follows. */
function openings(master: Member, slot: number): { readonly slot: number; readonly open: Command }[] {
  const others = master.view.filter(
    ({ id, masterId, flags }) => id !== master.id && masterId === null && !flags.includes('handshake'),
  );
  const owner = others.find(({ id }) => id === master.owners[slot]) ?? others[0];
  return owner === undefined ? [] : [{ slot, open: ['CLUSTER', 'SETSLOT', slot, 'IMPORTING', owner.id] }];
}
