/** Whether a version begins with the wanted parts: `7.0.15` is a `7.0`, and `7.01` is none. */
export function isVersion(running: string, wanted: string): boolean {
  return `${running}.`.startsWith(`${wanted}.`);
}
