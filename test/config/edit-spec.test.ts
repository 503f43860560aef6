import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { editSpec } from '../../config/edit-spec.js';
import { type LoadedSpec, readSpec } from '../../config/load.js';
import { unifiedDiff } from '../../domain/line-diff.js';
import { editedSpec, type NewHost, type SpecEdit, withoutLeft } from '../../domain/spec-edit.js';
import { ruleProblems } from '../../domain/spec-rules.js';
import { failureOf } from '../support/failure.js';

const KEY = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIMsz/9gFo0DsmGYcyvSE5gP6vWVkfAtm8KyOBjj9nrb9';
const ENV = { HOME: '/home/anna' };

function loaded(text: string): LoadedSpec {
  const path = '/srv/specs/orders.yaml';
  const read = readSpec(text, { folder: '/srv/specs', home: ENV.HOME });
  if ('problems' in read) throw new Error(JSON.stringify(read.problems));
  return { path, text, spec: read.spec };
}

const example = async (name: string) =>
  loaded(await readFile(join(import.meta.dirname, '../../config/examples', name), 'utf8'));

function diffOf(before: LoadedSpec, edits: readonly SpecEdit[]): string[] {
  const after = editSpec(before, edits, ENV);
  return unifiedDiff({ path: 'orders.yaml', before: before.text, after: after.text })
    .split('\n')
    .filter((line) => /^[+-](?![+-]{2} )/.test(line));
}

const seven: NewHost = {
  name: 'd1',
  zone: 'd',
  address: '10.0.4.11',
  ports: [6379, 6380],
  login: { user: 'deploy', host: '10.0.4.11', port: 22, hostKey: KEY },
};
const shape = (masters: number, change = {}): SpecEdit => ({
  kind: 'shape',
  shape: { masters, replicasPerMaster: 1, ...change },
});

const byHand = `# Orders. Do not touch on Fridays.
apiVersion: redisforge/v1
name:   orders          # the team's name
uid: 5b0f6f0e-6f5c-4a54-9a53-6d3f6f0c2a11
engine: {version: '7.0'}


shape:
  masters: 3            # one for each zone
  # replicasPerMaster: 2 was too much for the budget
ssh: { user: deploy, agent: true, knownHosts: known_hosts }

hosts:
# zone a
- { name: a1, zone: a,  address: 10.0.1.11, nodes: [7001,   7002] }
# zone b
- name: b1
  zone: b
  address: 10.0.2.11    # the new rack
  nodes:
    - 7001              # near the door
    - port: 7002
# zone c
- {name: c1, zone: c, address: 10.0.3.11, nodes: [{port: 7001}, 7002]}

secrets: {operator: env:A_OPERATOR, replication: env:A_REPLICATION, app: env:A_APP, admin: env:A_ADMIN} # by the vault
`;

