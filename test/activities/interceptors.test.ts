import type { Info } from '@temporalio/activity';
import { ApplicationFailure } from '@temporalio/common';
import { MockActivityEnvironment } from '@temporalio/testing';
import { DefaultLogger, type LogEntry } from '@temporalio/worker';
import { describe, expect, it } from 'vitest';
import { FAILURES, type FailureType, ForgeError } from '../../domain/errors.js';
import type { StepToken } from '../../domain/survey.js';
import { tellProgress } from '../../activities/heartbeat.js';
import { activityInterceptors } from '../../workers/interceptors.js';
import { until } from '../support/until.js';

const TEXT = { what: 'Host h1 does not answer.', left: 'Nothing was changed.', next: 'Start it.' };
const TYPES = Object.keys(FAILURES) as FailureType[];

/** An activity's surroundings as the worker makes them, with what is logged. */
function surroundings(info: Partial<Info> = {}) {
  const logged: LogEntry[] = [];
  const environment = new MockActivityEnvironment(info, {
    interceptors: [...activityInterceptors],
    logger: new DefaultLogger('INFO', (entry) => logged.push(entry)),
  });
  return { environment, logged };
}

async function failureOf(error: Error): Promise<unknown> {
  const { environment } = surroundings();
  return environment.run(() => Promise.reject(error)).catch((reason: unknown) => reason);
}

describe('a failure that leaves an activity', () => {
  it.each(TYPES)('keeps its name, its text and whether trying again can help: %s', async (type) => {
    const failure = await failureOf(new ForgeError(type, TEXT));
    expect(failure).toBeInstanceOf(ApplicationFailure);
    expect(failure).toMatchObject({
      type,
      message: 'Host h1 does not answer. Nothing was changed. Start it.',
      details: [TEXT],
      nonRetryable: !FAILURES[type].retry,
    });
  });

  it('of a read is final at the second try, and of a change not: a person waits for the first, an outage may pass for the second', async () => {
    const finalAt = async (info: Partial<Info>) => {
      const { environment } = surroundings(info);
      const down = () => Promise.reject(new ForgeError('HostUnreachable', TEXT));
      return environment.run(down).catch((reason: unknown) => reason);
    };
    expect(await finalAt({ activityType: 'surveyHost', attempt: 1 })).toMatchObject({ nonRetryable: false });
    expect(await finalAt({ activityType: 'surveyHost', attempt: 2 })).toMatchObject({ nonRetryable: true });
    expect(await finalAt({ activityType: 'startNode', attempt: 2 })).toMatchObject({ nonRetryable: false });
  });

  it('leaves its cause behind: whose words those are, and what is in them, nobody knows', async () => {
    const failure = await failureOf(new ForgeError('HostAuthFailed', TEXT, { cause: new Error('s3cret') }));
    expect(failure).toMatchObject({ cause: undefined });
  });

  it('is the same as before where it is none of ours', async () => {
    const error = new TypeError('a mistake of ours');
    expect(await failureOf(error)).toBe(error);
    const told = ApplicationFailure.retryable('not yet', 'NotYet');
    expect(await failureOf(told)).toBe(told);
  });

  it('is logged where it happened', async () => {
    const { environment, logged } = surroundings();
    await expect(environment.run(() => Promise.reject(new ForgeError('Locked', TEXT)))).rejects.toThrow();
    expect(logged).toContainEqual(
      expect.objectContaining({ level: 'WARN', meta: expect.objectContaining({ failure: 'Locked' }) as unknown }),
    );
  });
});

describe('what an activity is given', () => {
  it('says in its token which attempt it is, and of which run', async () => {
    const { environment } = surroundings({
      attempt: 3,
      workflowExecution: { workflowId: 'cluster/orders/operation', runId: 'run-1' },
    });
    const token: StepToken = { generation: 7, step: 'startNode/h1:6379', attempt: 0 };
    const given = await environment.run((step: object) => Promise.resolve(step), { host: 'h1', token });
    expect(given).toEqual({ host: 'h1', token: { ...token, attempt: 3, run: 'run-1' } });
  });

  it.each([[{ spec: 1 }], ['text'], [null], [undefined]])(
    'is the same as before without a token: %j',
    async (input) => {
      const { environment } = surroundings({ attempt: 3 });
      expect(await environment.run((given: unknown) => Promise.resolve(given), input)).toBe(input);
    },
  );
});

describe('heartbeats', () => {
  function beating(info: Partial<Info>) {
    const { environment } = surroundings(info);
    const beats: number[] = [];
    environment.on('heartbeat', () => beats.push(Date.now()));
    return { environment, beats };
  }

  it('come before the timeout, again and again, for as long as the activity runs', async () => {
    const heartbeatTimeoutMs = 600;
    const { environment, beats } = beating({ heartbeatTimeoutMs });
    const start = Date.now();
    await environment.run(() => until('some heartbeats', () => beats.length >= 3));
    const pauses = beats.map((beat, i) => beat - (beats[i - 1] ?? start));
    expect(Math.max(...pauses)).toBeLessThan(heartbeatTimeoutMs);
    await until('a timeout later', () => Date.now() > (beats.at(-1) ?? 0) + heartbeatTimeoutMs);
    expect(beats).toHaveLength(3);
  });

  it('end with an activity that fails', async () => {
    const { environment, beats } = beating({ heartbeatTimeoutMs: 60 });
    const failing = environment.run(async () => {
      await until('a heartbeat', () => beats.length > 0);
      throw new Error('failed');
    });
    await expect(failing).rejects.toThrow('failed');
    const seen = beats.length;
    await until('a timeout later', () => Date.now() > (beats.at(-1) ?? 0) + 60);
    expect(beats).toHaveLength(seen);
  });

  it('do not take back what the activity said of its progress', async () => {
    const { environment } = surroundings({ heartbeatTimeoutMs: 60 });
    const details: unknown[] = [];
    environment.on('heartbeat', (said: unknown) => details.push(said));
    await environment.run(async () => {
      tellProgress({ slotsDone: 3 });
      await until('some heartbeats', () => details.length >= 3);
    });
    expect(details.slice(0, 3)).toEqual([{ slotsDone: 3 }, { slotsDone: 3 }, { slotsDone: 3 }]);
  });

  it('are not sent where nobody waits for them', async () => {
    const { environment, beats } = beating({});
    const start = Date.now();
    await environment.run(() => until('some time', () => Date.now() > start + 60));
    expect(beats).toEqual([]);
  });
});
