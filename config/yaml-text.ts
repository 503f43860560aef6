import { Document, isAlias, isCollection, isMap, isNode, isPair, isScalar, isSeq, parseDocument, visit } from 'yaml';
import type { SpecPath } from '../domain/spec-path.js';

/*
 * Changes in a YAML text that touch nothing but the place they are about: the parser says where things stand, and the new text is put between. To let the
 * library write the whole document anew would keep the comments, and change the spaces of every other line.
 */

/** The text is written in a way that is not understood here. */
export class NotUnderstood extends Error {}

/** A place that a change is about: a mapping or list with its items, and how it is written. */
interface Place {
  readonly flow: boolean;
  /** Of the collection's text. */
  readonly start: number;
  readonly items: readonly Item[];
}

/** Offsets in the text: of the item, or of the key and the end of its value. */
interface Item {
  readonly start: number;
  readonly end: number;
  readonly key: unknown;
  /** Of the value, or of the item itself. */
  readonly value: readonly [start: number, end: number];
  /** Whether the value is another place's. */
  readonly alias: boolean;
}

export function valueOf(text: string): unknown {
  return parsed(text).toJS();
}

/** The value of a key, where the key is there; else the key and its value, behind the last one. */
export function setKey(text: string, path: SpecPath, value: unknown): string {
  const key = path.at(-1);
  const place = placeAt(text, path.slice(0, -1));
  const item = place.items.find((one) => one.key === key);
  if (item === undefined) return insert(text, place, { [String(key)]: value });
  return splice(text, item.value, inline(value, text));
}

/** Nothing where the key is not there. */
export function removeKey(text: string, path: SpecPath): string {
  const place = placeAt(text, path.slice(0, -1));
  const at = place.items.findIndex(({ key }) => key === path.at(-1));
  return at < 0 ? text : remove(text, place, at);
}

/** Behind the last item of a list. `inLine`: as `{…}` in a list of lines. */
export function addItem(text: string, path: SpecPath, value: unknown, { inLine }: { inLine: boolean }): string {
  return insert(text, placeAt(text, path), value, inLine);
}

export function replaceItem(text: string, path: SpecPath, position: number, value: unknown): string {
  const item = placeAt(text, path).items[position];
  if (item === undefined) throw new NotUnderstood();
  return splice(text, item.value, inline(value, text));
}

export function removeItem(text: string, path: SpecPath, position: number): string {
  return remove(text, placeAt(text, path), position);
}

/** Whether something is written within brackets; `undefined` where it is not there. */
export function isInLine(text: string, path: SpecPath): boolean | undefined {
  const node = parsed(text).getIn(path, true);
  return isCollection(node) ? node.flow === true : undefined;
}

/** Whether a value stands somewhere else, and is only pointed to. */
export function isPointer(text: string, path: SpecPath): boolean {
  return isAlias(parsed(text).getIn(path, true));
}

/** The same text is asked about again and again between two changes of it. */
let latest = { text: '', document: parseDocument('') };

function parsed(text: string): Document {
  if (latest.text !== text) latest = { text, document: parseDocument(text, { logLevel: 'error' }) };
  return latest.document;
}

function placeAt(text: string, path: SpecPath): Place {
  const document = parsed(text);
  const node: unknown = path.length === 0 ? document.contents : document.getIn(path, true);
  if (!isMap(node) && !isSeq(node)) throw new NotUnderstood();
  return { flow: node.flow === true, start: rangeOf(node)[0], items: node.items.map(itemOf) };
}

function itemOf(node: unknown): Item {
  if (!isPair(node)) {
    const value = rangeOf(node);
    return { start: value[0], end: value[1], key: undefined, value, alias: isAlias(node) };
  }
  const key = rangeOf(node.key);
  const value = rangeOf(node.value);
  return {
    start: key[0],
    end: value[1],
    key: isScalar(node.key) ? node.key.value : undefined,
    value,
    alias: isAlias(node.value),
  };
}

