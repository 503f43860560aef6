import type { Matrix, Row } from './matrix.js';

/** Operation, point, outcome, extra time; a line for each kill. */
export function tableOf({ rows }: Matrix): string[] {
  const cells = rows.map((row) => [row.operation, row.point, row.outcome, extra(row)]);
  const all = [['operation', 'killed', 'outcome', 'went on after'], ...cells];
  const widths = [0, 1, 2].map((column) => Math.max(...all.map((line) => line[column]?.length ?? 0)));
  return all.map((line) => line.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join('  '));
}

function extra({ extraMs }: Row): string {
  return extraMs === null ? '-' : `${(extraMs / 1000).toFixed(1)} s`;
}
