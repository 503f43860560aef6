import { describe, expect, it } from 'vitest';
import { planDestroy, type DestroyWorld } from '../../domain/plan-destroy.js';
import { silentObservation, soundObservation, withNode, withSilent } from '../support/observations.js';
import { specOf } from '../support/spec.js';
import { formedSurveys, surveyOf, withHost, withNodeOf } from '../support/survey.js';

const spec = specOf();
const HOSTS = spec.hosts.map(({ name }) => name);
const GONE = { files: { config: null, acl: null, service: null }, service: { state: 'absent' } } as const;

const sound = soundObservation();
const empty = HOSTS.reduce((seen, _, i) => withNode(seen, i + 1, { keys: 0 }), sound);
const stopped = HOSTS.reduce((all, _, i) => withNodeOf(all, i + 1, { service: { state: 'stopped' } }), formedSurveys());
const takenAway = HOSTS.reduce((all, _, i) => withNodeOf(all, i + 1, GONE), formedSurveys());

/** A cluster without a key, whose data folders are to stay. */
const world: DestroyWorld = {
  spec,
  surveys: formedSurveys(),
  unsurveyed: [],
  observation: empty,
  data: { confirmed: false, folders: 'keep' },
};

function stepIds(change: Partial<DestroyWorld>): string[] {
  return planDestroy({ ...world, ...change }).steps.map(({ id }) => id);
}

function refusals(change: Partial<DestroyWorld>): string[] {
  return planDestroy({ ...world, ...change }).refusals.map(({ what }) => what);
}

describe('the steps of a destroy', () => {
  it.each(['keep', 'delete'] as const)(
    'stop and remove each node and give its host back, data folders: %s',
    (folders) => {
      const plan = planDestroy({ ...world, data: { confirmed: true, folders } });
      expect(plan.steps).toEqual(
        HOSTS.flatMap((host) => [
          { kind: 'stopNode', id: `stopNode/${host}:6379`, host, node: `${host}:6379` },
          { kind: 'removeNode', id: `removeNode/${host}:6379`, host, node: `${host}:6379`, data: folders },
          { kind: 'releaseHost', id: `releaseHost/${host}`, host, data: folders },
        ]),
      );
      expect(plan).toMatchObject({ cluster: 'orders', uid: spec.uid, operation: 'destroy', refusals: [], drift: [] });
    },
  );

  it('say that data folders stay, where they do', () => {
    expect(planDestroy(world).notes).toEqual([expect.stringContaining('Data folders stay')]);
    expect(planDestroy({ ...world, data: { confirmed: true, folders: 'delete' } }).notes).toEqual([]);
  });

  it('do not stop what does not run', () => {
    const surveys = withNodeOf(world.surveys, 2, { service: { state: 'stopped' } });
    expect(stepIds({ surveys })).not.toContain('stopNode/h2:6379');
    expect(stepIds({ surveys })).toContain('removeNode/h2:6379');
  });

  it('are none where only kept data and the record beside it are left, and nothing is asked about that data', () => {
    const plan = planDestroy({ ...world, surveys: takenAway, observation: silentObservation() });
    expect(plan).toMatchObject({ steps: [], refusals: [] });
  });

  it('take kept data away later, where that is wanted', () => {
    const data = { confirmed: true, folders: 'delete' } as const;
    expect(stepIds({ surveys: takenAway, observation: silentObservation(), data })).toEqual(
      HOSTS.flatMap((host) => [`removeNode/${host}:6379`, `releaseHost/${host}`]),
    );
  });

  it('are none on bare hosts', () => {
    const surveys = HOSTS.map((host) => surveyOf(host));
    for (const folders of ['keep', 'delete'] as const) {
      const data = { confirmed: false, folders };
      const plan = planDestroy({ ...world, surveys, observation: silentObservation(), data });
      expect(plan).toMatchObject({ steps: [], refusals: [] });
    }
  });

  it('come in the order of the spec, in whatever order the hosts have answered', () => {
    expect(stepIds({ surveys: world.surveys.toReversed() })).toEqual(stepIds({}));
  });
});

describe('a destroy is refused', () => {
  it('while masters hold keys, and says how many where', () => {
    expect(planDestroy({ ...world, observation: sound }).refusals).toEqual([
      {
        what: 'Cluster orders has data (h1:6379: 10 keys; h2:6379: 10 keys; h3:6379: 10 keys).',
        next: 'Say the name once more to take it away all the same: --confirm orders',
      },
    ]);
  });

  it('while a replica holds the keys of a master that does not answer', () => {
    const observation = withSilent(withNode(empty, 6, { keys: 7 }), 1, 'connection-refused');
    const surveys = withNodeOf(world.surveys, 1, { service: { state: 'stopped' }, data: [] });
    expect(refusals({ surveys, observation })).toEqual(['Cluster orders has data (h6:6379: 7 keys).']);
  });

  it('while a node that does not run has data', () => {
    const surveys = withNodeOf(withNodeOf(stopped, 1, { data: [] }), 2, { data: [] });
    const [refusal, ...others] = refusals({ surveys, observation: silentObservation() });
    expect(others).toEqual([]);
    expect(refusal?.match(/h\d:6379: not running, its data folder is not empty/g)).toEqual(
      ['h3', 'h4', 'h5', 'h6'].map((host) => `${host}:6379: not running, its data folder is not empty`),
    );
  });

  it('where data folders would be deleted, even those of a cluster without a key', () => {
    const data = { confirmed: false, folders: 'delete' } as const;
    expect(refusals({ data })).toEqual(['Cluster orders has data (data folders would be deleted).']);
  });

  it('for data no more, once the cluster was named again', () => {
    const data = { confirmed: true, folders: 'delete' } as const;
    expect(refusals({ observation: sound, data })).toEqual([]);
    expect(refusals({ surveys: stopped, observation: silentObservation(), data })).toEqual([]);
  });

  it('on a host of another cluster, which is not touched, whatever was confirmed', () => {
    const foreign = surveyOf('h2', { cluster: { name: 'stock', uid: 'u2' } });
    const surveys = withHost(world.surveys, 2, { record: foreign.record });
    const plan = planDestroy({ ...world, surveys, data: { confirmed: true, folders: 'delete' } });
    expect(plan.refusals).toEqual([
      {
        host: 'h2',
        what: `Host h2 belongs to cluster stock (uid u2), not to orders (uid ${spec.uid}).`,
        next: expect.stringContaining("Use that cluster's spec") as string,
      },
    ]);
    expect(plan.steps.map((step) => ('host' in step ? step.host : null))).not.toContain('h2');
  });

  it('where a host could not be asked', () => {
    const unsurveyed = [{ host: 'h2', what: 'Host h2 does not answer.', next: 'Start it.' }];
    const surveys = world.surveys.filter(({ host }) => host !== 'h2');
    expect(planDestroy({ ...world, surveys, unsurveyed }).refusals).toEqual(unsurveyed);
  });
});
