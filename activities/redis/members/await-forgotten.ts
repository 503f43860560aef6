import { setTimeout as sleep } from 'node:timers/promises';
import { ForgeError } from '../../../domain/errors.js';
import type { AwaitForgottenStep } from '../../../domain/reshape-steps.js';
import type { StepResult } from '../../../domain/steps.js';
import type { MembersDeps } from './access.js';
import { type ForgetDeps, forgetNodes } from './forget.js';

/** How often somebody may come back: whoever does so more often is not brought by gossip. */
const RETURNS = 3;

/**
 * Looks for forgotten nodes. It is asked when Redis would learn of them again: the ban window (`timings.banWindowMs`) is over by then, which the workflow waits
 * out. Who came back is forgotten again, and looked for again a window later. A later attempt cannot know what the one before it did: it waits a
 * whole window first. The signal ends a wait at once, with nothing left open.
 * @throws ForgeError NotReached where a node comes back again and again, and those of `forgetNodes`
 */
export async function awaitForgotten(step: AwaitForgottenStep, deps: ForgetDeps): Promise<StepResult> {
  const names = step.nodes.map(({ name }) => name).join(', ');
  const effects: string[] = [];
  for (let looks = 0; looks <= RETURNS; looks += 1) {
    if (looks > 0 || step.token.attempt > 1) await waitWindow(step, deps);
    const again = await forgetNodes(step, deps);
    if (again.effects.length === 0) return { effects };
    effects.push(...again.effects.map((effect) => `came back: ${effect}`));
  }
  throw new ForgeError('NotReached', {
    what: `${names} came back again and again after every member had forgotten it: ${effects.join('; ')}.`,
    left: 'It was forgotten again each time.',
    next: 'Somebody introduces it again: stop its process, see who sends CLUSTER MEET, and run the same again.',
  });
}

async function waitWindow({ spec, nodes }: AwaitForgottenStep, { progress, signal }: MembersDeps): Promise<void> {
  const { banWindowMs } = spec.timings;
  progress?.(`waiting ${banWindowMs} ms before ${nodes.map(({ name }) => name).join(', ')} could be learned of again`);
  await sleep(banWindowMs, undefined, { signal });
}
