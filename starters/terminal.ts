import { visible } from '../domain/visible.js';

/** The colours that our own words are painted in (picocolors), and their ends. */

const PAINT = /(\u001b\[(?:1|2|22|31|32|33|36|39)m)/;

/**
 * A line as it goes to a terminal or a file: whoever the words in it are from, nothing but our colours is acted on. The rest of what a terminal would take
 * for more than text is written out as in JSON, so that a line of JSON stays one and means the same.
 */
export function forTerminal(line: string): string {
  return line
    .split(PAINT)
    .map((part, i) => (i % 2 === 1 ? part : visible(part)))
    .join('');
}
