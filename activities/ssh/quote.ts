/**
 * One command line out of an argument vector, for a POSIX login shell: every argument in single quotes, so that nothing in it means
 * anything to the shell. Throws RangeError for what no argument vector can hold: NUL, or no program at all.
 */
export function quoteArgv(argv: readonly string[]): string {
  if (argv.length === 0) throw new RangeError('a command needs at least the name of a program');
  return argv.map(quote).join(' ');
}

function quote(argument: string): string {
  if (argument.includes('\0')) throw new RangeError('an argument cannot hold a NUL byte');
  return `'${argument.replaceAll("'", `'\\''`)}'`;
}
