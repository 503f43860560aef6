import { type AnsweringNode, selfOf, type SilentNode, type ViewEntry } from './observation.js';
import {
  endpoint,
  finding,
  hasFailed,
  hearsay,
  inHandshake,
  isLeaving,
  nameOfId,
  names,
  type Picture,
  type Sighting,
} from './picture.js';
import type { NamedNode } from './reshape-steps.js';
import { slotsIn } from './slots.js';
import type { Finding, FindingCode } from './verdict.js';

/** Findings about who answers, who is a member, and how the members see each other. */
export function nodeFindings(picture: Picture): Finding[] {
  return [
    ...picture.silent.filter((node) => isOurs(picture, node)).map((node) => silentFinding(picture, node)),
    ...outsiders(picture),
    ...foreignMembers(picture),
    ...leavingMembers(picture),
    ...ghosts(picture),
    ...unfinishedHandshakes(picture),
    ...unevenMembership(picture),
    ...failureFlags(picture),
    ...addressMismatches(picture),
  ];
}

/** Without a spec every node that a view names counts, unless it is a ghost. */
function isOurs(picture: Picture, node: SilentNode): boolean {
  if (picture.expectation !== null) return node.declared && !isLeaving(picture, node);
  const known = hearsay(picture, node);
  return known === undefined || !isGhost(picture, known);
}

function silentFinding(picture: Picture, node: SilentNode): Finding {
  const known = hearsay(picture, node);
  const role = known === undefined ? 'unknown to the others' : `${roleOf(known)} as the others see it`;
  const at = node.name === endpoint(node) ? '' : ` at ${endpoint(node)}`;
  const evidence = `${node.name}${at} gives no answer (${node.silence}: ${node.detail}); ${role}.`;
  return finding({ ...silentCode(node, known), about: node, evidence });
}

function roleOf(entry: ViewEntry): 'master' | 'replica' {
  return entry.masterId === null ? 'master' : 'replica';
}

function silentCode(node: SilentNode, known: ViewEntry | undefined): { code: FindingCode; next: string } {
  switch (node.silence) {
    case 'loading':
      return { code: 'NodeLoading', next: 'Wait until it has read its data; its log shows how far it is.' };
    case 'busy-script':
      return { code: 'NodeBusy', next: 'End the script with SCRIPT KILL or FUNCTION KILL, or wait for its end.' };
    case 'wrong-secret':
      return { code: 'WrongSecret', next: 'Compare the secret that was used with the users of this node (ACL LIST).' };
    case 'not-cluster-mode':
      return {
        code: 'NotClusterMode',
        next: 'Start it with cluster-enabled yes, or take it out of the list of nodes.',
      };
    case 'timeout':
      return {
        code: deadCode(known),
        next: 'See whether its process is stopped or stuck, or a firewall drops packets.',
      };
    case 'connection-refused':
      return {
        code: deadCode(known),
        next: node.declared
          ? `See its log for why it ended (redisforge logs ${node.name}), and start it with \`redisforge apply\`.`
          : 'See its log for why it ended, and start it again.',
      };
    case 'unreachable':
      return {
        code: deadCode(known),
        next: 'See whether the host is up and the address is right and routed from here.',
      };
    case 'not-redis':
    case 'error':
      return { code: deadCode(known), next: 'See what listens on this port, and its log.' };
    default:
      return node.silence satisfies never;
  }
}

function deadCode(known: ViewEntry | undefined): FindingCode {
  if (known === undefined) return 'NodeDown';
  return roleOf(known) === 'master' ? 'DeadMaster' : 'DeadReplica';
}

/** Nodes that answer and do not belong to the cluster; where none has met another, that is each of them. */
function outsiders(picture: Picture): Finding[] {
  const { answering, members } = picture;
  const alone = members.length === 1 && (picture.expectation?.nodes.length ?? 1) > 1;
  return answering
    .filter((node) => (alone || !members.includes(node)) && !isLeaving(picture, node))
    .map((node) =>
      finding({
        code: 'NotMember',
        about: node,
        evidence: `${node.name} answers as ${node.id}, knows ${node.view.length - 1} other nodes and is no member of the cluster${alone ? '' : ` of ${names(members)}`}.`,
        next: 'Run apply to let it join; where it holds data of another cluster, find out whose it is first.',
      }),
    );
}