function rangeOf(node: unknown): readonly [number, number] {
  const range = isNode(node) ? node.range : undefined;
  if (range === undefined || range === null) throw new NotUnderstood();
  return [range[0], range[1]];
}

function insert(text: string, { flow, start, items }: Place, value: unknown, inLine = false): string {
  const last = items.at(-1);
  if (flow) {
    const written =
      isRecord(value) && !inLine && text[start] === '{' ? inline(value, text).slice(1, -1).trim() : inline(value, text);
    if (last === undefined) return splice(text, [start + 1, start + 1], written);
    return splice(text, [last.end, last.end], `, ${written}`);
  }
  const first = items[0];
  if (first === undefined || last === undefined) throw new NotUnderstood();
  const line = text.slice(lineStart(text, first.start), first.start);
  const dash = /^(\s*)-(\s+)$/.exec(line);
  const isKey = first.key !== undefined;
  if (!isKey && dash === null) throw new NotUnderstood();
  const column = isKey ? line.length : (dash?.[1]?.length ?? 0);
  const lines = blockLines(isKey ? value : [inLine ? inLineNode(value) : value], text);
  const at = lineEnd(text, contentEnd(text, last.end));
  const newline = text.includes('\r\n') ? '\r\n' : '\n';
  return splice(text, [at, at], lines.map((written) => `${newline}${' '.repeat(column)}${written}`).join(''));
}

function remove(text: string, { flow, items }: Place, at: number): string {
  const [before, item, after] = [items[at - 1], items[at], items[at + 1]];
  if (item === undefined || items.length === 1) throw new NotUnderstood();
  if (flow) {
    const range: readonly [number, number] =
      before === undefined ? [item.start, after?.start ?? item.end] : [before.end, item.end];
    return splice(text, range, '');
  }
  const from = lineStart(text, item.start);
  if (!/^\s*(-\s+)?$/.test(text.slice(from, item.start))) throw new NotUnderstood();
  return splice(text, [from, lineEnd(text, contentEnd(text, item.end)) + 1], '');
}

function splice(text: string, [start, end]: readonly [number, number], by: string): string {
  return text.slice(0, start) + by + text.slice(end);
}

function lineStart(text: string, at: number): number {
  return text.lastIndexOf('\n', at - 1) + 1;
}

/** Before the newline, of whichever kind. */
function lineEnd(text: string, at: number): number {
  const newline = text.indexOf('\n', at);
  if (newline < 0) return text.length;
  return text[newline - 1] === '\r' ? newline - 1 : newline;
}

/** The parser counts the space behind a block to it. */
function contentEnd(text: string, at: number): number {
  return text.slice(0, at).trimEnd().length;
}

function isRecord(value: unknown): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** A value that is written within brackets, wherever it comes to stand. */
export function inLineNode(value: unknown): unknown {
  return new Document().createNode(value, { flow: true });
}

function inline(value: unknown, like: string): string {
  return written(inLineNode(value), like);
}

function blockLines(value: unknown, like: string): string[] {
  return written(value, like).split('\n');
}

/** A new value as text, with spaces within brackets as most of the other text has them. */
function written(value: unknown, like: string): string {
  const document = new Document(value);
  const padding = { map: paddingOf(like, '{'), seq: paddingOf(like, '[') };
  visit(document, {
    Collection(_key, node) {
      if (!isMap(node) && !isSeq(node)) return;
      const usual = node.toString.bind(node);
      const flowCollectionPadding = padding[isMap(node) ? 'map' : 'seq'];
      node.toString = (context, ...others) =>
        usual(context === undefined ? context : { ...context, flowCollectionPadding }, ...others);
    },
  });
  return document.toString({ lineWidth: 0 }).trimEnd();
}

function paddingOf(text: string, bracket: '{' | '['): string {
  const all = text.split(bracket).slice(1);
  return all.filter((behind) => behind.startsWith(' ')).length * 2 > all.length ? ' ' : '';
}
