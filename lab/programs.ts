import { execFile } from 'node:child_process';
import { access, constants } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { ForgeError } from '../domain/errors.js';

export const runProgram = promisify(execFile);

/** Where administrators' programs are when they are not on a user's PATH. */
const SYSTEM_FOLDERS = ['/usr/local/sbin', '/usr/sbin', '/sbin'];

/** Full path of a program, or `null` where neither `searchPath` nor the system's folders have it. */
async function findProgram(name: string, searchPath: string): Promise<string | null> {
  const folders = [...searchPath.split(delimiter).filter((folder) => folder !== ''), ...SYSTEM_FOLDERS];
  for (const folder of folders) {
    const path = join(folder, name);
    if (await isExecutable(path)) return path;
  }
  return null;
}

/** As `findProgram`; where the program is missing, says which Debian package brings it. */
export async function requireProgram(name: string, debianPackage: string, searchPath: string): Promise<string> {
  const path = await findProgram(name, searchPath);
  if (path !== null) return path;
  throw new ForgeError('Refused', {
    what: `The lab needs the program ${name}, and this machine has none.`,
    left: 'Nothing was started.',
    next: `Install the Debian package ${debianPackage}, or run \`make setup\`.`,
  });
}

export async function isExecutable(path: string): Promise<boolean> {
  return access(path, constants.X_OK).then(
    () => true,
    () => false,
  );
}
