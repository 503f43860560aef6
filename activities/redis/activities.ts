import { Context } from '@temporalio/activity';
import type { Observation } from '../../domain/observation.js';
import type {
  AttachReplicaStep,
  AwaitForgottenStep,
  ForgetNodesStep,
  Joined,
  JoinNodesStep,
  MovedSlots,
  MoveSlotsStep,
  PinReplicasStep,
  RepairSlotsStep,
  SwitchMasterStep,
} from '../../domain/reshape-steps.js';
import { slotsOf } from '../../domain/slot-repairs.js';
import type { ClusterSpec } from '../../domain/spec.js';
import type { StepResult } from '../../domain/steps.js';
import { tellProgress } from '../heartbeat.js';
import { form, type Formed, type FormRequest } from './form.js';
import type { FenceDeps } from './fence.js';
import { attachReplica } from './members/attach.js';
import { awaitForgotten } from './members/await-forgotten.js';
import { type ForgetDeps, forgetNodes } from './members/forget.js';
import { joinNodes } from './members/join.js';
import { pinReplicas, unpinReplicas } from './members/pin.js';
import { switchMaster } from './members/switch.js';
import { moveSlots } from './move/move-slots.js';
import { observe, type ObserveRequest } from './observe.js';
import { setSettings, type SettingsStep } from './settings.js';
import { repairSlots } from './slots/repair.js';
import { smoke } from './smoke.js';
import { setUsers, type UsersStep } from './users.js';

export type RedisDeps = FenceDeps & Pick<ForgetDeps, 'letGo'>;

/** What is done with nodes over their own protocol. */
export function createRedisActivities({ secrets, confirm, letGo }: RedisDeps) {
  const membersDeps = () => {
    const { cancellationSignal: signal } = Context.current();
    return { secrets, confirm, progress: tellProgress, signal };
  };
  return {
    /** All nodes' views and what each says of itself. Read only. */
    observeCluster: (request: Omit<ObserveRequest, 'secrets'>): Promise<Observation> =>
      observe({ ...request, secrets }),

    /** Makes one cluster of the declared nodes, from whatever an earlier attempt left. */
    formCluster: (request: FormRequest): Promise<Formed> => form(request, membersDeps()),

    /** Makes new nodes members of the formed cluster, from whatever an earlier attempt left. */
    async joinNodes(step: JoinNodesStep): Promise<Joined> {
      return joinNodes(step, membersDeps());
    },

    /** Makes a member a replica of the master that a shard has now. */
    async attachReplica(step: AttachReplicaStep): Promise<StepResult> {
      return attachReplica(step, membersDeps());
    },

    /** Makes a replica the master of its shard, without a lost write. */
    async switchMaster(step: SwitchMasterStep): Promise<StepResult> {
      return switchMaster(step, membersDeps());
    },

    /** Resets nodes that leave, and has every member forget them. */
    async forgetNodes(step: ForgetNodesStep): Promise<StepResult> {
      return forgetNodes(step, { ...membersDeps(), letGo });
    },

    /** Looks for forgotten nodes when Redis would learn of them again, and sees to it that it does not. */
    async awaitForgotten(step: AwaitForgottenStep): Promise<StepResult> {
      return awaitForgotten(step, { ...membersDeps(), letGo });
    },

    /** Keeps Redis from moving replicas by itself, for the time of an operation. */
    async pinReplicas(step: PinReplicasStep): Promise<StepResult> {
      return pinReplicas(step, { secrets, confirm });
    },

    /** Takes that back. */
    async unpinReplicas(step: PinReplicasStep): Promise<StepResult> {
      return unpinReplicas(step, { secrets, confirm });
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
    moveSlots: async (step: MoveSlotsStep): Promise<MovedSlots> => {
      const { cancellationSignal: signal } = Context.current();
      // The attempt before may have ended by the death of a node, which leaves more behind than a mover goes on from.
      const again = step.token.attempt > 1 && !signal.aborted;
      const mended = again ? await repairSlots({ ...step, repairs: slotsOf(step) }, membersDeps()) : { effects: [] };
      const moved = await moveSlots(step, { secrets, confirm, progress: tellProgress, signal });
      return { ...moved, effects: [...mended.effects, ...moved.effects] };
    },

    /** Mends the half states of slots, from whatever an earlier attempt left. */
    async repairSlots(step: RepairSlotsStep): Promise<StepResult> {
      return repairSlots(step, membersDeps());
    },

    /** Uses the cluster as the application will, and takes its keys away again. */
    smokeTest: ({ spec }: { readonly spec: ClusterSpec }): Promise<StepResult> =>
      smoke({ spec }, { secrets, progress: Context.current().heartbeat }),
  };
}

export type RedisActivities = ReturnType<typeof createRedisActivities>;
