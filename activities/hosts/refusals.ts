import { ForgeError } from '../../domain/errors.js';
import type { Lease } from '../../domain/survey.js';
import { UnreadableAnswer } from '../../domain/unreadable.js';
import { visibleLine } from '../../domain/visible.js';
import type { CommandResult } from '../ssh/run-command.js';
import { type Answer, parseAnswer } from './answer.js';
import { engineRefusal, packageRefusal } from './install-refusals.js';
import { parseLease } from './record.js';
import { redacted } from './redact.js';

/** What the host helper's exit codes mean; it lists them in its `help`. */
const CODE = {
  fenced: 10,
  locked: 11,
  foreign: 12,
  busy: 13,
  wontStart: 14,
  portTaken: 15,
  tooSlow: 16,
  notNow: 17,
  badInstructions: 18,
  guarded: 19,
  badEngine: 30,
  badPackage: 31,
  /** The shell's own: there is no such program. */
  noHelper: 127,
} as const;

/** Whether the host has no helper: it is bare, or was given back. */
export function hasNoHelper(result: CommandResult): boolean {
  return result.exitCode === CODE.noHelper && sudoSaid(result) === null;
}

export interface Refused {
  /** What was asked, as the object of a sentence: `start of h1:7001`. */
  readonly purpose: string;
  readonly host: string;
  readonly result: CommandResult;
}

/** The failure that a helper's exit code other than 0 stands for. */
export function failureOf(refused: Refused): ForgeError {
  const { host, purpose, result } = refused;
  const sudo = sudoSaid(result);
  if (sudo !== null) return noSudo(refused, sudo);
  const answer = parseAnswer(result.stdout);
  const [detail = ''] = answer.first('refused') ?? [];
  const left = `Nothing was changed on ${host} by this.`;
  const disk = diskTrouble(refused);
  if (disk !== null) return disk;
  switch (result.exitCode) {
    case CODE.fenced:
      return fenced(refused, answer);
    case CODE.locked:
      return locked(host, answer);
    case CODE.foreign:
      return foreign(host, answer);
    case CODE.wontStart:
    case CODE.tooSlow:
      return notReached(refused, answer, detail);
    case CODE.portTaken:
      return portTaken(refused, answer);
    case CODE.busy:
      return new ForgeError('CommandTimeout', {
        what: `The ${purpose} waited in vain for the lock of host ${host}: another command there holds it.`,
        left,
        next: 'Look on the host for a redisforge-host that hangs (ps), then run the operation again.',
      });
    case CODE.notNow:
      return new ForgeError('Refused', {
        what: `The ${purpose} was refused by host ${host}: ${detail}.`,
        left,
        next: 'Run `redisforge plan` to see how things are there now.',
      });
    case CODE.badInstructions:
      return new ForgeError('CommandFailed', {
        what: `The instructions for the ${purpose} did not arrive on ${host} as they were sent: ${detail}.`,
        left: 'No file was replaced by a damaged one.',
        next: 'Run the operation again.',
      });
    case CODE.guarded:
      return guarded(refused, answer);
    case CODE.badPackage:
      return packageRefusal({ purpose, host, from: 'the repository of the spec', exitCode: result.exitCode, answer });
    case CODE.badEngine:
      return engineRefusal({ purpose, host, from: 'of the spec', exitCode: result.exitCode, answer });
    case CODE.noHelper:
      return new ForgeError('CommandFailed', {
        what: `Host ${host} has no host helper for the ${purpose}: it was given back or wiped meanwhile.`,
        left,
        next: 'Run `redisforge plan` to see how things are there now.',
      });
    default:
      return failed(refused);
  }
}

/** Why sudo ran nothing; `null` where it did, or was not asked. The helper itself begins no line so. */
function sudoSaid({ stdout, stderr }: CommandResult): string | null {
  if (stdout !== '') return null;
  const line = stderr.split('\n').find((said) => SUDO_REFUSES.test(said));
  return line === undefined ? null : line.replace(/^(sudo|env): /, '');
}

const SUDO_REFUSES =
  /^sudo: (a password is required|a terminal is required|.*must have a tty|.*command not found|.*effective uid is not 0)|is not in the sudoers file|is not allowed to (execute|run sudo)|^env: .*sudo/;

function noSudo({ host, purpose }: Refused, said: string): ForgeError {
  return new ForgeError('SudoRefused', {
    what: `On ${host}, sudo did not let the login run the ${purpose}: ${said}.`,
    left: `Nothing was changed on ${host}.`,
    next: 'Run `redisforge doctor --sudoers`: it prints the rule for each host, and how the host helper is put there the first time. Or log in as root, without ssh.sudo.',
  });
}

function fenced({ host, purpose }: Refused, answer: Answer): ForgeError {
  const [generation = '?', why = ''] = answer.first('refused') ?? [];
  return new ForgeError('Fenced', {
    what: `The ${purpose} came too late: host ${host} is at generation ${generation} (${why}).`,
    left: `Nothing was changed on ${host} by this.`,
    next: 'See which operation works on the cluster now: redisforge ops list.',
  });
}

