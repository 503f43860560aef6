import { Context } from '@temporalio/activity';
import type { Observation } from '../../domain/observation.js';
import type { ClusterSpec } from '../../domain/spec.js';
import type { MovedSlots, MoveSlotsStep } from '../../domain/reshape-steps.js';
import type { StepResult } from '../../domain/steps.js';
import { tellProgress } from '../heartbeat.js';
import { form, type Formed, type FormRequest } from './form.js';
import type { FenceDeps } from './fence.js';
import { moveSlots } from './move/move-slots.js';
import { observe } from './observe.js';
import { setSettings, type SettingsStep } from './settings.js';
import { smoke } from './smoke.js';
import { setUsers, type UsersStep } from './users.js';

/** What is done with nodes over their own protocol. */
export function createRedisActivities({ secrets, confirm }: FenceDeps) {
  return {
    /** All nodes' views and what each says of itself. Read only. */
    observeCluster: ({ spec }: { readonly spec: ClusterSpec }): Promise<Observation> => observe({ spec, secrets }),

    /** Makes one cluster of the declared nodes, from whatever an earlier attempt left. */
    formCluster: (request: FormRequest): Promise<Formed> => {
      const { cancellationSignal, heartbeat } = Context.current();
      return form(request, { secrets, confirm, progress: heartbeat, signal: cancellationSignal });
    },

    /** Changes settings of one running node, and reads each back. */
    async setSettings(step: SettingsStep): Promise<StepResult> {
      return setSettings(step, { secrets, confirm });
    },

    /** Gives the users of one running node the rights of the spec; their secrets stay. */
    async setUsers(step: UsersStep): Promise<StepResult> {
      return setUsers(step, { secrets, confirm });
    },

    /** Moves as many of the slots as fit into the step's time, from whatever an earlier attempt left; tells how far it is. */
    moveSlots: (step: MoveSlotsStep): Promise<MovedSlots> => {
      const { cancellationSignal: signal } = Context.current();
      return moveSlots(step, { secrets, confirm, progress: tellProgress, signal });
    },

    /** Uses the cluster as the application will, and takes its keys away again. */
    smokeTest: ({ spec }: { readonly spec: ClusterSpec }): Promise<StepResult> =>
      smoke({ spec }, { secrets, progress: Context.current().heartbeat }),
  };
}

export type RedisActivities = ReturnType<typeof createRedisActivities>;
