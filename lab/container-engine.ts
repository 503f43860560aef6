import { spawn } from 'node:child_process';
import { ForgeError } from '../domain/errors.js';

/** Docker's own calls take some 30 ms; stopping or removing a container up to some seconds. */
const CALL_MS = 120_000;

export interface EngineAnswer {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface EngineCall {
  readonly argv: readonly string[];
  readonly input?: Buffer;
}

/** The container engine, by its command line program. */
export interface ContainerEngine {
  /** What it printed. Everything but success is a ForgeError. */
  run(...argv: string[]): Promise<string>;
  /** Success or not, as it comes; refuses only where the engine cannot be used at all. */
  ask(call: EngineCall): Promise<EngineAnswer>;
}

/** `searchPath` is the PATH on which the program `docker` is found. */
export function createContainerEngine({ searchPath }: { searchPath: string }): ContainerEngine {
  const ask = async (call: EngineCall) => {
    const answer = await spawned(call, searchPath);
    refuseUnusable(answer);
    return answer;
  };
  return {
    ask,
    async run(...argv) {
      const answer = await ask({ argv });
      if (answer.code === 0) return answer.stdout.trim();
      throw engineRefused(argv, answer);
    },
  };
}

/** The engine said no to something that should have worked. */
export function engineRefused(argv: readonly string[], { stderr, stdout }: EngineAnswer): ForgeError {
  return new ForgeError('CommandFailed', {
    what: `The container engine refused \`docker ${argv.slice(0, 2).join(' ')}\`: ${(stderr || stdout).trim().split('\n').slice(-5).join(' | ')}`,
    left: 'What was done until then is left as it is.',
    next: 'Put right what it says, then run the command again; `redisforge lab down` takes all of the lab away.',
  });
}

function spawned({ argv, input }: EngineCall, searchPath: string): Promise<EngineAnswer> {
  return new Promise((resolve, reject) => {
    const child = spawn('docker', argv, {
      env: { ...process.env, PATH: searchPath, LC_ALL: 'C' },
      timeout: CALL_MS,
      killSignal: 'SIGKILL',
    });
    const out: Buffer[] = [];
    const err: Buffer[] = [];
    child.stdout.on('data', (chunk: Buffer) => out.push(chunk));
    child.stderr.on('data', (chunk: Buffer) => err.push(chunk));
    child.once('error', (error) => reject(isMissing(error) ? noProgram() : error));
    child.once('close', (code) => {
      resolve({ code: code ?? -1, stdout: Buffer.concat(out).toString(), stderr: Buffer.concat(err).toString() });
    });
    // An engine that ends before it has read all says why on stderr.
    child.stdin.on('error', () => undefined);
    child.stdin.end(input);
  });
}

const NOTHING_STARTED = 'Nothing was started.';

function noProgram(): ForgeError {
  return new ForgeError('Refused', {
    what: 'The container lab needs a container engine, and there is no program docker on the PATH.',
    left: NOTHING_STARTED,
    next: 'Install Docker (on Debian the package docker.io), or leave out `--driver container`: the process driver needs none.',
  });
}

function refuseUnusable({ code, stderr }: EngineAnswer): void {
  if (code === 0) return;
  if (/permission denied while trying to connect|dial unix \S+: connect: permission denied/.test(stderr)) {
    throw new ForgeError('Refused', {
      what: 'The container engine runs, and this user has no right to use it.',
      left: NOTHING_STARTED,
      next: 'Have the user added to the group docker (`usermod -aG docker USER`) and log in anew, or run this as root. Whoever may use the engine is as good as root.',
    });
  }
  if (/Cannot connect to the Docker daemon|Is the docker daemon running|error during connect/i.test(stderr)) {
    throw new ForgeError('Refused', {
      what: 'The container engine does not run: its daemon does not answer.',
      left: NOTHING_STARTED,
      next: 'Start it (`systemctl start docker`, or `dockerd` as root), then run this again.',
    });
  }
}

function isMissing(error: Error): boolean {
  return 'code' in error && error.code === 'ENOENT';
}
