import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type { LabHost } from '../../lab/driver.js';

const run = promisify(execFile);

/** Runs a shell command on a lab host through the system's own ssh: what the lab promises has to hold for any client. */
export async function sshInto(host: LabHost, command: string): Promise<string> {
  const options = ['BatchMode=yes', 'StrictHostKeyChecking=no', 'UserKnownHostsFile=/dev/null', 'LogLevel=ERROR'];
  const { stdout } = await run('ssh', [
    ...['-F', 'none', '-p', `${host.sshPort}`, '-i', host.identityFile],
    ...options.flatMap((option) => ['-o', option]),
    ...[`${host.user}@${host.address}`, command],
  ]);
  return stdout.trim();
}
