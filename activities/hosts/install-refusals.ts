import { ForgeError } from '../../domain/errors.js';
import type { Answer } from './answer.js';
import { redacted } from './redact.js';

/** The helper's exit codes for what it refused. */
const REFUSED = { engine: 30, package: 31 } as const;
/** A newer operation holds the host. */
const FENCED = 10;

export interface EndedBuild {
  /** What was done, as the object of a sentence: `installation of redis-8.6-098ca08bc166 on h1`. */
  readonly purpose: string;
  readonly host: string;
  /** Where the archive came from. */
  readonly from: string;
  readonly exitCode: number;
  readonly answer: Answer;
}

/** The failure that the end of an engine's installation stands for. */
export function engineRefusal(build: EndedBuild): ForgeError {
  return build.exitCode === REFUSED.engine ? refusedEngine(build, reasonOf(build)) : endedOtherwise(build);
}

/** The failure that the end of a package's installation stands for. */
export function packageRefusal(build: EndedBuild): ForgeError {
  return build.exitCode === REFUSED.package ? refusedPackage(build, reasonOf(build)) : endedOtherwise(build);
}

function endedOtherwise({ purpose, host, exitCode, answer }: EndedBuild): ForgeError {
  if (exitCode === FENCED) {
    const [generation = '?'] = answer.first('refused') ?? [];
    return new ForgeError('Fenced', {
      what: `The ${purpose} came too late: host ${host} is at generation ${generation}.`,
      left: `Nothing was changed on ${host} by this.`,
      next: 'See which operation works on the cluster now: redisforge ops list.',
    });
  }
  return new ForgeError('CommandFailed', {
    what: `The ${purpose} failed with exit code ${exitCode}: ${answer.lines.map(redacted).slice(-5).join(' | ') || '(it said nothing)'}`,
    left: 'Nothing half is in use.',
    next: 'Put right what it says, then run the operation again.',
  });
}

function reasonOf({ answer }: EndedBuild): Reason {
  const [reason = '', first = '', second = '', third = ''] = answer.first('refused') ?? [];
  return { reason, first, second, third };
}

interface Reason {
  readonly reason: string;
  readonly first: string;
  readonly second: string;
  readonly third: string;
}

const LEFT = 'Nothing of it was left on the host, and no node was started.';

function refusedEngine({ purpose, host, from }: EndedBuild, { reason, first, second }: Reason): ForgeError {
  const refused = (what: string, next: string) =>
    new ForgeError('Refused', { what: `The ${purpose} was refused: ${what}.`, left: LEFT, next });
  switch (reason) {
    case 'digest':
      return otherDigest({ from: `${from}, as it came to ${host},`, wanted: first, found: second });
    case 'machine':
      return refused(
        `its program is built for ${first}, and the host is ${aMachine(second)} (Exec format error)`,
        'Give the archive that is built for this machine; all hosts of one cluster need the same architecture.',
      );
    case 'version':
      return refused(
        `the spec wants "${first}", and its program says "${second}"`,
        'Put the version of the archive into engine.version, or name another archive (file or url, and sha256).',
      );
    case 'hostile':
      return refused(`${first}`, 'Do not use this archive; find out who made it.');
    case 'fetch':
      return new ForgeError('HostUnreachable', {
        what: `Host ${host} could not fetch ${from}: ${first}.`,
        left: 'A part that came is gone on with.',
        next: 'Open the way from the host to there, or let the worker fetch it (install.via: worker).',
      });
    case 'disk':
      return refused(
        `the archive could not be written, ${first}`,
        'Make room on the host, then run the operation again.',
      );
    default:
      return refused(
        `${first || reason}`,
        'Look at the archive: server program, compression, and what the program needs on the host.',
      );
  }
}

function aMachine(machine: string): string {
  return /^[aeiou]/.test(machine) ? `an ${machine}` : `a ${machine}`;
}

/** Somebody gave another archive than the one that the spec pins. */
export function otherDigest({ from, wanted, found }: { from: string; wanted: string; found: string }): ForgeError {
  return new ForgeError('Refused', {
    what: `The archive ${from} is not the one that the spec pins: its sha256 is ${found}, install.sha256 is ${wanted}.`,
    left: LEFT,
    next: 'Find out which of the two is right; never just copy the digest of what came.',
  });
}

function refusedPackage({ purpose, host, from }: EndedBuild, { reason, first, second, third }: Reason): ForgeError {
  const refused = (what: string, next: string) =>
    new ForgeError('Refused', { what: `The ${purpose} was refused: ${what}.`, left: 'No node was started.', next });
  switch (reason) {
    case 'missing':
      return refused(
        `${from} has no ${first} ${second}; there ${third.trim() === '' ? 'is no version of it' : `are: ${third.trim()}`}`,
        'Put one of these versions into install.version, or name the repository that has yours (install.repository).',
      );
    case 'key':
      return refused(
        `the key that came to the host has the sha256 ${second}, not ${first}`,
        'Run the operation again.',
      );
    case 'version':
      return refused(
        `the spec wants "${first}", and the program of the package says "${second}"`,
        'Put engine.version and install.version together: they have to speak of one version.',
      );
    case 'privilege':
      return refused(
        `the helper does not run as root on ${host}`,
        'Log in as root, or let it be run by sudo (ssh.sudo: true).',
      );
    case 'program':
      return refused(first, 'Say where the program of the package is (install.server), and look at what it lacks.');
    default:
      return refused(
        `its package manager says: ${redacted(first || reason)}`,
        'Put that right on the host (a wrong key or signature: install.repository), then run the operation again.',
      );
  }
}
