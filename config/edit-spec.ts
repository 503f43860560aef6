import { dirname } from 'node:path';
import { type Document, isAlias, isMap, isScalar, isSeq, parseDocument, type YAMLMap, type YAMLSeq } from 'yaml';
import { ForgeError } from '../domain/errors.js';
import type { ClusterSpec, NodeSpec } from '../domain/spec.js';
import { editedSpec, type Leaving, type NewHost, type SpecEdit } from '../domain/spec-edit.js';
import { ruleProblems } from '../domain/spec-rules.js';
import { describeProblem, type LoadedSpec, readSpec } from './load.js';
import { asItWasWritten, written } from './yaml-style.js';

/**
 * The spec's file with the edits made in it: comments, order and writing of all other lines stay. What comes out is read again and has to say what the edits
 * say. Throws ForgeError Refused with all problems where the new spec could not be used, or where the file is written in a way that is not understood here.
 */
export function editSpec(loaded: LoadedSpec, edits: readonly SpecEdit[], env: NodeJS.ProcessEnv): LoadedSpec {
  if (edits.length === 0) return loaded;
  const { path, text } = loaded;
  const document = parseDocument(text, { logLevel: 'error' });
  for (const edit of edits) make(document, edit);
  const wanted = editedSpec(loaded.spec, edits);
  const normal = written(document, text);
  const merged = asItWasWritten({
    text,
    before: written(parseDocument(text, { logLevel: 'error' }), text),
    after: normal,
  });
  for (const candidate of [merged, normal]) {
    const read = readSpec(candidate, { folder: dirname(path), home: env.HOME });
    if ('problems' in read) {
      if (ruleProblems(wanted).length > 0) throw unusable(read.problems.map(describeProblem));
    } else if (saysTheSame(read.spec, wanted)) return { path, text: candidate, spec: read.spec };
  }
  throw new ForgeError('Refused', {
    what: `${path} is written in a way in which it cannot be changed by a program (anchors, aliases or tags).`,
    left: 'Nothing was started or changed.',
    next: `Make the change by hand and run apply: ${edits.map(editWords).join('; ')}.`,
  });
}

function unusable(problems: readonly string[]): ForgeError {
  return new ForgeError('Refused', {
    what: `The spec could not be used with this change:\n${problems.map((problem) => `  ${problem}`).join('\n')}`,
    left: 'Nothing was started or changed.',
    next: 'Ask for something else, or change the spec first.',
  });
}

/** All that edits speak of. What a new host leaves to the defaults of the file is the file's. */
function saysTheSame(a: ClusterSpec, b: ClusterSpec): boolean {
  const said = ({ shape, balance, hosts }: ClusterSpec) => ({
    shape: Object.entries(shape).sort(),
    balance,
    hosts: hosts.map(({ name, zone, address, nodes }) => [name, zone, address, nodes.map(nodeWords)]),
  });
  return JSON.stringify(said(a)) === JSON.stringify(said(b));
}

function nodeWords({ port, leaving }: NodeSpec): string {
  return leaving === undefined ? `${port}` : `${port} ${leaving}`;
}

function editWords(edit: SpecEdit): string {
  switch (edit.kind) {
    case 'shape':
      return `shape ${JSON.stringify(edit.shape)}`;
    case 'balance':
      return `balance ${JSON.stringify(edit.balance)}`;
    case 'addHost':
      return `host ${edit.host.name} with the nodes ${edit.host.ports.join(', ')}`;
    case 'dropHost':
      return `no host ${edit.host}`;
    case 'addNode':
      return `node ${edit.port} of ${edit.host}`;
    case 'dropNode':
      return `no node ${edit.port} of ${edit.host}`;
    case 'markNode':
      return `leaving: ${edit.leaving} for node ${edit.port} of ${edit.host}`;
    default:
      return edit satisfies never;
  }
}

function make(document: Document, edit: SpecEdit): void {
  switch (edit.kind) {
    case 'shape':
      return setKeys(document, 'shape', {
        withoutReplicas: undefined,
        sharedZones: undefined,
        extraReplicas: undefined,
        ...edit.shape,
      });
    case 'balance': {
      const { by, thresholdPercent: threshold, weights } = edit.balance;
      return setKeys(document, 'balance', {
        by,
        threshold,
        weights: Object.keys(weights).length === 0 ? undefined : weights,
      });
    }
    case 'addHost':
      return addHost(document, edit.host);
    case 'dropHost':
      return dropHost(document, edit.host);
    case 'addNode':
      return nodesOf(document, edit.host)?.add(edit.port);
    case 'dropNode':
      return dropNode(nodesOf(document, edit.host), edit.port);
    case 'markNode':
      return markNode(document, edit);
    default:
      return edit satisfies never;
  }
}

