import { type Decision, refusing, waiting } from './decision.js';
import { type ForgetSituation, type Goer, goersOf, heldBy, membersBeside } from './forgetting-guard.js';
import type { FormingNode } from './formation.js';
import { answeringOf, formedGroup, seenAlive } from './members.js';
import { endpoint, inHandshake } from './picture.js';
import { slotsIn } from './slots.js';

/** One command to one node; a late duplicate is refused by the node, or makes one that is out forget its ID once more. */
export type ForgetAction =
  | { readonly kind: 'reset'; readonly node: string }
  | { readonly kind: 'forget'; readonly node: string; readonly name: string; readonly id: string };

/**
 * What takes nodes out of the cluster for good, from whatever an earlier, killed attempt left. First a leaving node that answers is reset: it knows nobody any
 * more and has another ID, so it cannot come back by itself (Valkey from 8.1 on would introduce itself again), and it is no longer spoken of by gossip. Then all
 * members are told to forget it, which bans its ID for a minute. A kill between the two leaves its old ID in the views of the members, without an
 * address; asked again, the node answers under another ID, and what is left to be done is to forget the old one.
 *
 * Nothing is done before all preconditions hold for all of the nodes: no slots in any view and its own, no keys of its own, no replicas, and every member
 * there to be told.
 */
export function planForget(situation: ForgetSituation): Decision<ForgetAction> {
  const others = membersBeside(situation);
  const members = answeringOf(others);
  const goers = goersOf(situation, members);
  const refusals = goers.flatMap((goer) => heldBy(goer, members));
  if (refusals.length > 0) return refusing(refusals);
  const silent = others.flatMap((node) => (node.answered ? [] : [`${node.name} does not answer`]));
  const unmet = [
    ...silent,
    ...unknownMembers(goers, formedGroup(members)),
    ...goers.flatMap((goer) => lateViews(goer, members)),
  ];
  if (unmet.length > 0) return waiting(...unmet);
  return {
    actions: goers.flatMap((goer): ForgetAction[] =>
      goer.node !== undefined && !isOut(goer, goer.node)
        ? [{ kind: 'reset', node: goer.name }]
        : members.flatMap((member) => forgettings(goer, member)),
    ),
    refusals,
    waitingFor: goers.flatMap((goer) => [...stillIn(goer), ...members.flatMap((member) => stillKnown(goer, member))]),
  };
}

/** Whether a node that answers knows nobody, and has another ID than the one that is to be forgotten. */
function isOut({ nodeId }: Goer, node: FormingNode): boolean {
  return node.view.length === 1 && node.id !== nodeId;
}

function forgettings({ name, ids }: Goer, member: FormingNode): ForgetAction[] {
  const known = member.view.filter((entry) => ids.has(entry.id) && !inHandshake(entry));
  return known.map(({ id }) => ({ kind: 'forget', node: member.name, name, id }));
}

function stillIn(goer: Goer): string[] {
  if (goer.node === undefined || isOut(goer, goer.node)) return [];
  return [`${goer.name} has not been reset`];
}

/** A handshake under its address may end in the node being a member again. */
function stillKnown({ name, ids, at }: Goer, member: FormingNode): string[] {
  return member.view.flatMap((entry) => {
    if (inHandshake(entry)) {
      const same = at !== null && endpoint(entry) === endpoint(at);
      return same ? [`${member.name} is in a handshake at the address of ${name}`] : [];
    }
    return ids.has(entry.id) ? [`${member.name} knows ${name}`] : [];
  });
}

/** What members still believe although the nodes themselves say otherwise: they hear of it within seconds. */
function lateViews({ name, ids, answers }: Goer, members: readonly FormingNode[]): string[] {
  return members.flatMap((member) =>
    member.view
      .filter((entry) => ids.has(entry.id))
      .flatMap((entry) => [
        ...(entry.slots.length === 0 ? [] : [`${member.name} sees ${name} own ${slotsIn(entry.slots)} slots`]),
        ...(!answers && seenAlive(entry) ? [`${name} does not answer us, and ${member.name} has it alive`] : []),
      ]),
  );
}

/** Living members that are not asked: nobody can tell them, and they would bring the node back by gossip, or are its replicas. */
function unknownMembers(goers: readonly Goer[], members: readonly FormingNode[]): string[] {
  const told = new Set([...members.map(({ id }) => id), ...goers.flatMap(({ ids }) => [...ids])]);
  const strangers = new Map(
    members.flatMap(({ name, view }) =>
      view
        .filter((entry) => seenAlive(entry) && !told.has(entry.id))
        .map((entry) => [
          entry.id,
          `${endpoint(entry)} (${entry.id}) is a member in the view of ${name} and cannot be told`,
        ]),
    ),
  );
  return [...strangers.values()];
}
