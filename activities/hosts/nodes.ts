import { resolveSecrets, type SecretResolver } from '../../config/secrets.js';
import { nodeModes, type RenderedFile, renderNodeFiles } from '../../config/render.js';
import { renderUnit } from '../../config/render-unit.js';
import { engineTarget, wantedEngine } from '../../domain/install.js';
import { nodeName } from '../../domain/nodes.js';
import type { ClusterSpec, HostSpec } from '../../domain/spec.js';
import type { HostStep, NodeStep, StepResult } from '../../domain/steps.js';
import type { NodePart } from '../../domain/survey.js';
import { effectsOf } from './answer.js';
import { type HostAdapters, hostOf, orderHost, orderLast } from './ask-host.js';

/** Whether data (and the record beside it) stays on the host. */
export interface DataChoice {
  readonly data: 'keep' | 'delete';
}

/** Makes the folders that all nodes of a host share. What is there already is left as it is. */
export async function prepareHost(adapters: HostAdapters, step: HostStep): Promise<StepResult> {
  const folders = [`folder ${nodeModes(step.spec).shared} nodes`, 'folder 700 jobs'];
  const answer = await orderHost(adapters, {
    ...step,
    purpose: `preparation of ${step.host}`,
    words: ['ensure'],
    stdin: instructions([...serviceLines(step.spec, hostOf(step.spec, step.host)), ...folders]),
  });
  return { effects: effectsOf(answer, step.host) };
}

/** What the nodes' units need before there are nodes. */
function serviceLines(spec: ClusterSpec, host: HostSpec): string[] {
  const unit = renderUnit(spec, host);
  if (unit === null || spec.service.method !== 'systemd') return [];
  return [`account ${spec.service.user}`, `unit ${unit.sha256} ${unit.name} ${base64(unit.content)}`];
}

/** Which of a node's parts are written; all of them where nothing is said. */
export interface FileChoice {
  readonly roles?: readonly NodePart[];
}

/** Makes a node's folders and writes its files as the spec renders them, and its link to its engine; a file with the wanted digest and mode is not touched. */
export async function placeNode(
  { secrets, ...adapters }: HostAdapters & { readonly secrets: SecretResolver },
  step: NodeStep & FileChoice,
): Promise<StepResult> {
  const { spec, port } = step;
  const host = hostOf(spec, step.host);
  const files = renderNodeFiles({ spec, host, port, secrets: await resolveSecrets({ spec, resolve: secrets }) });
  const chosen = files.filter(({ role }) => step.roles?.includes(role) ?? true);
  const home = `nodes/${port}`;
  const modes = nodeModes(spec);
  const engine = wantedEngine(spec);
  const linked = engine !== null && (step.roles?.includes('engine') ?? true);
  const answer = await orderHost(adapters, {
    ...step,
    purpose: `placing of ${nodeName(host.name, port)}`,
    words: ['ensure'],
    stdin: instructions([
      `folder ${modes.home} ${home}`,
      `folder ${modes.own} ${home}/data`,
      `folder ${modes.own} ${home}/log`,
      `folder ${modes.run} ${home}/run`,
      ...chosen.map((file) => fileLine(host, file)),
      ...(linked ? [`link ${home}/current ${engineTarget(engine)}`] : []),
    ]),
  });
  return { effects: effectsOf(answer, host.name) };
}

/** One instruction a line; the last line says that none was lost on the way. */
function instructions(lines: readonly string[]): string {
  return [...lines, 'end\n'].join('\n');
}

/** Paths are below the root. */
function fileLine({ root }: HostSpec, { mode, sha256, path, content }: RenderedFile): string {
  return `file ${mode} ${sha256} ${path.slice(root.length + 1)} ${base64(content)}`;
}

function base64(text: string): string {
  return Buffer.from(text, 'utf8').toString('base64');
}

/** Takes a stopped node off its host; `keep` leaves its data and log. One that is gone is gone. Throws ForgeError Refused while it runs. */
export async function removeNode(adapters: HostAdapters, step: NodeStep & DataChoice): Promise<StepResult> {
  const answer = await orderLast(adapters, {
    ...step,
    purpose: `removal of ${nodeName(step.host, step.port)}`,
    words: ['node', 'remove', `${step.port}`, step.data],
  });
  return { effects: answer === null ? [] : effectsOf(answer, step.host) };
}

/** Takes RedisForge off a host; `keep` leaves the record beside the data. Done already where there is no helper. Throws ForgeError Refused while nodes are left. */
export async function releaseHost(adapters: HostAdapters, step: HostStep & DataChoice): Promise<StepResult> {
  const answer = await orderLast(adapters, {
    ...step,
    purpose: `release of ${step.host}`,
    words: ['host', 'release', step.data],
  });
  return { effects: answer === null ? [] : effectsOf(answer, step.host) };
}
