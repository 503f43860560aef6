import { type AnsweringNode, type ReplicaReplication, selfOf } from './observation.js';
import { ownsSlots } from './ownership.js';
import { endpoint, finding, nameOfId, type Picture } from './picture.js';
import type { Finding } from './verdict.js';

/**
 * A replica further behind than this is not fit to take over: the gate before a planned failover, 1 MB (knowledge: mechanics 4.2, the bound at
 * which an offset handshake ends at once).
 */
export const LAG_BOUND_BYTES = 1024 * 1024;
/** Three times `repl-ping-replica-period` (10 s by default): a healthy master is never silent for so long. */
const MASTER_SILENCE_SECONDS = 30;

/** Findings about replicas, their links and their masters. */
export function replicationFindings(picture: Picture): Finding[] {
  return [
    ...picture.members.flatMap((node) => replicaFindings(picture, node)),
    ...picture.members.flatMap((node) => strangerFindings(picture, node)),
    ...picture.members.filter(ownsSlots).flatMap((node) => redundancyFinding(picture, node)),
  ];
}

/** Bytes that a replica is behind its master; `null` for masters, and where the master's offset is not known. Never negative. */
export function lagBytes(picture: Picture, node: AnsweringNode): number | null {
  const { replication } = node;
  if (replication.role === 'master') return null;
  const master = masterOf(picture, node);
  if (master === undefined) return null;
  return Math.max(0, master.replication.offset - replication.offset);
}

function masterOf(picture: Picture, node: AnsweringNode): AnsweringNode | undefined {
  const masterId = selfOf(node)?.masterId;
  return picture.answering.find(({ id }) => id === masterId);
}

function replicaFindings(picture: Picture, node: AnsweringNode): Finding[] {
  const masterId = selfOf(node)?.masterId ?? null;
  const { replication } = node;
  if (masterId === null && replication.role === 'master') return [];
  if (masterId === null || replication.role === 'master') return [roleMismatch(node)];
  return [
    ...linkFindings(node, replication),
    ...attachmentFindings(picture, node, replication),
    ...chainFindings(picture, node, masterId),
    ...lagFindings(picture, node, replication),
  ];
}

function roleMismatch(node: AnsweringNode): Finding {
  return finding({
    code: 'ReplicationMismatch',
    about: node,
    evidence: `${node.name} replicates as a ${node.replication.role}, and is a ${selfOf(node)?.masterId === null ? 'master' : 'replica'} in its own view.`,
    next: 'Look again; where it stays, attach it anew with CLUSTER REPLICATE.',
  });
}

function linkFindings(node: AnsweringNode, replication: ReplicaReplication): Finding[] {
  if (replication.link === 'up') return [];
  const master = `${replication.masterAddress}:${replication.masterPort}`;
  return [
    finding({
      code: 'ReplicationDown',
      about: node,
      evidence: replication.syncing
        ? `${node.name} is in the middle of a full sync from ${master}: it holds no complete copy yet.`
        : `${node.name} has no replication link to ${master}.`,
      next: replication.syncing
        ? 'Wait for the end of the sync; its log shows the progress.'
        : 'See its log: master down, masteruser or masterauth refused, or the port closed between the hosts.',
    }),
  ];
}

/** Whom it copies against whom its view says it copies. */
function attachmentFindings(picture: Picture, node: AnsweringNode, replication: ReplicaReplication): Finding[] {
  const seen = node.view.find((entry) => entry.id === selfOf(node)?.masterId);
  const copied = endpoint({ address: replication.masterAddress, port: replication.masterPort });
  const master = masterOf(picture, node);
  const accepted = [seen, master].flatMap((known) => (known === undefined ? [] : [endpoint(known)]));
  if (accepted.length === 0 || accepted.includes(copied)) return [];
  return [
    finding({
      code: 'ReplicationMismatch',
      about: node,
      evidence: `${node.name} copies ${copied}, and its master in the cluster's view is ${accepted[0]}.`,
      next: 'Look again; where it stays, attach it anew with CLUSTER REPLICATE.',
    }),
  ];
}

function chainFindings(picture: Picture, node: AnsweringNode, masterId: string): Finding[] {
  const master = picture.answering.find(({ id }) => id === masterId);
  const seen = master === undefined ? node.view.find(({ id }) => id === masterId) : selfOf(master);
  if (seen === undefined || seen.masterId === null) return [];
  return [
    finding({
      code: 'ReplicaOfReplica',
      about: node,
      evidence: `${node.name} is attached to ${nameOfId(picture, masterId)}, which is itself a replica of ${nameOfId(picture, seen.masterId)}.`,
      next: `Attach it to the master: CLUSTER REPLICATE ${seen.masterId}.`,
    }),
  ];
}

function lagFindings(picture: Picture, node: AnsweringNode, replication: ReplicaReplication): Finding[] {
  if (replication.link === 'down') return [];
  const lag = lagBytes(picture, node) ?? 0;
  const silent = replication.lastIoSecondsAgo;
  if (lag <= LAG_BOUND_BYTES && silent <= MASTER_SILENCE_SECONDS) return [];
  return [
    finding({
      code: 'ReplicaBehind',
      about: node,
      evidence: `${node.name} is ${lag} bytes behind its master and heard of it ${silent} s ago (bounds: ${LAG_BOUND_BYTES} bytes, ${MASTER_SILENCE_SECONDS} s).`,
      next: 'See its load, its disk and the network between the hosts; a takeover now would lose these writes.',
    }),
  ];
}

/**
 * Replicas that a master feeds and no view knows. Port 0 is a passing reader of the stream, such as a backup. A member may be seen by another of
 * its addresses: as many strangers as there are members missing among the replicas are taken for these.
 */
function strangerFindings(picture: Picture, node: AnsweringNode): Finding[] {
  if (node.replication.role === 'replica') return [];
  const known = new Set([...picture.nodes.map(endpoint), ...node.view.map(endpoint)]);
  const fed = new Set(node.replication.replicas.map(endpoint));
  const unseen = node.view.filter((entry) => entry.masterId === node.id && !fed.has(endpoint(entry)));
  const strangers = node.replication.replicas.filter((replica) => replica.port !== 0 && !known.has(endpoint(replica)));
  return strangers.slice(unseen.length).map((replica) =>
    finding({
      code: 'ReplicationMismatch',
      severity: 'warning',
      about: node,
      evidence: `${node.name} feeds a replica at ${endpoint(replica)} (${replica.state}) that is no member of the cluster.`,
      next: 'Find out who copies this data; where nobody should, change the replication secret.',
    }),
  );
}

function redundancyFinding(picture: Picture, master: AnsweringNode): Finding[] {
  const inSync = picture.members.filter(
    (node) =>
      selfOf(node)?.masterId === master.id && node.replication.role === 'replica' && node.replication.link === 'up',
  ).length;
  const wanted = picture.expectation?.replicasPerMaster ?? 1;
  if (inSync >= wanted) return [];
  return [
    finding({
      code: 'NoReplica',
      severity: picture.expectation === null ? 'warning' : 'error',
      about: master,
      evidence: `${master.name} has ${inSync} replicas in sync, wanted ${picture.expectation === null ? 'is at least 1' : `are ${wanted}`}.`,
      next: 'Bring its replica back or attach another: until then a failure of this master loses its data.',
    }),
  ];
}
