import { ForgeError } from '../../domain/errors.js';
import type { HostStep, StepResult } from '../../domain/steps.js';
import type { OsSurvey } from '../../domain/survey.js';
import { type Answer, effectsOf, wholeNumber } from './answer.js';
import { type HostAdapters, orderHost } from './ask-host.js';

/** What the host is to keep for its next boot and to run with, by the profile's keys. */
export interface ProfileChoice {
  readonly settings: Readonly<Record<string, string>>;
}

/**
 * Keeps and sets these settings of the operating system, and reads them back; what is so already is not touched. The helper leaves alone what is
 * not the host's own. Throws ForgeError Refused where the host does not take a value and the spec wants that refused (`os.denied`).
 */
export async function applyProfile(
  adapters: HostAdapters,
  { settings, ...step }: HostStep & ProfileChoice,
): Promise<StepResult> {
  const answer = await orderHost(adapters, {
    ...step,
    purpose: `OS profile of ${step.host}`,
    words: ['profile', ...Object.entries(settings).map(([key, value]) => `${key}=${value}`)],
  });
  const denied = answer.all('denied').map(([key = '', why = '']) => `${key} (${why})`);
  if (denied.length > 0 && step.spec.os.denied === 'refuse') {
    throw new ForgeError('Refused', {
      what: `Host ${step.host} did not take what the OS profile wants: ${denied.join(', ')}.`,
      left: 'What it did take is set and kept.',
      next: 'Allow it there, or accept it in the spec: os.denied: accept.',
    });
  }
  return { effects: effectsOf(answer, step.host) };
}

/** The settings as the helper's `say_profile` prints them. */
export function parseProfile(answer: Answer): OsSurvey {
  const [own = '', sharing = ''] = answer.first('profile') ?? [];
  return {
    own: own === 'machine' || own === 'network' ? own : 'nothing',
    sharing,
    settings: Object.fromEntries(
      answer.all('setting').map(([key = '', value = '', writable = '']) => {
        return [key, { value, writable: writable === 'yes' }];
      }),
    ),
    kept: Object.fromEntries(answer.all('kept').map(([key = '', value = '']) => [key, value])),
    keepable: answer.first('keepable')?.[0] === 'yes',
    swapBytes: wholeNumber('swap', answer.only('swap')?.[0] ?? '0'),
    timeService: answer.first('timeservice')?.[0] ?? null,
  };
}
