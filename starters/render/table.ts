import { stripVTControlCharacters } from 'node:util';

export interface TableInput {
  readonly columns: readonly { readonly title: string; readonly align?: 'right' }[];
  /** Cells may hold colours. */
  readonly rows: readonly (readonly string[])[];
  /** Paints the line of titles. */
  readonly heading: (text: string) => string;
}

/** Lines of a table with columns as wide as their widest cell; columns that are empty in all rows are left out. */
export function table({ columns, rows, heading }: TableInput): string[] {
  const shown = columns
    .map((column, i) => ({ ...column, i, width: Math.max(0, ...rows.map((row) => widthOf(row[i] ?? ''))) }))
    .filter(({ width }) => width > 0)
    .map((column) => ({ ...column, width: Math.max(column.width, column.title.length) }));
  const line = (cell: (column: (typeof shown)[number]) => string) =>
    shown
      .map((column) => pad(cell(column), column))
      .join('  ')
      .trimEnd();
  return [heading(line(({ title }) => title)), ...rows.map((row) => line(({ i }) => row[i] ?? ''))];
}

function pad(text: string, { width, align }: { readonly width: number; readonly align?: 'right' }): string {
  const gap = ' '.repeat(Math.max(0, width - widthOf(text)));
  return align === 'right' ? gap + text : text + gap;
}

function widthOf(text: string): number {
  return stripVTControlCharacters(text).length;
}

const UNITS = ['B', 'K', 'M', 'G', 'T'] as const;

/** `1.5M`: binary units, one decimal below ten. */
export function formatBytes(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < UNITS.length - 1) {
    value /= 1024;
    unit += 1;
  }
  const digits = unit > 0 && value < 10 && !Number.isInteger(value) ? 1 : 0;
  return `${value.toFixed(digits)}${UNITS[unit]}`;
}

/** `1,234,567` */
export function formatCount(count: number): string {
  return count.toLocaleString('en-US');
}