/** Where even that cannot be read, somebody holds the host all the same. */
function holderIn(answer: Answer): Lease | null {
  try {
    return parseLease(answer);
  } catch (error) {
    if (!(error instanceof UnreadableAnswer)) throw error;
    return null;
  }
}

function locked(host: string, answer: Answer): ForgeError {
  const lease = holderIn(answer);
  const holder =
    lease === null
      ? 'somebody'
      : `${lease.actor} with ${lease.operation} since ${lease.since} (workflow ${lease.workflowId}, run ${lease.runId}, on the Temporal server with namespace ${lease.server})`;
  return new ForgeError('Locked', {
    what: `Host ${host} is held by ${holder}.`,
    left: `Nothing was changed on ${host} by this.`,
    next: `Wait until that operation has ended. Only if it can never end, because its Temporal server is gone, take over by name: --break-lease ${lease?.runId ?? 'RUN'}`,
  });
}

function foreign(host: string, answer: Answer): ForgeError {
  const [name = '?', uid = '?'] = answer.first('refused') ?? [];
  return new ForgeError('Refused', {
    what: `Host ${host} belongs to cluster ${name} (uid ${uid}).`,
    left: `Nothing was changed on ${host}.`,
    next: "Use that cluster's spec, give this one another root folder on the host, or destroy that cluster first.",
  });
}

function notReached({ purpose, host, result }: Refused, answer: Answer, detail: string): ForgeError {
  if (result.exitCode === CODE.wontStart) {
    return new ForgeError('NodeWontStart', {
      what: `The ${purpose} failed: the process ended with exit code ${detail}. Its log ends: ${logOf(answer)}`,
      left: 'It does not run; its files and data stay as they are.',
      next: 'Put right what the log says, then run the operation again.',
    });
  }
  return new ForgeError('NotReached', {
    what: `The ${purpose} was not done in time; process ${detail} on ${host} goes on. Its log ends: ${logOf(answer)}`,
    left: 'The process was not killed.',
    next: 'Look at its log, then run the operation again, with a longer timings.startMs where it only needs time.',
  });
}

function guarded({ purpose, host }: Refused, answer: Answer): ForgeError {
  const [, why = ''] = answer.first('refused') ?? [];
  return new ForgeError('Refused', {
    what: `The ${purpose} was refused by the boot guard of host ${host}: ${why}.`,
    left: 'It does not run; its files and data stay as they are.',
    next: 'Run `redisforge plan`: it says whether the node may start empty, and else what to do.',
  });
}

function logOf(answer: Answer): string {
  const lines = answer.all('log').map(([line = '']) => line.trim());
  const said = lines.filter((line) => line !== '').map(redacted);
  return said.length === 0 ? '(it said nothing)' : said.join(' | ');
}

function portTaken({ purpose, host }: Refused, answer: Answer): ForgeError {
  const takers = answer.all('taken').map(([, port = '?', owner = '?']) => `port ${port} by ${owner}`);
  return new ForgeError('NodeWontStart', {
    what: `The ${purpose} was not tried: on ${host}, ${takers.join(' and ')} is taken.`,
    left: 'Nothing was changed, and that program was not touched.',
    next: 'End that program, or give the node another port in the spec.',
  });
}

/** In the words of the C library, in which every tool on the host says it; the helper has them speak English (LC_MESSAGES). */
const DISK_TROUBLES = [
  {
    said: /No space left on device|Disk quota exceeded/,
    words: 'has no disk space left',
    next: 'Free some there (df says where)',
  },
  {
    said: /Read-only file system/,
    words: 'has its root folder on a file system that is read-only',
    next: 'See why (dmesg), and mount it for writing',
  },
] as const;

function diskTrouble({ purpose, host, result }: Refused): ForgeError | null {
  const trouble = DISK_TROUBLES.find(({ said }) => said.test(result.stderr));
  if (trouble === undefined) return null;
  return new ForgeError('CommandFailed', {
    what: `Host ${host} ${trouble.words}: the ${purpose} could not be written.`,
    left: 'Every file that was there is whole and as it was; what was done before stays.',
    next: `${trouble.next}, then run the operation again: what was done is not done twice.`,
  });
}

function failed({ purpose, host, result }: Refused): ForgeError {
  const said = result.stderr.trim().split('\n').slice(-5).map(redacted).map(visibleLine).join(' | ');
  // Whatever fails there says why. Where a host loses its power its programs are killed one after the other, and the last one has nothing to say.
  if (said === '') {
    return new ForgeError('HostUnreachable', {
      what: `The ${purpose} on ${host} ended without a word (exit code ${result.exitCode}), as where the host goes down.`,
      left: 'What was done before stays; each effect is whole or not there.',
      next: 'See whether the host runs, then run the operation again: what was done is not done twice.',
    });
  }
  return new ForgeError('CommandFailed', {
    what: `The ${purpose} failed on ${host} with exit code ${result.exitCode}: ${said}`,
    left: 'What was done before stays; each effect is whole or not there.',
    next: 'Put right what it says, then run the operation again: what was done is not done twice.',
  });
}
