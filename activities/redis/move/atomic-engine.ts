import type { AtomicLimits } from '../../../domain/atomic-pace.js';
import type { AtomicTask } from '../../../domain/atomic-tasks.js';
import type { SlotRange } from '../../../domain/slots.js';
import type { Command } from '../connection.js';

/** What differs between the engines that move slots in one go. */
export interface AtomicEngine {
  readonly limits: AtomicLimits;
  /** The end that is told to begin and to end a task, and what a task is to it. */
  readonly asked: 'target' | 'source';
  readonly askedSide: AtomicTask['side'];
  /** Gives all tasks that a node knows of. */
  readonly status: Command;
  /** Reads them; newer ones before older ones. @throws UnreadableAnswer */
  read(answer: unknown): AtomicTask[];
  begin(task: { readonly ranges: readonly SlotRange[]; readonly targetId: string }): Command;
  /** The ID that the answer to `begin` tells; `null` where it tells none. */
  idIn(answer: unknown): string | null;
  cancel(task: AtomicTask): Command;
  /** Whether it can be cancelled where it is without a doubt about who owns the slots then. */
  mayCancel(task: AtomicTask): boolean;
  /**
   * Takes away what a task that is over left on the other end; `null` where nothing is left, or it goes by itself. `cancelled`: the end that was told to begin it
   * says so, and will not have the slots by it any more.
   */
  clear(task: AtomicTask, first: { readonly cancelled: boolean }): Command | null;
}
