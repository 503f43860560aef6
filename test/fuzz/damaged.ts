import fc from 'fast-check';
import { hostileNumber, hostileText } from './hostile.js';

/** One thing that happens to a text on its way. */
export interface Damage {
  readonly kind:
    | 'cut'
    | 'drop line'
    | 'repeat line'
    | 'swap lines'
    | 'replace word'
    | 'drop word'
    | 'insert'
    | 'foreign line';
  /** Choose line and word; taken modulo what is there. */
  readonly line: number;
  readonly word: number;
  readonly text: string;
}

/** `words` are ones that stand in such texts, and mean something else in another place. */
export function damages(words: readonly string[]): fc.Arbitrary<Damage> {
  return fc.record({
    kind: fc.constantFrom(
      ...(['cut', 'drop line', 'repeat line', 'swap lines', 'insert', 'foreign line', 'drop word'] as const),
      ...(['replace word', 'replace word', 'replace word'] as const),
    ),
    line: fc.nat(1_000),
    word: fc.nat(1_000),
    text: fc.oneof({ weight: 4, arbitrary: fc.constantFrom(...words) }, hostileNumber, hostileText),
  });
}

/** `between` are the characters between the words of a line. */
export function damaged(text: string, { kind, line, word, text: piece }: Damage, between: string): string {
  const lines = text.split('\n');
  const at = line % lines.length;
  const chosen = lines[at] ?? '';
  const change = (other: string) => lines.map((one, i) => (i === at ? other : one)).join('\n');
  const words = chosen.split(new RegExp(`([${between}])`));
  const place = 2 * (word % Math.ceil(words.length / 2));
  switch (kind) {
    case 'cut':
      return text.slice(0, (line * 1_000 + word) % (text.length + 1));
    case 'drop line':
      return lines.filter((_, i) => i !== at).join('\n');
    case 'repeat line':
      return [...lines.slice(0, word % (lines.length + 1)), chosen, ...lines.slice(word % (lines.length + 1))].join(
        '\n',
      );
    case 'swap lines': {
      const other = word % lines.length;
      return lines.map((one, i) => (i === at ? (lines[other] ?? '') : i === other ? chosen : one)).join('\n');
    }
    case 'replace word':
      return change(words.map((one, i) => (i === place ? piece : one)).join(''));
    case 'drop word':
      return change(words.filter((_, i) => i !== place && i !== place + 1).join(''));
    case 'insert': {
      const offset = word % (chosen.length + 1);
      return change(chosen.slice(0, offset) + piece + chosen.slice(offset));
    }
    case 'foreign line':
      return [...lines.slice(0, at), piece, ...lines.slice(at)].join('\n');
    default:
      return kind satisfies never;
  }
}