/** Only what differs from what stands there, or from the default that holds where nothing does. */
function setKeys(document: Document, section: 'shape' | 'balance', values: Readonly<Record<string, unknown>>): void {
  if (!isMap(document.get(section))) document.set(section, document.createNode({}));
  for (const [key, value] of Object.entries(values)) {
    const path = [section, key];
    if (value === undefined) document.deleteIn(path);
    else if (typeof value === 'object') document.setIn(path, document.createNode(value));
    else if (document.hasIn(path) || DEFAULTS[`${section}.${key}`] !== value) document.setIn(path, value);
  }
}

const DEFAULTS: Readonly<Record<string, unknown>> = { 'shape.replicasPerMaster': 1 };

function hostsOf(document: Document): YAMLSeq | undefined {
  const hosts = document.get('hosts');
  return isSeq(hosts) ? hosts : undefined;
}

function hostOf(document: Document, name: string): YAMLMap | undefined {
  return hostsOf(document)
    ?.items.filter(isMap)
    .find((host) => host.get('name') === name);
}

/** The list of a host's nodes, in a form that can be changed: written out where it is a default or an alias of another list. */
function nodesOf(document: Document, name: string): YAMLSeq | undefined {
  const host = hostOf(document, name);
  const nodes = host?.get('nodes');
  const list = isAlias(nodes) ? nodes.resolve(document)?.clone() : nodes;
  if (isSeq(list) && list === nodes) return list;
  const own = isSeq(list) ? list : document.createNode([6379], { flow: true });
  if (!isSeq(own)) return undefined;
  delete own.anchor;
  host?.set('nodes', own);
  return own;
}

function positionOf(nodes: YAMLSeq | undefined, port: number): number {
  return (nodes?.items ?? []).findIndex(
    (node) => (isMap(node) ? node.get('port') : isScalar(node) ? node.value : node) === port,
  );
}

function dropNode(nodes: YAMLSeq | undefined, port: number): void {
  const position = positionOf(nodes, port);
  if (position >= 0) nodes?.delete(position);
}

function markNode(document: Document, { host, port, leaving }: { host: string; port: number; leaving: Leaving }): void {
  const nodes = nodesOf(document, host);
  const node = nodes?.items[positionOf(nodes, port)];
  if (isMap(node)) return node.set('leaving', leaving);
  const marked = document.createNode({ port, leaving }, { flow: true });
  if (isScalar(node)) Object.assign(marked, { comment: node.comment, commentBefore: node.commentBefore });
  nodes?.set(positionOf(nodes, port), marked);
}

function dropHost(document: Document, name: string): void {
  const hosts = hostsOf(document);
  const position = hosts?.items.findIndex((host) => isMap(host) && host.get('name') === name) ?? -1;
  if (position >= 0) hosts?.delete(position);
}

function addHost(document: Document, { name, zone, address, ports, login }: NewHost): void {
  const hosts = hostsOf(document);
  const last = hosts?.items.filter(isMap).at(-1);
  const usual = (key: string) => document.getIn(['ssh', key]);
  const ssh = {
    ...(login.user === usual('user') ? {} : { user: login.user }),
    ...(login.host === address ? {} : { host: login.host }),
    ...(login.port === (usual('port') ?? 22) ? {} : { port: login.port }),
    ...wayIn(document, last),
    ...(login.hostKey === null ? {} : { hostKeys: [login.hostKey] }),
  };
  const entry = { name, zone, address, ...(Object.keys(ssh).length === 0 ? {} : { ssh }) };
  const host = document.createNode<unknown>(entry, { flow: last?.flow === true });
  if (isMap(host)) host.set('nodes', document.createNode(ports, { flow: nodesAreInLine(last) }));
  hosts?.add(host);
}

/** How the hosts are logged in to, where each says it for itself. */
function wayIn(document: Document, host: YAMLMap | undefined): Record<string, unknown> {
  const keys = ['identityFile', 'agent', 'sudo', 'knownHosts'].filter((key) => !document.hasIn(['ssh', key]));
  return Object.fromEntries(
    keys.flatMap((key) => {
      const own: unknown = host?.getIn(['ssh', key]);
      return own === undefined ? [] : [[key, own]];
    }),
  );
}

function nodesAreInLine(host: YAMLMap | undefined): boolean {
  const nodes = host?.get('nodes');
  return !isSeq(nodes) || nodes.flow === true;
}
