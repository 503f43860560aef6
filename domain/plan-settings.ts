import { type ApplyWorld, differingFiles, nodeSurvey } from './apply-world.js';
import { settingDrift } from './judge-expectation.js';
import { type DeclaredNode, stayingNodes } from './nodes.js';
import type { AnsweringNode, ObservedNode } from './observation.js';
import type { DifferingFile, Drift, PlanBody, Step } from './plan.js';
import { evicts, hazardOf } from './setting-hazards.js';
import { changeText, fixedAtStart, inSafeOrder, type SettingChange } from './settings.js';
import type { NodePart } from './survey.js';
import { userName } from './users.js';

type Changes = Pick<PlanBody, 'steps' | 'refusals' | 'drift' | 'notes'>;

const NOTHING: Changes = { steps: [], refusals: [], drift: [], notes: [] };

const WHY = {
  silent: 'the node does not answer',
  users: 'the users of the node could not be read',
  secret: 'secrets are changed by a rotation, which this version does not have',
  program: 'a running node gets another program by an upgrade, which this version does not have',
  restart: 'Redis takes it only when the node is started again, and this version restarts no running node',
} as const;

/** What is changed on nodes that run, without a restart: each node is a step of its own, replicas before masters. */
export function planSettings(world: ApplyWorld): Changes {
  const running = stayingNodes(world.spec).flatMap((node) => {
    const survey = nodeSurvey(world.surveys, node);
    const seen = world.observation.nodes.find(({ name }) => name === node.name);
    if (survey?.service.state !== 'running' || seen === undefined) return [];
    return [{ node, seen, onHost: survey.files.config, files: differingFiles(world, node, survey) }];
  });
  const replicasFirst = [...running].sort((a, b) => Number(isMaster(a.seen)) - Number(isMaster(b.seen)));
  return replicasFirst
    .map((one) => (one.seen.answered ? changesOf(world, { ...one, seen: one.seen }) : untouched(one)))
    .reduce(joined, NOTHING);
}

interface RunningNode {
  readonly node: DeclaredNode;
  readonly seen: AnsweringNode;
  /** Digest of the redis.conf that is on the host. */
  readonly onHost: string | null;
  readonly files: readonly DifferingFile[];
}

function isMaster(node: ObservedNode): boolean {
  return node.answered && node.role === 'master';
}

function joined(a: Changes, b: Changes): Changes {
  return {
    steps: [...a.steps, ...b.steps],
    refusals: [...a.refusals, ...b.refusals],
    drift: [...a.drift, ...b.drift],
    notes: [...a.notes, ...b.notes],
  };
}

/** What cannot be asked cannot be changed and read back. */
function untouched({ node, files }: Omit<RunningNode, 'seen'>): Changes {
  return { ...NOTHING, drift: files.map((file) => fileDrift(node, file, WHY.silent)) };
}

function changesOf(world: ApplyWorld, running: RunningNode): Changes {
  const { node, seen, files } = running;
  const held = heldBack(world, node);
  const written = files.filter(({ role }) => held.why[role] === undefined);
  const differing = settingDrift(seen, world);
  const fixed = differing.filter(({ setting }) => fixedAtStart(setting, seen));
  const settable = differing.filter((change) => !fixed.includes(change));
  const settings = held.why.config === undefined ? inSafeOrder(settable) : [];
  const newConfig = written.some(({ role }) => role === 'config');
  const because = (changes: readonly SettingChange[], why: string) =>
    changes.map((change) => ({ ...change, node: node.name, why }));
  return {
    ...dangers(world, running, settings),
    steps: stepOf(node, {
      settings,
      files: written,
      atNextStart: newConfig ? [...fixed.map(changeText), ...unseenLines(world, running)] : [],
    }),
    drift: [
      ...(newConfig ? [] : because(fixed, WHY.restart)),
      ...(held.why.config === undefined ? [] : because(settable, held.why.config)),
      ...held.drift,
      ...files.flatMap((file) => {
        const why = held.why[file.role];
        return why === undefined ? [] : [fileDrift(node, file, why)];
      }),
    ],
  };
}

function stepOf(
  { name, host }: DeclaredNode,
  change: Pick<Extract<Step, { kind: 'changeSettings' }>, 'settings' | 'files' | 'atNextStart'>,
): Step[] {
  if (change.settings.length === 0 && change.files.length === 0) return [];
  return [{ kind: 'changeSettings', id: `changeSettings/${name}`, host, node: name, ...change }];
}

interface HeldBack {
  /** Why a file is not written; a role that is missing here is. */
  readonly why: Partial<Readonly<Record<NodePart, string>>>;
  readonly drift: readonly Drift[];
}

/** A file that holds a secret which the node does not have is not written: its next start would change the secret of this one node. */
function heldBack({ spec, otherSecrets }: ApplyWorld, { name }: DeclaredNode): HeldBack {
  const others = otherSecrets[name] === undefined ? [] : otherSecrets[name];
  const program = { service: WHY.program, engine: WHY.program };
  if (others === null) return { why: { ...program, config: WHY.users, acl: WHY.users }, drift: [] };
  const inConfig = others.includes(userName(spec, 'replication'));
  return {
    why: {
      ...program,
      ...(others.length === 0 ? {} : { acl: WHY.secret }),
      ...(inConfig ? { config: WHY.secret } : {}),
    },
    drift: others.map((user) => ({
      node: name,
      setting: `user ${user}`,
      running: 'with another secret, or not there',
      wanted: 'with the secret of the spec',
      why: WHY.secret,
    })),
  };
}

function fileDrift({ name }: DeclaredNode, { role, action }: DifferingFile, why: string): Drift {
  const running = action === 'create' ? 'missing on the host' : 'another one on the host';
  if (role === 'engine') {
    return {
      node: name,
      setting: 'engine',
      running: action === 'create' ? "none of the hosts' own" : 'another one',
      wanted: 'the one of the spec',
      why,
    };
  }
  return { node: name, setting: `file ${role}`, running, wanted: 'as the spec renders it', why };
}

/** A redis.conf that differs in more than CONFIG GET shows. */
function unseenLines({ configAsRunning }: ApplyWorld, { node, onHost }: RunningNode): string[] {
  if (onHost !== null && configAsRunning[node.name]?.includes(onHost) === true) return [];
  return ['lines of redis.conf that CONFIG GET does not show'];
}

function dangers(
  { spec }: ApplyWorld,
  { node, seen }: RunningNode,
  settings: readonly SettingChange[],
): Pick<Changes, 'refusals' | 'notes'> {
  const questions = settings.map((change) => ({ change, node: seen, policy: spec.redis.maxmemoryPolicy }));
  return {
    refusals: questions.flatMap((question) => {
      const hazard = hazardOf(question);
      return hazard === null ? [] : [{ host: node.host, node: node.name, ...hazard }];
    }),
    notes: questions
      .filter(evicts)
      .map(
        ({ change }) => `${node.name} uses more memory than ${change.wanted}: lowering maxmemory evicts keys at once.`,
      ),
  };
}
