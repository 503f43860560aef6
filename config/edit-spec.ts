import { dirname } from 'node:path';
import { ForgeError } from '../domain/errors.js';
import type { ClusterSpec, NodeSpec } from '../domain/spec.js';
import { editedSpec, type Leaving, type NewHost, type SpecEdit } from '../domain/spec-edit.js';
import type { SpecPath } from '../domain/spec-path.js';
import { ruleProblems } from '../domain/spec-rules.js';
import { describeProblem, type LoadedSpec, readSpec } from './load.js';
import {
  addItem,
  inLineNode,
  isInLine,
  isPointer,
  NotUnderstood,
  removeItem,
  removeKey,
  replaceItem,
  setKey,
  valueOf,
} from './yaml-text.js';

/**
 * The spec's file with the edits made in it: comments, order and writing of all other lines stay. What comes out is read again and has to say what the edits
 * say. Throws ForgeError Refused with all problems where the new spec could not be used, or where the file is written in a way that is not understood here.
 */
export function editSpec(loaded: LoadedSpec, edits: readonly SpecEdit[], env: NodeJS.ProcessEnv): LoadedSpec {
  if (edits.length === 0) return loaded;
  const { path } = loaded;
  const wanted = editedSpec(loaded.spec, edits);
  const text = editedText(loaded.text, edits);
  const read = text === null ? null : readSpec(text, { folder: dirname(path), home: env.HOME });
  if (read !== null && text !== null && 'spec' in read && saysTheSame(read.spec, wanted)) {
    return { path, text, spec: read.spec };
  }
  if (read !== null && 'problems' in read && ruleProblems(wanted).length > 0) {
    throw unusable(read.problems.map(describeProblem));
  }
  throw new ForgeError('Refused', {
    what: `${path} is written in a way in which it cannot be changed by a program (such as anchors that several hosts share).`,
    left: 'It was left as it is.',
    next: `Make the change by hand and run apply: ${edits.map(editWords).join('; ')}.`,
  });
}

/** `null` where the text is not understood. */
function editedText(text: string, edits: readonly SpecEdit[]): string | null {
  try {
    return edits.reduce(made, text);
  } catch (error) {
    if (error instanceof NotUnderstood) return null;
    throw error;
  }
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

function made(text: string, edit: SpecEdit): string {
  switch (edit.kind) {
    case 'shape':
      return withKeys(text, 'shape', { ...NO_SHAPE, ...edit.shape });
    case 'balance': {
      const { by, thresholdPercent: threshold, weights } = edit.balance;
      const some = Object.keys(weights).length > 0;
      return withKeys(text, 'balance', { by, threshold, weights: some ? weights : undefined });
    }
    case 'addHost':
      return withHost(text, edit.host);
    case 'dropHost':
      return removeItem(text, ['hosts'], hostAt(text, edit.host));
    case 'addNode':
      return withNode(text, hostAt(text, edit.host), edit.port);
    case 'dropNode': {
      const { path, at } = nodeAt(text, edit);
      return removeItem(text, path, at);
    }
    case 'markNode':
      return marked(text, edit);
    default:
      return edit satisfies never;
  }
}

const NO_SHAPE = { extraReplicas: undefined, withoutReplicas: undefined, sharedZones: undefined } as const;
/** What holds where the key is not there, and need not be written then. */
const DEFAULTS: Readonly<Record<string, unknown>> = { replicasPerMaster: 1 };

/** Only what differs from what stands there. */
function withKeys(text: string, section: 'shape' | 'balance', values: Readonly<Record<string, unknown>>): string {
  const there = { ...DEFAULTS, ...fieldsOf(fieldsOf(valueOf(text))[section]) };
  if (fieldsOf(valueOf(text))[section] === undefined) {
    return setKey(
      text,
      [section],
      Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)),
    );
  }
  return Object.entries(values).reduce((now, [key, value]) => {
    if (JSON.stringify(there[key]) === JSON.stringify(value)) return now;
    return value === undefined ? removeKey(now, [section, key]) : setKey(now, [section, key], value);
  }, text);
}

function fieldsOf(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? { ...value } : {};
}

function hostsOf(text: string): Record<string, unknown>[] {
  const { hosts } = fieldsOf(valueOf(text));
  return Array.isArray(hosts) ? hosts.map(fieldsOf) : [];
}

function hostAt(text: string, name: string): number {
  const at = hostsOf(text).findIndex((host) => host.name === name);
  if (at < 0) throw new NotUnderstood();
  return at;
}

function nodesAt(text: string, host: number): unknown[] | undefined {
  const nodes = hostsOf(text)[host]?.nodes;
  return Array.isArray(nodes) ? nodes : undefined;
}

function nodeAt(text: string, { host, port }: { host: string; port: number }): { path: SpecPath; at: number } {
  const position = hostAt(text, host);
  const at = (nodesAt(text, position) ?? []).findIndex((node) => (fieldsOf(node).port ?? node) === port);
  return { path: ['hosts', position, 'nodes'], at };
}

/** The list is written out where it is a default, or is that of another host. */
function withNode(text: string, host: number, port: number): string {
  const path = ['hosts', host, 'nodes'];
  const nodes = nodesAt(text, host);
  if (nodes === undefined || isPointer(text, path)) return setKey(text, path, [...(nodes ?? DEFAULT_NODES), port]);
  return addItem(text, path, port, { inLine: true });
}

const DEFAULT_NODES = [6379];

function marked(before: string, edit: { host: string; port: number; leaving: Leaving }): string {
  const { port, leaving } = edit;
  const list = ['hosts', hostAt(before, edit.host), 'nodes'];
  const nodes = nodesAt(before, hostAt(before, edit.host)) ?? DEFAULT_NODES;
  const own = nodes === DEFAULT_NODES || isPointer(before, list);
  const text = own ? setKey(before, list, nodes) : before;
  const { path, at } = nodeAt(text, edit);
  if (isInLine(text, [...path, at]) === undefined) return replaceItem(text, path, at, { port, leaving });
  return setKey(text, [...path, at, 'leaving'], leaving);
}

/** In the form of the host before it. */
function withHost(text: string, { name, zone, address, ports, root, login }: NewHost): string {
  const hosts = hostsOf(text);
  const usual = fieldsOf(fieldsOf(valueOf(text)).ssh);
  const ssh = {
    ...(login.user === usual.user ? {} : { user: login.user }),
    ...(login.host === address ? {} : { host: login.host }),
    ...(login.port === (usual.port ?? 22) ? {} : { port: login.port }),
    ...wayIn(usual, fieldsOf(hosts.at(-1)?.ssh)),
    ...(login.hostKey === null ? {} : { hostKeys: [login.hostKey] }),
  };
  const last = ['hosts', hosts.length - 1];
  const inLine = isInLine(text, last) === true;
  const nodes = isInLine(text, [...last, 'nodes']) === false ? ports : inLineNode(ports);
  const optional = { ...(root === undefined ? {} : { root }), ...(Object.keys(ssh).length === 0 ? {} : { ssh }) };
  const host = { name, zone, address, ...optional, nodes };
  return addItem(text, ['hosts'], host, { inLine });
}

/** How the hosts are logged in to, where each says it for itself. */
function wayIn(usual: Record<string, unknown>, own: Record<string, unknown>): Record<string, unknown> {
  const keys = ['identityFile', 'agent', 'sudo', 'knownHosts'].filter((key) => usual[key] === undefined);
  return Object.fromEntries(keys.flatMap((key) => (own[key] === undefined ? [] : [[key, own[key]]])));
}
