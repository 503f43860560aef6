import { resolveSecrets, type SecretResolver } from '../../config/secrets.js';
import { type RenderedFile, renderNodeFiles } from '../../config/render.js';
import { nodeName } from '../../domain/nodes.js';
import type { HostStep, NodeStep, StepResult } from '../../domain/steps.js';
import type { NodeFileRole } from '../../domain/survey.js';
import { effectsOf } from './answer.js';
import { type HostAdapters, hostOf, orderHost, orderLast } from './ask-host.js';
import { installMethod } from './install.js';

/** Whether data (and the record beside it) stays on the host. */
export interface DataChoice {
  readonly data: 'keep' | 'delete';
}

/** Makes the folders that all nodes of a host share, and installs the engine. What is there already is left as it is. */
export async function prepareHost(adapters: HostAdapters, step: HostStep): Promise<StepResult> {
  const installed = await installMethod(step.spec).install(step);
  const answer = await orderHost(adapters, {
    ...step,
    purpose: `preparation of ${step.host}`,
    words: ['ensure'],
    stdin: instructions({ folders: ['nodes', 'jobs'], files: [] }),
  });
  return { effects: [...installed, ...effectsOf(answer, step.host)] };
}

/** Which of a node's files are written; all of them where nothing is said. */
export interface FileChoice {
  readonly roles?: readonly NodeFileRole[];
}

/** Makes a node's folders and writes its files as the spec renders them; a file with the wanted digest and mode is not touched. */
export async function placeNode(
  { secrets, ...adapters }: HostAdapters & { readonly secrets: SecretResolver },
  step: NodeStep & FileChoice,
): Promise<StepResult> {
  const { spec, port } = step;
  const host = hostOf(spec, step.host);
  const files = renderNodeFiles({ spec, host, port, secrets: await resolveSecrets({ spec, resolve: secrets }) });
  const chosen = files.filter(({ role }) => step.roles?.includes(role) ?? true);
  const home = `nodes/${port}`;
  const answer = await orderHost(adapters, {
    ...step,
    purpose: `placing of ${nodeName(host.name, port)}`,
    words: ['ensure'],
    stdin: instructions({
      folders: [home, `${home}/data`, `${home}/log`, `${home}/run`],
      files: chosen.map((file) => ({ ...file, path: file.path.slice(host.root.length + 1) })),
    }),
  });
  return { effects: effectsOf(answer, host.name) };
}

/** One instruction a line, paths below the root; the last line says that none was lost on the way. */
function instructions({ folders, files }: { folders: readonly string[]; files: readonly RenderedFile[] }): string {
  const base64 = (text: string) => Buffer.from(text, 'utf8').toString('base64');
  return [
    ...folders.map((path) => `folder 700 ${path}`),
    ...files.map(({ mode, sha256, path, content }) => `file ${mode} ${sha256} ${path} ${base64(content)}`),
    'end\n',
  ].join('\n');
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
