import { type Document, isAlias, isMap, isScalar, isSeq, LineCounter, type Node, parseDocument } from 'yaml';
import type { SpecPath } from '../domain/spec-path.js';

/** A YAML file that knows on which line each of its values stands. */
export interface YamlFile {
  readonly value: unknown;
  /** What is wrong with it as YAML, said of the file; the words of the parser are left out where they could quote the text, which may hold a secret. */
  readonly errors: readonly { readonly line: number; readonly reason: string }[];
  /** Line of the value, or of its nearest parent that is there. */
  lineOf(path: SpecPath): number;
}

const YAML_REASONS: Readonly<Record<string, string>> = {
  DUPLICATE_KEY: 'has the same key twice in one mapping',
  TAB_AS_INDENT: 'uses a tab for indentation',
  BAD_INDENT: 'has an indentation that does not fit',
  MULTIPLE_DOCS: 'has more than one document',
  RESOURCE_EXHAUSTION: 'is nested too deeply',
  MISSING_CHAR: 'lacks something, such as a colon, a quote or a bracket',
};

export function readYaml(text: string): YamlFile {
  const lines = new LineCounter();
  // Its warnings go to stderr and quote the text.
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, logLevel: 'error' });
  const lineAt = (offset: number | undefined) => (offset === undefined ? 1 : lines.linePos(offset).line);
  const errors = document.errors.map(({ code, pos }) => ({
    line: lineAt(pos[0]),
    reason: YAML_REASONS[code] ?? `is not valid YAML (${code})`,
  }));
  const value = errors.length > 0 ? undefined : toValue(document);
  return {
    value: value?.value,
    errors:
      value === null
        ? [{ line: 1, reason: 'has an alias without an anchor, or aliases that grow without end' }]
        : errors,
    lineOf: (path) => lineAt(offsetOf(document, path)),
  };
}

function toValue(document: Document): { value: unknown } | null {
  try {
    return { value: document.toJS() };
  } catch {
    return null;
  }
}

function offsetOf(document: Document, path: SpecPath): number | undefined {
  let node: unknown = document.contents;
  let offset: number | undefined;
  for (const segment of path) {
    const child = childOf(isAlias(node) ? node.resolve(document) : node, segment);
    if (child === null) break;
    offset = child.offset;
    node = child.node;
  }
  return offset;
}

function childOf(node: unknown, segment: string | number): { node: unknown; offset: number | undefined } | null {
  if (isMap(node)) {
    const pair = node.items.find(({ key }) => isScalar(key) && String(key.value) === String(segment));
    return pair === undefined ? null : { node: pair.value, offset: startOf(pair.key) };
  }
  if (isSeq(node)) {
    const item = node.items[Number(segment)];
    return item === undefined ? null : { node: item, offset: startOf(item) };
  }
  return null;
}

function startOf(node: unknown): number | undefined {
  return (node as Partial<Node> | null)?.range?.[0];
}
