import { type Document, isMap, isSeq, visit, type YAMLMap, type YAMLSeq } from 'yaml';
import { commonLines } from '../domain/line-diff.js';

/** A document as text, in the style of the text that it was read from: indentation of lists, and spaces inside of brackets. */
export function written(document: Document, text: string): string {
  const spaced = { map: bracketsOf(text, '{', ' '), seq: bracketsOf(text, '[', ' ') };
  visit(document, {
    Collection(_key, node) {
      if (isMap(node) || isSeq(node)) pad(node, spaced[isMap(node) ? 'map' : 'seq'] ? ' ' : '');
    },
  });
  const indentSeq = !/^[A-Za-z]\w*:[^\S\n]*(#.*)?\n(\s*(#.*)?\n)*- /m.test(text);
  return document.toString({ lineWidth: 0, indentSeq });
}

/** Whether most brackets of a kind have a space behind them. */
function bracketsOf(text: string, bracket: '{' | '[', space: string): boolean {
  const all = text.split(bracket).slice(1);
  return all.filter((behind) => behind.startsWith(space)).length * 2 > all.length;
}

/** The library has one answer for all collections of a document, most people have one for mappings and another for lists. */
function pad(node: YAMLMap | YAMLSeq, flowCollectionPadding: string): void {
  const usual = node.toString.bind(node);
  node.toString = (context, ...others) =>
    usual(context === undefined ? context : { ...context, flowCollectionPadding }, ...others);
}

/**
 * The text with the changes from `before` to `after`, where `before` says what the text says and differs from it in spaces and empty lines alone: a merge of
 * three (as diff3 does it), in which what the change does not touch stays as it was written.
 */
export function asItWasWritten({ text, before, after }: { text: string; before: string; after: string }): string {
  const newline = text.includes('\r\n') ? '\r\n' : '\n';
  const [own, from, to] = [text.split(/\r?\n/), before.split('\n'), after.split('\n')];
  const plain = (lines: readonly string[]) => lines.map((line) => line.replace(/\s+/g, ''));
  const inOwn = new Map(commonLines(plain(from), plain(own)));
  const inTo = new Map(commonLines(from, to));
  const merged: string[] = [];
  let [i, j, k] = [0, 0, 0];
  for (const [position, line] of [...from.entries(), [from.length, undefined] as const]) {
    const ownAt = line === undefined ? own.length : inOwn.get(position);
    const toAt = line === undefined ? to.length : inTo.get(position);
    if (ownAt === undefined || toAt === undefined) continue;
    const untouched = from.slice(j, position).join('\n') === to.slice(k, toAt).join('\n');
    merged.push(...(untouched ? own.slice(i, ownAt) : to.slice(k, toAt)));
    if (line !== undefined) merged.push(own[ownAt] ?? '');
    [i, j, k] = [ownAt + 1, position + 1, toAt + 1];
  }
  return merged.join(newline);
}
