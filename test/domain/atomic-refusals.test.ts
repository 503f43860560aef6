import { describe, expect, it } from 'vitest';
import { atomicTroubleOf, fateOfTask } from '../../domain/atomic-refusals.js';

describe('the words of the servers', () => {
  it.each([
    ['ERR all slot states must be STABLE to start a slot migration task.', 'open-slots'],
    ['ERR Slots are being manually imported', 'open-slots'],
    ['ERR Slots are being manually migrated', 'open-slots'],
    ['ERR another ASM task is already in progress', 'busy'],
    ['ERR I am already migrating slot 7.', 'busy'],
    ['Failed to AUTH to target node: -WRONGPASS invalid username-password pair or user is disabled.', 'rights'],
    [
      "Received error during handshake to target: -NOPERM User x has no permissions to run the 'cluster|syncslots'",
      'rights',
    ],
    ['Ran out of memory (OOM) during slot import', 'no-room'],
    ['ERR slot migration not allowed on replica.', 'roles'],
    ['ERR this node is already the owner of the slot range', 'roles'],
    ['ERR Slots are not served by this node.', 'roles'],
    ['Slots are no longer owned by source node', 'roles'],
    ['Main channel - Failed to connect to source node: Connection refused', 'other'],
    ['A failover occurred during slot import', 'other'],
  ])('%s', (words, trouble) => {
    expect(atomicTroubleOf(words)).toBe(trouble);
  });
});

describe('fateOfTask', () => {
  const task = { reason: 'time', firstOfCall: false, elapsedMs: 1000, estimateMs: 4000, stoppedMs: 0 } as const;

  it('lets the time be over for the first task of a call, however long it takes: the next call would get no further', () => {
    expect(fateOfTask({ ...task, firstOfCall: true, elapsedMs: 600_000, stoppedMs: 600_000 })).toBe('finish');
  });

  it('waits for others as long as they were thought to take', () => {
    expect(fateOfTask({ ...task, stoppedMs: 3900 })).toBe('finish');
    expect(fateOfTask({ ...task, stoppedMs: 4100 })).toBe('cancel');
  });

  it('keeps nobody waiting who wants it to end but for a short rest', () => {
    const signal = { ...task, reason: 'signal', firstOfCall: true } as const;
    expect(fateOfTask(signal)).toBe('cancel');
    expect(fateOfTask({ ...signal, elapsedMs: 2500, stoppedMs: 1000 })).toBe('finish');
    expect(fateOfTask({ ...signal, elapsedMs: 9000, stoppedMs: 5000 })).toBe('cancel');
  });
});