function foreignMembers(picture: Picture): Finding[] {
  if (picture.expectation === null) return [];
  const strangers = picture.nodes.filter((node) => !node.declared);
  return strangers.flatMap((node) => {
    const sightings = node.answered ? sightingsOf(picture, node.id) : livingAt(picture, node);
    if (sightings.length === 0) return [];
    return finding({
      code: 'ForeignMember',
      about: node,
      evidence: `${endpoint(node)} (${sightings[0]?.entry.id}) is a member in the view of ${viewers(sightings)}, and the spec does not declare it.`,
      next: 'Find out what it holds, and declare it in the spec with its host. To be rid of it, then run `redisforge scale remove`.',
    });
  });
}

/** Nodes that are to leave, and are members still, by their own word or by that of others. */
function leavingMembers(picture: Picture): Finding[] {
  return picture.nodes.flatMap((node) => {
    const how = picture.expectation?.leaving[node.name];
    const [sighting] = node.answered ? sightingsOf(picture, node.id) : sightingsAt(picture, node);
    if (how === undefined || sighting === undefined) return [];
    const { masterId, slots } = (node.answered ? selfOf(node) : undefined) ?? sighting.entry;
    const role =
      masterId === null ? `a master with ${slotsIn(slots)} slots` : `a replica of ${nameOfId(picture, masterId)}`;
    return finding({
      code: 'LeavingMember',
      severity: 'warning',
      about: node,
      evidence: `${node.name} is to leave the cluster (leaving: ${how}) and is a member still: ${role}.`,
      next: 'Run apply: it lets the node go. Where it is to stay, take `leaving` out of the spec.',
    });
  });
}

/** Who sees a silent stranger alive on the bus. */
function livingAt(picture: Picture, node: SilentNode): Sighting[] {
  return sightingsAt(picture, node).filter(({ entry }) => lives(entry));
}

function sightingsAt(picture: Picture, node: SilentNode): Sighting[] {
  return [...picture.sightings.values()].flat().filter(({ entry }) => endpoint(entry) === endpoint(node));
}

function lives(entry: ViewEntry): boolean {
  return entry.link === 'connected' && !hasFailed(entry) && !entry.flags.includes('noaddr');
}

function ghosts(picture: Picture): Finding[] {
  return [...picture.sightings].flatMap(([id, sightings]) => {
    const [first] = sightings;
    if (first === undefined || !isGhost(picture, first.entry)) return [];
    const others = picture.members.filter((member) => !sightings.some(({ viewer }) => viewer === member));
    const notBy = others.length === 0 ? '' : `, and not by ${names(others)}`;
    return finding({
      code: 'GhostNode',
      evidence: `${nameOfId(picture, id)} with ID ${id} is still known by ${viewers(sightings)}${notBy}; no node answers under this ID.`,
      next: `When nothing of it is needed any more, send CLUSTER FORGET ${id} to every node within one minute.`,
    });
  });
}

/** IDs that members still know and under which nobody answers, with what they are called. Names of nodes are the spec's where it has the address. */
export function ghostsOf(picture: Picture): NamedNode[] {
  return [...picture.sightings].flatMap(([nodeId, sightings]) => {
    const [first] = sightings;
    if (first === undefined || !isGhost(picture, first.entry)) return [];
    const at = endpoint(first.entry);
    const name = picture.nodes.find((node) => endpoint(node) === at)?.name;
    return [
      { name: name ?? (first.entry.address === '' ? `a node without an address (${nodeId.slice(0, 8)})` : at), nodeId },
    ];
  });
}

