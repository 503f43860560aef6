/** Keys and list positions as they stand in the file, such as `['hosts', 2, 'ssh']`. */
export type SpecPath = readonly (string | number)[];

/** As people write it: `hosts[2].ssh`. */
export function pathText(path: SpecPath): string {
  return path.map((part, i) => (typeof part === 'number' ? `[${part}]` : i === 0 ? part : `.${part}`)).join('');
}

/** Values that are right one by one and not together. */
export interface RuleProblem {
  readonly path: SpecPath;
  /** Reads on after the path: "shape.masters *is 2 …*". */
  readonly reason: string;
  /** What would be right. */
  readonly right: string;
  /** The other values that the rule looked at: where one of them is wrong in itself, this problem may be none. */
  readonly with?: readonly SpecPath[];
}