describe('changes in a spec that somebody wrote', () => {
  it('touch no other line, and keep comments, order and spaces', () => {
    const edits: SpecEdit[] = [
      { kind: 'addNode', host: 'a1', port: 7003 },
      { kind: 'addNode', host: 'b1', port: 7003 },
      shape(4),
    ];
    expect(diffOf(loaded(byHand), edits)).toEqual([
      '-  masters: 3            # one for each zone',
      '+  masters: 4            # one for each zone',
      '-- { name: a1, zone: a,  address: 10.0.1.11, nodes: [7001,   7002] }',
      '+- { name: a1, zone: a,  address: 10.0.1.11, nodes: [7001,   7002, 7003] }',
      '+    - 7003',
    ]);
  });

  it('mark nodes that leave in whichever way they are written', () => {
    const edits: SpecEdit[] = [
      { kind: 'addHost', host: seven },
      { kind: 'markNode', host: 'b1', port: 7001, leaving: 'drain' },
      { kind: 'markNode', host: 'b1', port: 7002, leaving: 'lost' },
    ];
    expect(diffOf(loaded(byHand), edits)).toEqual([
      '-    - 7001              # near the door',
      '+    - {port: 7001, leaving: drain}              # near the door',
      '+      leaving: lost',
      `+- {name: d1, zone: d, address: 10.0.4.11, ssh: {hostKeys: [${KEY}]}, nodes: [6379, 6380]}`,
    ]);
  });

  it('write out the nodes of a host that has none in the file, and give a new host the form of the last one', async () => {
    const edits: SpecEdit[] = [
      {
        kind: 'addHost',
        host: { ...seven, name: 'c3', zone: 'c', login: { ...seven.login, port: 2222, hostKey: null } },
      },
      { kind: 'addNode', host: 'a1', port: 6380 },
      { kind: 'addNode', host: 'b1', port: 6380 },
      shape(5),
    ];
    expect(diffOf(await example('three-zones.yaml'), edits)).toEqual([
      '-  masters: 3',
      '+  masters: 5',
      '-  - { name: a1, zone: a, address: 10.0.1.11 }',
      '+  - { name: a1, zone: a, address: 10.0.1.11, nodes: [6379, 6380] }',
      '-  - { name: b1, zone: b, address: 10.0.2.11 }',
      '+  - { name: b1, zone: b, address: 10.0.2.11, nodes: [6379, 6380] }',
      '+  - { name: c3, zone: c, address: 10.0.4.11, ssh: { port: 2222 }, nodes: [6379, 6380] }',
    ]);
    const block = diffOf(await example('three-hosts.yaml'), [
      { kind: 'addHost', host: { ...seven, root: '/srv/redis', login: { ...seven.login, user: 'root' } } },
      shape(4),
    ]);
    expect(block).toEqual([
      '-  masters: 3',
      '+  masters: 4',
      '+  - name: d1',
      '+    zone: d',
      '+    address: 10.0.4.11',
      '+    root: /srv/redis',
      '+    ssh:',
      '+      user: root',
      '+      hostKeys:',
      `+        - ${KEY}`,
      '+    nodes: [6379, 6380]',
    ]);
  });

  it('take out what has left, and the host with its last node', async () => {
    const before = await example('three-hosts.yaml');
    const working = editSpec(
      before,
      [
        { kind: 'addHost', host: seven },
        { kind: 'addNode', host: 'two', port: 6381 },
        { kind: 'markNode', host: 'one', port: 6379, leaving: 'drain' },
        { kind: 'markNode', host: 'one', port: 6380, leaving: 'drain' },
        { kind: 'markNode', host: 'three', port: 6380, leaving: 'drain' },
      ],
      ENV,
    );
    const after = editSpec(working, withoutLeft(working.spec), ENV);
    expect(after.spec.hosts.map(({ name, nodes }) => [name, ...nodes.map(({ port }) => port)])).toEqual([
      ['two', 6379, 6380, 6381],
      ['three', 6379],
      ['d1', 6379, 6380],
    ]);
    expect(after.text).toContain('# Three hosts with two nodes each: a cache that survives the loss of any one host.');
    expect(after.text).not.toContain('name: one');
  });

  it('write shares, and replace those that stand there', async () => {
    const before = await example('three-zones.yaml');
    const weights = { 'a1:6379': 2 };
    const balance = { by: 'memory', thresholdPercent: 5, weights } as const;
    expect(diffOf(before, [{ kind: 'balance', balance }])).toEqual([
      '+balance:',
      '+  by: memory',
      '+  threshold: 5',
      '+  weights:',
      '+    a1:6379: 2',
    ]);
    const with2 = editSpec(before, [{ kind: 'balance', balance }], ENV);
    expect(diffOf(with2, [{ kind: 'balance', balance: { ...balance, weights: {} } }])).toEqual([
      '-  weights:',
      '-    a1:6379: 2',
    ]);
  });

  it('keep the newlines of another system', () => {
    const windows = loaded(byHand.replaceAll('\n', '\r\n'));
    const after = editSpec(windows, [{ kind: 'addNode', host: 'a1', port: 7003 }, shape(3, { extraReplicas: 1 })], ENV);
    expect(after.text.replaceAll('\r\n', '')).not.toContain('\n');
    expect(after.text.split('\r\n').filter((line) => !byHand.includes(line))).toEqual([
      '  extraReplicas: 1',
      '- { name: a1, zone: a,  address: 10.0.1.11, nodes: [7001,   7002, 7003] }',
    ]);
  });

  it('untie a list that several hosts share', () => {
    const shared = byHand
      .replace('nodes: [7001,   7002]', 'nodes: &both [7001, 7002]')
      .replace('nodes: [{port: 7001}, 7002]', 'nodes: *both');
    expect(
      diffOf(loaded(shared), [{ kind: 'addNode', host: 'c1', port: 7003 }, shape(3, { extraReplicas: 1 })]),
    ).toEqual([
      '+  extraReplicas: 1',
      '-- {name: c1, zone: c, address: 10.0.3.11, nodes: *both}',
      '+- {name: c1, zone: c, address: 10.0.3.11, nodes: [7001, 7002, 7003]}',
    ]);
  });

  it('are refused where the spec could not be used then, with the lines', async () => {
    const failure = await failureOf(Promise.resolve().then(() => editSpec(loaded(byHand), [shape(4)], ENV)));
    expect(failure.type).toBe('Refused');
    expect(failure.text.what).toContain('line 8: shape does not fit the hosts');
  });

  it('are refused, with what to do by hand, where they would change more than they say', async () => {
    const shared = byHand
      .replace('nodes: [7001,   7002]', 'nodes: &both [7001, 7002]')
      .replace('nodes: [{port: 7001}, 7002]', 'nodes: *both');
    const edits: SpecEdit[] = [{ kind: 'addNode', host: 'a1', port: 7003 }, shape(3, { extraReplicas: 1 })];
    const failure = await failureOf(Promise.resolve().then(() => editSpec(loaded(shared), edits, ENV)));
    expect(failure.type).toBe('Refused');
    expect(failure.text.next).toContain('Make the change by hand and run apply: node 7003 of a1; shape {"masters":3');
  });

  it('say in the file what they say of the spec, whatever comes in whichever order', () => {
    const before = loaded(byHand);
    const edit = fc.oneof(
      fc.record({
        kind: fc.constant('addNode' as const),
        host: fc.constantFrom('a1', 'b1', 'c1'),
        port: fc.integer({ min: 7003, max: 7006 }),
      }),
      fc.record({
        kind: fc.constant('markNode' as const),
        host: fc.constantFrom('a1', 'b1', 'c1'),
        port: fc.constantFrom(7001, 7002),
        leaving: fc.constantFrom('drain' as const, 'lost' as const),
      }),
    );
    fc.assert(
      fc.property(fc.uniqueArray(edit, { maxLength: 6, selector: ({ host, port }) => `${host}:${port}` }), (edits) => {
        const wanted = editedSpec(before.spec, edits);
        const staying = wanted.hosts.flatMap(({ nodes }) =>
          nodes.filter(({ leaving }) => leaving === undefined),
        ).length;
        const full = [...edits, shape(3, staying === 6 ? {} : { extraReplicas: staying - 6 })];
        fc.pre(staying >= 6 && ruleProblems(editedSpec(before.spec, full)).length === 0);
        const after = editSpec(before, full, ENV);
        expect(after.spec).toEqual(editedSpec(before.spec, full));
        for (const comment of byHand.match(/#.*/g) ?? []) expect(after.text).toContain(comment);
      }),
    );
  });
});
