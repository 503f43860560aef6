/** Bytes for people, in the unit in which hosts and nodes are sized. */
export function mebibytes(bytes: number): string {
  return `${Math.round(bytes / 2 ** 20)} MiB`;
}
