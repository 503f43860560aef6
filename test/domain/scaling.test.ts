import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { addNodes, type Addition, removeNodes, replaceHost, type Reshaped } from '../../domain/scaling.js';
import { scaleTo } from '../../domain/scaling-nodes.js';
import { nodesOfShape } from '../../domain/scaling-shape.js';
import { editedSpec, type NewHost, withoutLeft } from '../../domain/spec-edit.js';
import { ruleProblems } from '../../domain/spec-rules.js';
import type { ClusterSpec, ShapeSpec } from '../../domain/spec.js';
import { hostOf, specOf } from '../support/spec.js';

function newHost(name: string, change: Partial<NewHost> = {}): NewHost {
  const n = Number(/\d+/.exec(name)?.[0]);
  return {
    name,
    zone: `z${((n - 1) % 3) + 1}`,
    address: `10.0.0.${n}`,
    ports: [6379],
    login: { user: 'redis', host: `10.0.0.${n}`, port: 22, hostKey: 'ssh-ed25519 AAAA' },
    ...change,
  };
}

/** Six or more hosts in three zones, with as many nodes as the shape takes, evenly. */
function clusterOf(shape: ShapeSpec, hosts = 6): ClusterSpec {
  const nodes = nodesOfShape(shape);
  return specOf({
    shape,
    redis: { ...specOf().redis, nodeTimeoutMs: 5000 },
    hosts: Array.from({ length: hosts }, (_, i) =>
      hostOf(`h${i + 1}`, {
        zone: `z${(i % 3) + 1}`,
        address: `10.0.0.${i + 1}`,
        ssh: { ...hostOf('h').ssh, host: `10.0.0.${i + 1}` },
        nodes: Array.from({ length: Math.ceil((nodes - i) / hosts) }, (_port, at) => ({ port: 6379 + at })),
      }),
    ),
  });
}

/** The spec that is worked on, and the one that stays when what leaves has left. */
function outcome(spec: ClusterSpec, reshaped: Reshaped): { working: ClusterSpec; after: ClusterSpec } {
  if ('problem' in reshaped) throw new Error(reshaped.problem);
  const working = editedSpec(spec, reshaped.edits);
  return { working, after: editedSpec(working, withoutLeft(working)) };
}

const problemOf = (reshaped: Reshaped) => ('problem' in reshaped ? reshaped.problem : 'none');
const on = (host: string, port: number | null = null): Addition => ({ kind: 'node', host, port });
const add = (spec: ClusterSpec, additions: readonly Addition[], as: 'master' | 'replica' | null = null) =>
  addNodes({ spec, additions, as, of: null });
const remove = (spec: ClusterSpec, names: readonly string[], as: 'master' | 'replica' | null = null) =>
  removeNodes({ spec, names, leaving: 'drain', as });

const three = clusterOf({ masters: 3, replicasPerMaster: 1 });

describe('adding nodes', () => {
  it.each([
    [2, null, { masters: 4, replicasPerMaster: 1 }],
    [4, null, { masters: 5, replicasPerMaster: 1 }],
    [1, null, { masters: 3, replicasPerMaster: 1, extraReplicas: 1 }],
    [3, null, { masters: 3, replicasPerMaster: 2 }],
    [2, 'replica', { masters: 3, replicasPerMaster: 1, extraReplicas: 2 }],
    [3, 'replica', { masters: 3, replicasPerMaster: 2 }],
    [2, 'master', { masters: 4, replicasPerMaster: 1 }],
  ] as const)('%i nodes as %s', (count, as, shape) => {
    const hosts = Array.from({ length: count }, (_, i): Addition => ({ kind: 'host', host: newHost(`h${i + 7}`) }));
    const { after } = outcome(three, add(three, hosts, as));
    expect(after.shape).toEqual(shape);
    expect(ruleProblems(after)).toEqual([]);
  });

  it('takes the next free port of a host where none is named', () => {
    const { after } = outcome(three, add(three, [on('h1'), on('h1'), on('h2', 7000), on('h3')], 'master'));
    expect(after.hosts.slice(0, 3).map(({ nodes }) => nodes.map(({ port }) => port))).toEqual([
      [6379, 6380, 6381],
      [6379, 7000],
      [6379, 6380],
    ]);
  });

  it('gives all to the shard that is named', () => {
    const reshaped = addNodes({ spec: three, additions: [on('h1'), on('h2'), on('h3')], as: null, of: 'h4:6379' });
    expect(reshaped).toMatchObject({
      attach: [
        { node: 'h1:6380', of: 'h4:6379' },
        { node: 'h2:6380', of: 'h4:6379' },
        { node: 'h3:6380', of: 'h4:6379' },
      ],
    });
    expect(outcome(three, reshaped).after.shape).toEqual({ masters: 3, replicasPerMaster: 1, extraReplicas: 3 });
  });

  it.each([
    [
      'too few for a master',
      [on('h1')],
      'master',
      'A master has one replica here, so one master would be 2 nodes, and 1 is named.',
    ],
    ['a node that is there', [on('h1', 6379)], null, 'h1:6379 is in the spec already.'],
    ['a node twice', [on('h1', 7000), on('h1', 7000)], null, 'h1:7000 is named twice.'],
    ['a host that is there', [{ kind: 'host', host: newHost('h1') }], null, 'The spec has a host h1 already.'],
    ['a host that is not', [on('h9')], null, 'The spec has no host h9 (it has h1, h2, h3, h4, h5, h6).'],
  ] as const)('refuses %s', (_what, additions, as, problem) => {
    expect(problemOf(add(three, additions, as))).toBe(problem);
  });

  it('refuses a shard that is none, and a master that follows one', () => {
    const request = { spec: three, additions: [on('h1')], as: null, of: 'h9:6379' };
    expect(problemOf(addNodes(request))).toContain('h9:6379, of --of, is no node');
    expect(problemOf(addNodes({ ...request, as: 'master', of: 'h2:6379' }))).toBe('A master follows nobody.');
  });
});

