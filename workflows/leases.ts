import { log, patched, workflowInfo } from '@temporalio/workflow';
import { operationWorkflowId } from '../domain/ids.js';
import { hostsAtWork, specForHost } from '../domain/nodes.js';
import type { OperationInput } from '../domain/operation.js';
import type { OperationKind } from '../domain/plan.js';
import type { Lease } from '../domain/survey.js';
import type { LeasesRequest } from '../domain/steps.js';
import { ALL_HOSTS, type OperationActivities } from './activity-options.js';
import { doneNevertheless } from './failures.js';
import { inParallel } from './in-parallel.js';
import { now } from './logbook.js';

interface TakeRequest {
  readonly generation: number;
  /** By host, the generation that it had when it was examined. */
  readonly seen: Readonly<Record<string, number>>;
}

/** The hosts whose lease this run holds: the real lock, beside the polite one that is the workflow ID. */
export class HeldHosts {
  private hosts: string[] = [];
  private taken: number | null = null;
  /** Whether each of them was taken; else it may have been. */
  private sure = true;

  constructor(
    private readonly input: OperationInput,
    private readonly kind: OperationKind,
    private readonly activities: OperationActivities,
  ) {}

  /** Raises the generation on all hosts before anything else is done. Where one refuses, those that were taken are given back. */
  async take(request: TakeRequest): Promise<void> {
    this.taken = request.generation;
    await this.takeAs(await this.identifyServer(), request);
  }

  /** The same where nothing else is to be done, if one of these leases is of an earlier run of ours. */
  async takeOver(request: TakeRequest, left: readonly Lease[]): Promise<void> {
    const server = await this.identifyServer();
    const workflowId = operationWorkflowId(this.input.spec.name);
    if (!left.some((lease) => lease.server === server && lease.workflowId === workflowId)) return;
    this.taken = request.generation;
    await this.takeAs(server, request);
  }

  private async identifyServer(): Promise<string> {
    const { server } = await this.activities.read.identifyServer.executeWithOptions(
      { summary: 'who holds the leases: this Temporal server' },
      [],
    );
    return server;
  }

  private async takeAs(server: string, { generation, seen }: TakeRequest): Promise<void> {
    const { spec, actor, breakLease } = this.input;
    const { workflowId, runId } = workflowInfo();
    const lease = { generation, server, workflowId, runId, operation: this.kind, actor, since: now() };
    if (patched(ALL_HOSTS))
      return this.takeAll({ spec, lease, seen, ...(breakLease === undefined ? {} : { breakLease }) });
    await inParallel(hostsAtWork(spec), spec.timings.hostParallelism, async ({ name: host }) => {
      await this.activities.change.takeLease.executeWithOptions(
        { summary: `lease of ${host}, generation ${generation}` },
        [
          {
            spec: specForHost(spec, host),
            host,
            lease,
            ...(breakLease === undefined ? {} : { breakLease }),
            ...(seen[host] === undefined ? {} : { seen: seen[host] }),
          },
        ],
      );
      this.hosts.push(host);
    });
  }

  /** Where one fails, and nobody could say any more which were taken, all may have been: giving back what was not does no harm. */
  private async takeAll(request: LeasesRequest): Promise<void> {
    this.hosts = hostsAtWork(request.spec).map(({ name }) => name);
    const summary = `leases of ${this.hosts.length} hosts, generation ${request.lease.generation}`;
    try {
      await this.activities.all.takeLeases.executeWithOptions({ summary }, [request]);
    } catch (error) {
      this.hosts = [...(doneNevertheless(error) ?? this.hosts)];
      this.sure = false;
      throw error;
    }
  }

  private async releaseAll(): Promise<void> {
    const { hosts } = this;
    this.hosts = [];
    if (hosts.length === 0) return;
    const token = { generation: this.generation, step: 'releaseLease', attempt: 0 };
    try {
      const summary = `give back the leases of ${hosts.length} hosts`;
      // Nobody waits once more for a host that did not answer when its lease was to be taken.
      const patience = this.sure ? {} : { retry: { initialInterval: 250, maximumAttempts: 2 } };
      await this.activities.all.releaseLeases.executeWithOptions({ summary, ...patience }, [
        { spec: this.input.spec, hosts, token },
      ]);
    } catch (error) {
      log.warn('leases were not given back; the next operation of this cluster takes them over', { hosts, error });
    }
  }

  /** Gives every lease back. A host that cannot be reached keeps it; the next operation of this cluster takes it over. */
  async release(): Promise<void> {
    const { spec } = this.input;
    if (patched(ALL_HOSTS)) return this.releaseAll();
    await inParallel(this.hosts, spec.timings.hostParallelism, async (host) => {
      try {
        await this.activities.change.releaseLease.executeWithOptions({ summary: `give back the lease of ${host}` }, [
          {
            spec: specForHost(spec, host),
            host,
            token: { generation: this.generation, step: 'releaseLease', attempt: 0 },
          },
        ]);
      } catch (error) {
        log.warn('a lease was not given back; the next operation of this cluster takes it over', { host, error });
      }
    });
    this.hosts = [];
  }

  /** The hosts that were given back whole have no record any more. */
  forget(host: string): void {
    this.hosts = this.hosts.filter((held) => held !== host);
  }

  get generation(): number {
    if (this.taken === null) throw new Error('no lease was taken yet');
    return this.taken;
  }

  get generationOrNull(): number | null {
    return this.taken;
  }
}
