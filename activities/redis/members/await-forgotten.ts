import { setTimeout as sleep } from 'node:timers/promises';
import { ForgeError } from '../../../domain/errors.js';
import type { AwaitForgottenStep } from '../../../domain/reshape-steps.js';
import type { StepResult } from '../../../domain/steps.js';
import type { MembersDeps } from './access.js';
import { forgetNodes } from './forget.js';

/** How often the ban window is waited out: whoever comes back as often is not brought by gossip. */
const WINDOWS = 3;

/**
 * Waits until Redis would learn of forgotten nodes again (`timings.banWindowMs`), and looks. Who came back is forgotten again, and the wait begins anew; that
 * bounds it. The wait is no record: an attempt that dies in it is followed by one that waits again, whole. The signal ends it at once, with nothing left open.
 * @throws ForgeError NotReached where a node comes back again and again, and those of `forgetNodes`
 */
export async function awaitForgotten(step: AwaitForgottenStep, deps: MembersDeps): Promise<StepResult> {
  const { banWindowMs } = step.spec.timings;
  const names = step.nodes.map(({ name }) => name).join(', ');
  const effects: string[] = [];
  for (let window = 1; window <= WINDOWS; window += 1) {
    deps.progress?.(`waiting ${banWindowMs} ms before ${names} could be learned of again`);
    await sleep(banWindowMs, undefined, { signal: deps.signal });
    const again = await forgetNodes(step, deps);
    if (again.effects.length === 0) return { effects };
    effects.push(...again.effects.map((effect) => `came back: ${effect}`));
  }
  throw new ForgeError('NotReached', {
    what: `${names} came back ${WINDOWS} times after every member had forgotten it: ${effects.join('; ')}.`,
    left: 'It was forgotten again each time.',
    next: 'Somebody introduces it again: stop its process, see who sends CLUSTER MEET, and run the same again.',
  });
}