describe('removing nodes', () => {
  it.each([
    [{ masters: 4, replicasPerMaster: 1 }, 2, null, { masters: 3, replicasPerMaster: 1 }],
    [{ masters: 3, replicasPerMaster: 1, extraReplicas: 2 }, 2, null, { masters: 3, replicasPerMaster: 1 }],
    [
      { masters: 4, replicasPerMaster: 1, extraReplicas: 2 },
      2,
      'master',
      { masters: 3, replicasPerMaster: 1, extraReplicas: 2 },
    ],
    [
      { masters: 4, replicasPerMaster: 1, extraReplicas: 1 },
      2,
      null,
      { masters: 3, replicasPerMaster: 1, extraReplicas: 1 },
    ],
    [{ masters: 3, replicasPerMaster: 2 }, 3, null, { masters: 3, replicasPerMaster: 1 }],
    [{ masters: 3, replicasPerMaster: 2 }, 2, null, { masters: 3, replicasPerMaster: 1, extraReplicas: 1 }],
    [{ masters: 4, replicasPerMaster: 2 }, 3, 'replica', { masters: 4, replicasPerMaster: 1, extraReplicas: 1 }],
  ] as const)('from %j %i as %s', (shape, count, as, wanted) => {
    const spec = clusterOf(shape);
    const names = spec.hosts.flatMap(({ name, nodes }) => nodes.map(({ port }) => `${name}:${port}`)).slice(0, count);
    const { working, after } = outcome(spec, remove(spec, names, as));
    expect(after.shape).toEqual(wanted);
    expect(ruleProblems(working)).toEqual([]);
    const marked = working.hosts.flatMap(({ nodes }) => nodes.filter(({ leaving }) => leaving === 'drain'));
    expect(marked).toHaveLength(count);
  });

  it('takes a host with all its nodes, which stays in the spec until they have left', () => {
    const spec = clusterOf({ masters: 3, replicasPerMaster: 3 }, 4);
    const { working, after } = outcome(spec, remove(spec, ['h4']));
    expect(working.hosts.map(({ name }) => name)).toContain('h4');
    expect(after.hosts.map(({ name }) => name)).toEqual(['h1', 'h2', 'h3']);
    expect(after.shape).toEqual({ masters: 3, replicasPerMaster: 2 });
  });

  it('asked again, changes nothing more; what drains may be given up', () => {
    const spec = clusterOf({ masters: 4, replicasPerMaster: 1 });
    const { working } = outcome(spec, remove(spec, ['h1:6379', 'h2:6379']));
    expect(remove(working, ['h1:6379', 'h2:6379'])).toEqual({ edits: [], attach: [] });
    const lost = removeNodes({ spec: working, names: ['h1:6379'], leaving: 'lost', as: null });
    expect(lost).toMatchObject({ edits: [{ kind: 'markNode', host: 'h1', port: 6379, leaving: 'lost' }] });
  });

  it.each([
    [
      'a master too many',
      three,
      ['h1', 'h2'],
      '2 of 6 nodes cannot go: masters with their replicas can go 2 nodes at a time, 0 at the most (3 masters have to stay), of the replicas 0 (each of the 3 masters keeps one).',
    ],
    ['a replica that its master needs', three, ['h1'], '1 of 6 nodes cannot go'],
    ['a node that is none', three, ['h1:7777'], 'The spec declares no node or host h1:7777'],
  ])('refuses %s', (_what, spec, names, problem) => {
    expect(problemOf(remove(spec, names))).toContain(problem);
  });
});

