/** Pairs of positions of lines that two texts have in common, in order: a longest common subsequence. */
export function commonLines(a: readonly string[], b: readonly string[]): [a: number, b: number][] {
  const head = countWhile(Math.min(a.length, b.length), (i) => a[i] === b[i]);
  const rest = Math.min(a.length, b.length) - head;
  const tail = countWhile(rest, (i) => a[a.length - 1 - i] === b[b.length - 1 - i]);
  const middle = commonInside(a.slice(head, a.length - tail), b.slice(head, b.length - tail));
  return [
    ...Array.from({ length: head }, (_, i): [number, number] => [i, i]),
    ...middle.map(([i, j]): [number, number] => [head + i, head + j]),
    ...Array.from({ length: tail }, (_, i): [number, number] => [a.length - tail + i, b.length - tail + i]),
  ];
}

function countWhile(most: number, holds: (i: number) => boolean): number {
  let count = 0;
  while (count < most && holds(count)) count += 1;
  return count;
}

/** By the table of lengths of what is common from each pair of positions on (Wagner and Fischer). */
function commonInside(a: readonly string[], b: readonly string[]): [number, number][] {
  const width = b.length + 1;
  const lengths = new Uint32Array((a.length + 1) * width);
  const at = (i: number, j: number) => lengths[i * width + j] ?? 0;
  for (let i = a.length - 1; i >= 0; i -= 1) {
    for (let j = b.length - 1; j >= 0; j -= 1) {
      lengths[i * width + j] = a[i] === b[j] ? at(i + 1, j + 1) + 1 : Math.max(at(i + 1, j), at(i, j + 1));
    }
  }
  const pairs: [number, number][] = [];
  for (let [i, j] = [0, 0]; i < a.length && j < b.length; ) {
    if (a[i] === b[j]) pairs.push([i++, j++]);
    else if (at(i + 1, j) >= at(i, j + 1)) i += 1;
    else j += 1;
  }
  return pairs;
}

interface DiffLine {
  readonly sign: ' ' | '-' | '+';
  readonly text: string;
  /** How many lines of each text come before this one. */
  readonly before: number;
  readonly after: number;
}

const CONTEXT = 2;

/** A unified diff of two texts, without its last newline; empty where they are the same. */
export function unifiedDiff({ path, before, after }: { path: string; before: string; after: string }): string {
  const lines = allLines(linesOf(before), linesOf(after));
  const near = lines.map((_, i) =>
    lines.slice(Math.max(0, i - CONTEXT), i + CONTEXT + 1).some(({ sign }) => sign !== ' '),
  );
  const hunks: DiffLine[][] = [];
  for (const [i, line] of lines.entries()) {
    if (near[i] !== true) continue;
    if (near[i - 1] === true) hunks.at(-1)?.push(line);
    else hunks.push([line]);
  }
  if (hunks.length === 0) return '';
  return [`--- ${path}`, `+++ ${path}`, ...hunks.flatMap(hunkLines)].join('\n');
}

/** The newline at the end begins no line. */
function linesOf(text: string): string[] {
  return text === '' ? [] : text.replace(/\n$/, '').split('\n');
}

function allLines(a: readonly string[], b: readonly string[]): DiffLine[] {
  const lines: DiffLine[] = [];
  let [i, j] = [0, 0];
  for (const [nextI, nextJ] of [...commonLines(a, b), [a.length, b.length] as const]) {
    for (; i < nextI; i += 1) lines.push({ sign: '-', text: a[i] ?? '', before: i, after: j });
    for (; j < nextJ; j += 1) lines.push({ sign: '+', text: b[j] ?? '', before: i, after: j });
    if (i < a.length) lines.push({ sign: ' ', text: a[i] ?? '', before: i, after: j });
    [i, j] = [i + 1, j + 1];
  }
  return lines;
}

function hunkLines(hunk: readonly DiffLine[]): string[] {
  const count = (sign: DiffLine['sign']) => hunk.filter((line) => line.sign === ' ' || line.sign === sign).length;
  const start = (lines: number, before: number | undefined) => (before ?? 0) + (lines === 0 ? 0 : 1);
  const [removed, added] = [count('-'), count('+')];
  const place = `@@ -${start(removed, hunk[0]?.before)},${removed} +${start(added, hunk[0]?.after)},${added} @@`;
  return [place, ...hunk.map(({ sign, text }) => `${sign}${text}`)];
}
