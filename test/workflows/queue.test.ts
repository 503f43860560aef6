import { type Client, WithStartWorkflowOperation, WorkflowUpdateFailedError } from '@temporalio/client';
import { describe, expect, inject, it } from 'vitest';
import { queueWorkflowId } from '../../domain/ids.js';
import { MOST_WAITING, type Queue } from '../../domain/queue.js';
import { namedFailure } from '../../workflows/failures.js';
import { leaveQueueSignal, queueQuery, renewTicketSignal, takeTicketUpdate } from '../../workflows/messages.js';
import type { clusterQueueWorkflow } from '../../workflows/index.js';
import { keepHistory } from '../support/histories.js';
import { withScriptedWorker } from '../support/scripted.js';
import { until } from '../support/until.js';

const address = inject('temporalAddress');

let clusters = 0;

/** The queue of a fresh cluster, as those who wait reach for it. */
class Line {
  constructor(
    private readonly client: Client,
    private readonly cluster: string,
    private readonly ticketLifeMs: number,
    private readonly carried: Queue,
  ) {}

  async take(id: string, more: object = {}): Promise<string[]> {
    const { cluster, ticketLifeMs } = this;
    const startWorkflowOperation = new WithStartWorkflowOperation<typeof clusterQueueWorkflow>('clusterQueueWorkflow', {
      workflowId: queueWorkflowId(cluster),
      taskQueue: cluster,
      args: [{ cluster, ticketLifeMs, queue: this.carried }],
      workflowIdConflictPolicy: 'USE_EXISTING',
    });
    const ticket = { id, operation: 'apply' as const, actor: `${id}@here`, reason: 'to see', ...more };
    const args: [typeof ticket] = [ticket];
    const tickets = await this.client.workflow.executeUpdateWithStart(takeTicketUpdate, {
      args,
      startWorkflowOperation,
    });
    return tickets.map((one) => one.id);
  }

  get handle() {
    return this.client.workflow.getHandle<typeof clusterQueueWorkflow>(queueWorkflowId(this.cluster));
  }

  async waiting(): Promise<string[]> {
    return (await this.handle.query(queueQuery)).map(({ id }) => id);
  }

  renew = (id: string) => this.handle.signal(renewTicketSignal, id);
  leave = (id: string) => this.handle.signal(leaveQueueSignal, id);
  ended = () => until('the queue has ended', async () => (await this.handle.describe()).status.name === 'COMPLETED');
}

async function withLine(ticketLifeMs: number, use: (line: Line) => Promise<void>, carried: Queue = []): Promise<void> {
  const cluster = `queue-${process.pid}-${++clusters}`;
  await withScriptedWorker({ address, taskQueue: cluster }, async (client) => {
    const line = new Line(client, cluster, ticketLifeMs, carried);
    await use(line);
    await keepHistory(line.handle, 'clusterQueueWorkflow');
  });
}

const LONG_MS = 60_000;

describe('the queue', () => {
  it('gives places in order of arrival, keeps them when one leaves, ends when it is empty, and can begin again', async () => {
    await withLine(LONG_MS, async (line) => {
      expect(await line.take('a')).toEqual(['a']);
      expect(await line.take('b')).toEqual(['a', 'b']);
      expect(await line.take('c')).toEqual(['a', 'b', 'c']);
      expect(await line.take('b')).toEqual(['a', 'b', 'c']);
      await line.leave('b');
      expect(await line.waiting()).toEqual(['a', 'c']);
      await line.leave('a');
      await line.leave('c');
      await line.ended();
      expect(await line.take('d')).toEqual(['d']);
      await line.leave('d');
      await line.ended();
    });
  });

  it('lets go of those who are not heard of any more, and of nobody who is', async () => {
    await withLine(1500, async (line) => {
      await line.take('dead');
      await line.take('alive');
      let renewals = 0;
      const pulse = setInterval(() => void line.renew('alive').then(() => renewals++), 300);
      try {
        await until('the dead one is gone', async () => (await line.waiting())[0] === 'alive');
        const then = renewals;
        await until('a ticket would have lapsed twice', () => renewals > then + 10);
        expect(await line.waiting()).toEqual(['alive']);
        expect(await line.take('next')).toEqual(['alive', 'next']);
      } finally {
        clearInterval(pulse);
      }
      await line.ended();
    });
  });

  it('does not give a lapsed ticket back by a renewal', async () => {
    await withLine(500, async (line) => {
      await line.take('late');
      await line.ended();
      await line.take('other');
      await line.renew('late');
      expect(await line.waiting()).toEqual(['other']);
      await line.leave('other');
      await line.ended();
    });
  });

  it('goes on in a new run before its history is long, and nobody loses a place', async () => {
    await withLine(LONG_MS, async (line) => {
      for (const id of ['a', 'b', 'c']) await line.take(id);
      const { runId } = await line.handle.describe();
      for (let round = 0; round < 60; round++) {
        await Promise.all(Array.from({ length: 20 }, () => line.renew('b')));
        if (round === 30) await line.take('d');
      }
      await until('another run has it', async () => (await line.handle.describe()).runId !== runId);
      expect(await line.waiting()).toEqual(['a', 'b', 'c', 'd']);
      for (const id of ['a', 'b', 'c', 'd']) await line.leave(id);
      await line.ended();
    });
  });

  it('loses nobody who comes at the moment at which it ends', async () => {
    await withLine(LONG_MS, async (line) => {
      await line.take('0');
      for (let round = 1; round <= 25; round++) {
        const [, tickets] = await Promise.all([line.leave(`${round - 1}`), line.take(`${round}`)]);
        expect(tickets).toContain(`${round}`);
        expect(await line.waiting()).toContain(`${round}`);
      }
      await line.leave('25');
      await line.ended();
    });
  });

  it('refuses tickets without a name, and the one that is too many', async () => {
    const since = new Date().toISOString();
    const waiting: Queue = Array.from({ length: MOST_WAITING - 1 }, (_, i) => ({
      id: `t${i}`,
      operation: 'apply',
      actor: `t${i}@here`,
      reason: '',
      since,
      lapsesAt: Date.now() + LONG_MS,
    }));
    await withLine(
      LONG_MS,
      async (line) => {
        const refusal = async (take: Promise<unknown>) => {
          const error = await take.catch((thrown: unknown) => thrown);
          if (!(error instanceof WorkflowUpdateFailedError)) throw new Error('it was not refused', { cause: error });
          return namedFailure(error.cause);
        };
        expect((await refusal(line.take('')))?.text.what).toContain('does not say who');
        expect((await refusal(line.take('x', { actor: 7 })))?.text.what).toContain('does not say who');
        expect(await line.take('the last that may')).toHaveLength(MOST_WAITING);
        const full = await refusal(line.take('one too many'));
        expect(full).toMatchObject({ type: 'Locked' });
        expect(full?.text.what).toMatch(/^100 are waiting .*, the first of them t0@here since 2/);
        await line.handle.terminate('seen');
      },
      waiting,
    );
  });
});