describe('there and back', () => {
  const shapes = fc.record({
    masters: fc.integer({ min: 3, max: 8 }),
    replicasPerMaster: fc.integer({ min: 1, max: 3 }),
  });

  it('adding nodes and removing them again, as the same, ends with the same spec', () => {
    fc.assert(
      fc.property(shapes, fc.integer({ min: 1, max: 12 }), fc.constantFrom('master', 'replica'), (shape, count, as) => {
        const spec = clusterOf(shape, Math.min(12, nodesOfShape(shape)));
        const hosts = Array.from(
          { length: count },
          (_, i): Addition => ({ kind: 'host', host: newHost(`h${i + 13}`) }),
        );
        const added = add(spec, hosts, as);
        if ('problem' in added) {
          expect(as === 'master' && count % (1 + shape.replicasPerMaster) > 0).toBe(true);
          return;
        }
        const bigger = outcome(spec, added).after;
        expect(nodesOfShape(bigger.shape)).toBe(nodesOfShape(shape) + count);
        const names = hosts.flatMap((one) => (one.kind === 'host' ? [one.host.name] : []));
        expect(outcome(bigger, remove(bigger, names, as)).after).toEqual(spec);
      }),
    );
  });

  it('any shape to any other on the same hosts follows the rules on its way, and back again ends where it began', () => {
    fc.assert(
      fc.property(shapes, shapes, fc.integer({ min: 6, max: 9 }), (from, to, hosts) => {
        const spec = clusterOf(from, Math.min(hosts, nodesOfShape(from)));
        fc.pre(ruleProblems(spec).length === 0);
        const there = scaleTo({ spec, masters: to.masters, replicas: to.replicasPerMaster });
        if ('problem' in there) {
          expect(there.problem).toContain('cannot hold');
          return;
        }
        const { working, after } = outcome(spec, there);
        expect([ruleProblems(working), ruleProblems(after)]).toEqual([[], []]);
        const counts = after.hosts.map(({ nodes }) => nodes.length);
        expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(2);
        const back = scaleTo({ spec: after, masters: from.masters, replicas: from.replicasPerMaster });
        const { after: again } = outcome(after, back);
        expect(ruleProblems(again)).toEqual([]);
        expect(nodesOfShape(again.shape)).toBe(nodesOfShape(from));
      }),
    );
  });

  it('3 x 1 to 6 x 2 on six hosts, and back', () => {
    const { after } = outcome(three, scaleTo({ spec: three, masters: 6, replicas: 2 }));
    expect(after.shape).toEqual({ masters: 6, replicasPerMaster: 2 });
    expect(after.hosts.map(({ nodes }) => nodes.map(({ port }) => port))).toEqual(
      Array.from({ length: 6 }, () => [6379, 6380, 6381]),
    );
    expect(outcome(after, scaleTo({ spec: after, masters: 3, replicas: 1 })).after).toEqual(three);
  });

  it('refuses a shape that the hosts cannot hold, and one that is no cluster', () => {
    const crowded = { ...three, hosts: three.hosts.map((host) => ({ ...host, zone: 'z1' })) };
    expect(problemOf(scaleTo({ spec: crowded, masters: 6, replicas: 2 }))).toContain(
      'The hosts cannot hold 6 masters with 2 replicas each: zone z1 has 18 of 18 nodes',
    );
    expect(problemOf(scaleTo({ spec: three, masters: 2, replicas: 1 }))).toContain('2 masters are too few');
  });
});

describe('replacing a host', () => {
  const { ports: _ports, ...by } = newHost('h7', { zone: 'z1' });

  it('puts as many nodes at the same ports on the new one', () => {
    const spec = clusterOf({ masters: 3, replicasPerMaster: 3 });
    const { working, after } = outcome(spec, replaceHost({ spec, host: 'h1', by, leaving: 'lost' }));
    expect(working.hosts[0]?.nodes).toEqual([
      { port: 6379, leaving: 'lost' },
      { port: 6380, leaving: 'lost' },
    ]);
    expect([after.shape, ruleProblems(after)]).toEqual([spec.shape, []]);
    expect(after.hosts.map(({ name }) => name)).toEqual(['h2', 'h3', 'h4', 'h5', 'h6', 'h7']);
    expect(after.hosts.at(-1)?.nodes).toEqual(spec.hosts[0]?.nodes);
  });

  it.each([
    ['a host that is none', { host: 'h9' }, 'The spec has no host h9'],
    ['a new one that is there', { by: { ...by, name: 'h2' } }, 'The spec has a host h2 already.'],
    ['the same address', { by: { ...by, address: '10.0.0.1' } }, 'h7 has the address of h1 (10.0.0.1)'],
  ])('refuses %s', (_what, change, problem) => {
    expect(problemOf(replaceHost({ spec: three, host: 'h1', by, leaving: 'lost', ...change }))).toContain(problem);
  });

  it('refuses a host whose nodes all leave already', () => {
    const { working } = outcome(three, replaceHost({ spec: three, host: 'h1', by, leaving: 'lost' }));
    const again = replaceHost({ spec: working, host: 'h1', by: { ...by, name: 'h8' }, leaving: 'lost' });
    expect(problemOf(again)).toBe('All nodes of h1 are leaving already.');
  });
});
