import { hostname } from 'node:os';
import { observe } from '../activities/redis/observe.js';
import { loadSpec } from '../config/load.js';
import { createSecretResolver } from '../config/secrets.js';
import { wantedSettings } from '../config/settings.js';
import { expectationOf } from '../domain/expectation.js';
import { judge } from '../domain/judge.js';
import type { Observation, Silence } from '../domain/observation.js';
import type { Verdict } from '../domain/verdict.js';
import { EXIT, type ExitCode } from './exit.js';
import type { CliIo } from './io.js';

export interface Seen {
  readonly verdict: Verdict;
  readonly observation: Observation;
}

/** Observes and judges the cluster of a spec with this machine's reach and secrets. Read only, no Temporal. */
export async function judgeSpec({ io, path }: { io: Pick<CliIo, 'env'>; path: string }): Promise<Seen> {
  const { spec } = await loadSpec({ path, env: io.env });
  const secrets = createSecretResolver({ env: io.env, machine: hostname() });
  const observation = await observe({ spec, secrets });
  const expectation = expectationOf(spec, wantedSettings(spec));
  return { observation, verdict: judge({ observation, expectation, cluster: spec.name }) };
}

/** Silences that are as likely our side's: no way there, or not the right secret. */
const OURS: readonly Silence[] = ['unreachable', 'wrong-secret'];

/** Healthy or not; unreachable where not one node answered, and each for a reason that may lie on this machine. */
export function exitOfVerdict({ verdict, observation }: Seen): ExitCode {
  if (verdict.healthy) return EXIT.done;
  const blind = observation.nodes.every((node) => !node.answered && OURS.includes(node.silence));
  return blind ? EXIT.unreachable : EXIT.unhealthy;
}
