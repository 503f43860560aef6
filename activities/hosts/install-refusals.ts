import { ForgeError } from '../../domain/errors.js';
import type { Answer } from './answer.js';
import { redacted } from './redact.js';

/** The helper refused the engine, and left nothing of it. */
const REFUSED = 30;
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
  const { purpose, host, exitCode, answer } = build;
  const [reason = '', first = '', second = ''] = answer.first('refused') ?? [];
  if (exitCode === FENCED) {
    return new ForgeError('Fenced', {
      what: `The ${purpose} came too late: host ${host} is at generation ${reason}.`,
      left: `Nothing was changed on ${host} by this.`,
      next: 'See which operation works on the cluster now: redisforge ops list.',
    });
  }
  if (exitCode === REFUSED) return refusalOf(build, { reason, first, second });
  return new ForgeError('CommandFailed', {
    what: `The ${purpose} failed with exit code ${exitCode}: ${answer.lines.map(redacted).slice(-5).join(' | ') || '(it said nothing)'}`,
    left: 'Nothing half is in use.',
    next: 'Put right what it says, then run the operation again.',
  });
}

interface Reason {
  readonly reason: string;
  readonly first: string;
  readonly second: string;
}

const LEFT = 'Nothing of it was left on the host, and no node was started.';

function refusalOf({ purpose, host, from }: EndedBuild, { reason, first, second }: Reason): ForgeError {
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