/** A member that nobody answers for: undeclared and dead, replaced at its own address, without one, or not known to all. */
function isGhost(picture: Picture, entry: ViewEntry): boolean {
  if (picture.answering.some((node) => node.id === entry.id)) return false;
  const sightings = sightingsOf(picture, entry.id);
  if (entry.address === '' || picture.answering.some((node) => endpoint(node) === endpoint(entry))) return true;
  if (picture.expectation === null) return sightings.length < picture.members.length;
  const declared = picture.expectation.nodes.some((node) => endpoint(node) === endpoint(entry));
  return !declared && !sightings.some((sighting) => lives(sighting.entry));
}

function unfinishedHandshakes(picture: Picture): Finding[] {
  return picture.members.flatMap((node) => {
    const open = node.view.filter(inHandshake);
    if (open.length === 0) return [];
    return finding({
      code: 'GhostNode',
      severity: 'warning',
      about: node,
      evidence: `${node.name} is in a handshake with ${open.map(endpoint).join(', ')}.`,
      next: 'Look again in a minute; where it stays, see whether the bus port (port + 10000) can be reached.',
    });
  });
}

function unevenMembership(picture: Picture): Finding[] {
  return picture.members.flatMap((node) => {
    const sightings = sightingsOf(picture, node.id);
    const missing = picture.members.filter((member) => !sightings.some(({ viewer }) => viewer === member));
    if (missing.length === 0) return [];
    return finding({
      code: 'SplitView',
      about: node,
      evidence: `${node.name} is known by ${viewers(sightings)}, and not by ${names(missing)}.`,
      next: 'Wait a minute: a node that was forgotten is learned again by gossip. Else run CLUSTER MEET towards it.',
    });
  });
}

function failureFlags(picture: Picture): Finding[] {
  return picture.members.flatMap((node) => {
    const others = sightingsOf(picture, node.id).filter(({ viewer }) => viewer !== node);
    const failed = others.filter(({ entry }) => hasFailed(entry) || entry.flags.includes('noaddr'));
    const cut = others.filter(({ entry }) => entry.link === 'disconnected' && !hasFailed(entry));
    return [...flagged(node, failed), ...disconnected(node, cut)];
  });
}

function flagged(node: AnsweringNode, sightings: readonly Sighting[]): Finding[] {
  if (sightings.length === 0) return [];
  const words = sightings.map(({ viewer, entry }) => `${viewer.name} (${entry.flags.join(',')})`).join(', ');
  return [
    finding({
      code: 'FailureFlag',
      about: node,
      evidence: `${node.name} answers us, and is marked as failed by ${words}.`,
      next: 'See whether the bus port (port + 10000) is open between these hosts in both directions.',
    }),
  ];
}

function disconnected(node: AnsweringNode, sightings: readonly Sighting[]): Finding[] {
  if (sightings.length === 0) return [];
  return [
    finding({
      code: 'FailureFlag',
      severity: 'warning',
      about: node,
      evidence: `${viewers(sightings)} has no bus link to ${node.name} at this moment.`,
      next: 'Look again; where it stays, see whether the bus port (port + 10000) is open between these hosts.',
    }),
  ];
}

function addressMismatches(picture: Picture): Finding[] {
  return picture.members.flatMap((node) => {
    const seen = new Map<string, Sighting[]>();
    for (const sighting of sightingsOf(picture, node.id)) {
      if (sighting.entry.address === '') continue;
      const at = endpoint(sighting.entry);
      seen.set(at, [...(seen.get(at) ?? []), sighting]);
    }
    if (seen.size <= 1 && [...seen.keys()].every((at) => !node.declared || at === endpoint(node))) return [];
    const words = [...seen].map(([at, sightings]) => `${at} (${viewers(sightings)})`).join(', ');
    return finding({
      code: 'AddressMismatch',
      about: node,
      evidence: `${node.name} was reached at ${endpoint(node)}, and clients are sent to ${words}.`,
      next: 'Compare cluster-announce-ip, cluster-announce-port and the address in the spec.',
    });
  });
}

function sightingsOf(picture: Picture, id: string): readonly Sighting[] {
  return picture.sightings.get(id) ?? [];
}

function viewers(sightings: readonly Sighting[]): string {
  return names(sightings.map(({ viewer }) => viewer));
}
