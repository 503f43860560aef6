import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { commonLines, unifiedDiff } from '../../domain/line-diff.js';

const text = (...lines: string[]) => lines.map((line) => `${line}\n`).join('');
const diff = (before: string, after: string) => unifiedDiff({ path: 'orders.yaml', before, after }).split('\n');

describe('the difference of two texts', () => {
  it('is shown as `diff -u` shows it, with two lines around', () => {
    const before = text('a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i');
    const after = text('a', 'b', 'c', 'D', 'D2', 'e', 'f', 'g', 'h', 'i', 'j');
    expect(diff(before, after)).toEqual([
      '--- orders.yaml',
      '+++ orders.yaml',
      '@@ -2,5 +2,6 @@',
      ...[' b', ' c', '-d', '+D', '+D2', ' e', ' f'],
      '@@ -8,2 +9,3 @@',
      ...[' h', ' i', '+j'],
    ]);
    expect(unifiedDiff({ path: 'x', before, after: before })).toBe('');
    expect(diff('', text('a'))).toEqual(['--- orders.yaml', '+++ orders.yaml', '@@ -0,0 +1,1 @@', '+a']);
  });

  it('finds as many common lines as there are, in order', () => {
    const lines = fc.array(fc.constantFrom('a', 'b', 'c'), { maxLength: 7 });
    fc.assert(
      fc.property(lines, lines, (a, b) => {
        const pairs = commonLines(a, b);
        expect(pairs.every(([i, j]) => a[i] === b[j])).toBe(true);
        expect(
          pairs.every(([i, j], at) => at === 0 || (i > (pairs[at - 1]?.[0] ?? 0) && j > (pairs[at - 1]?.[1] ?? 0))),
        ).toBe(true);
        expect(pairs.length).toBe(longest(a, b));
      }),
    );
  });

  it('makes the one of the other', () => {
    const lines = fc.array(fc.constantFrom('a', 'b', 'c', ''), { maxLength: 12 }).map((all) => text(...all));
    fc.assert(
      fc.property(lines, lines, (before, after) => {
        expect(patched(before, unifiedDiff({ path: 'x', before, after }))).toBe(after);
      }),
    );
  });
});

/** By trying all ways. */
function longest(a: readonly string[], b: readonly string[]): number {
  const [first, ...rest] = a;
  if (first === undefined || b.length === 0) return 0;
  const at = b.indexOf(first);
  return Math.max(longest(rest, b), at < 0 ? 0 : 1 + longest(rest, b.slice(at + 1)));
}

/** As `patch` does it. */
function patched(before: string, difference: string): string {
  const old = before.split('\n').slice(0, -1);
  const lines: string[] = [];
  let at = 0;
  for (const line of difference.split('\n').slice(2)) {
    const place = /^@@ -(\d+),(\d+) /.exec(line);
    if (place !== null) {
      const start = Number(place[1]) - (place[2] === '0' ? 0 : 1);
      lines.push(...old.slice(at, start));
      at = start;
      continue;
    }
    if (line.startsWith(' ') || line.startsWith('+')) lines.push(line.slice(1));
    if (line.startsWith(' ') || line.startsWith('-')) at += 1;
  }
  return text(...lines, ...old.slice(at));
}
