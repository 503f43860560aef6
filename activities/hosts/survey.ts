import { ForgeError } from '../../domain/errors.js';
import { isGuardReason } from '../../domain/guard.js';
import { nodePaths, unitTemplate } from '../../domain/nodes.js';
import type { SlotRange } from '../../domain/slots.js';
import type { ClusterSpec, HostSpec } from '../../domain/spec.js';
import type { HostExam, HostSurvey, NodeFileRole, NodeSurvey, ServiceState } from '../../domain/survey.js';
import { UnreadableAnswer } from '../../domain/unreadable.js';
import { type Answer, hexDigest, parseAnswer, readable, theOne, wholeNumber } from './answer.js';
import { askHost, type HostAdapters, hostOf } from './ask-host.js';
import { engineQuestions } from './install.js';
import { parseProfile } from './profile.js';
import { parseRecord } from './record.js';

/** When the question left and the answer came, epoch milliseconds of this machine. */
interface Times {
  readonly asked: number;
  readonly answered: number;
}

/**
 * What one host says of itself and its nodes, in one round trip, with nothing installed. Only reads. Throws ForgeError: those of a login, and
 * CommandFailed where the answer is cut off.
 */
export async function surveyHost(
  adapters: HostAdapters,
  { spec, host: name }: { spec: ClusterSpec; host: string },
): Promise<HostSurvey> {
  const host = hostOf(spec, name);
  const asked = Date.now();
  const { stdout } = await askHost(adapters, {
    spec,
    host: name,
    purpose: `survey of ${name}`,
    words: [
      'survey',
      ...engineQuestions(spec, host),
      `address=${host.address}`,
      `nofile=${spec.redis.nofile}`,
      `profile=${spec.os.profile}`,
      `unit=${unitTemplate(spec)}`,
      ...host.nodes.map(({ port }) => `${port}`),
    ],
  });
  const times = { asked, answered: Date.now() };
  return readSurvey(stdout, { spec, host, times });
}

export interface SurveyContext {
  readonly spec: ClusterSpec;
  readonly host: HostSpec;
  readonly times: Times;
}

/** What an answer says. Throws ForgeError CommandFailed where it is cut off, contradicts itself, or says what is none of its words. */
export function readSurvey(stdout: string, { spec, host, times }: SurveyContext): HostSurvey {
  const { name } = host;
  const answer = parseAnswer(stdout);
  if (answer.first('end') === undefined) throw cutOff(name);
  const left = 'It only read; nothing was changed.';
  return readable({ host: name, purpose: `survey of ${name}`, left }, () => ({
    host: name,
    exam: parseExam(answer, times),
    record: parseRecord(answer),
    unit: parseUnit(answer),
    nodes: host.nodes.map(({ port }) => parseNode(answer, host, port)),
    ...(spec.os.profile === 'off' ? {} : { os: parseProfile(answer) }),
  }));
}

function parseUnit(answer: Answer): HostSurvey['unit'] {
  const [sha256, uid = ''] = answer.only('unit') ?? [];
  return sha256 === undefined ? null : { sha256: hexDigest('unit', sha256), uid };
}

function cutOff(host: string): ForgeError {
  return new ForgeError('CommandFailed', {
    what: `The survey of ${host} ended in the middle.`,
    left: 'It only read; nothing was changed.',
    next: `Look whether the login shell on ${host} prints or runs something of its own, then ask again.`,
  });
}

function parseExam(answer: Answer, times: Times): HostExam {
  const text = (word: string) => answer.only(word)?.[0] ?? '';
  const number = (word: string) => wholeNumber(word, answer.only(word)?.[0]);
  const [total, available] = answer.only('memory') ?? [];
  return {
    hostname: text('hostname'),
    os: text('os'),
    arch: text('arch'),
    cpus: number('cpus'),
    memoryBytes: wholeNumber('memory', total),
    memoryAvailableBytes: wholeNumber('memory', available),
    diskFreeBytes: number('disk'),
    clockSkewMs: skew(number('clock'), times),
    serverVersion: answer.only('server')?.[0] ?? null,
    installedPackage: parsePackage(answer),
    rootProblem: answer.only('root')?.[0] ?? null,
    nofileLimit: number('nofile'),
    privileged: text('privileged') === 'yes',
    systemdVersion: /^\d+$/.test(text('systemd')) ? number('systemd') : null,
    missingTools: answer.all('missing').map(([tool = '']) => tool),
  };
}

function parsePackage(answer: Answer): HostExam['installedPackage'] {
  const [version, held] = answer.only('package') ?? [];
  return version === undefined ? null : { version, held: held === 'held' };
}

/** The host read its clock somewhere between question and answer: only what lies outside is surely skew. */
function skew(clock: number, { asked, answered }: Times): number {
  if (clock < asked) return clock - asked;
  return clock > answered ? clock - answered : 0;
}

function parseNode(answer: Answer, host: HostSpec, port: number): NodeSurvey {
  const paths = nodePaths(host, port);
  const ofNode = (word: string) =>
    answer.all(word).flatMap(([node, ...fields]) => (node === `${port}` ? [fields] : []));
  const only = (word: string) => theOne(word, ofNode(word));
  const digestOf = (path: string) => {
    const digests = ofNode('digest').filter(([file]) => `${paths.home}/${file}` === path);
    return digests.length === 0 ? null : hexDigest('digest', theOne('digest', digests)?.[1]);
  };
  const files: Record<NodeFileRole, string | null> = {
    config: digestOf(paths.config),
    acl: digestOf(paths.acl),
    service: digestOf(paths.service),
  };
  const takers = ofNode('taken').map(([taken, owner]) => `${owner} on port ${taken}`);
  return {
    port,
    files,
    engine: only('engine')?.[0] ?? null,
    service: parseGuard(only('guarded') ?? []) ?? parseService(only('node') ?? []),
    method: parseMethod(only('method')?.[0]),
    nofile: parseLimit(only('allowed')?.[0]),
    data: ofNode('data').map(([file = '']) => file),
    portTakenBy: takers.length === 0 ? null : takers.join(', '),
  };
}

function parseMethod(word: string | undefined): NodeSurvey['method'] {
  return word === 'process' || word === 'systemd' ? word : null;
}

function parseLimit(word: string | undefined): number | null {
  if (word === undefined) return null;
  return word === 'unlimited' ? Number.MAX_SAFE_INTEGER : wholeNumber('allowed', word);
}

function parseGuard([reason = '', at = '', slots = '']: readonly string[]): ServiceState | null {
  if (!isGuardReason(reason)) return null;
  return { state: 'guarded', reason, at, slots: slots.split(' ').filter(Boolean).map(parseRange) };
}

function parseRange(word: string): SlotRange {
  const [from, to = from] = word.split('-').map((slot) => wholeNumber('guarded', slot));
  return [from ?? 0, to ?? 0];
}

/** `lost`: nobody saw its end (a reboot, or its supervisor was killed too); its time is then that of its start. */
function parseService([state = 'nothing', pid, code, at = '']: readonly string[]): ServiceState {
  switch (state) {
    case 'running':
      // systemd is about to start it, or has just begun: there is no process yet.
      return { state, pid: pid === '-' ? 0 : wholeNumber('node', pid) };
    case 'exited':
      return { state, exitCode: code === '-' ? null : wholeNumber('node', code), at };
    case 'lost':
      return { state: 'exited', exitCode: null, at };
    case 'stopped':
      return { state };
    case 'absent':
      return { state };
    default:
      throw new UnreadableAnswer('node', state);
  }
}
