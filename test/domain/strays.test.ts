import { describe, expect, it } from 'vitest';
import { declaredNodes } from '../../domain/nodes.js';
import { strayReplicas } from '../../domain/strays.js';
import type { NodeStatus, Verdict } from '../../domain/verdict.js';
import { idOf } from '../support/observations.js';
import { specOf } from '../support/spec.js';
import { verdictOf } from '../support/survey.js';

const SPEC = specOf();
const NODES = declaredNodes(SPEC);
/** h1 to h3 own slots; h4, h5, h6 follow h2, h3, h1. */
const MASTER_OF: Readonly<Record<string, number>> = { h4: 2, h5: 3, h6: 1 };

/** A sound cluster, but for what is said of hosts. */
function seen(change: Readonly<Record<string, Partial<NodeStatus>>> = {}): Verdict {
  const nodes = NODES.map((node, i): NodeStatus => {
    const master = MASTER_OF[node.host];
    const role = master === undefined ? ('master' as const) : ('replica' as const);
    return {
      ...{ ...node, id: idOf(i + 1), role, masterId: master === undefined ? null : idOf(master) },
      slots: master === undefined ? [[i * 5000, i * 5000 + 4999]] : [],
      ...{ keys: 1, usedMemoryBytes: 1, maxmemoryBytes: 0, lagBytes: null, version: '7.0.15', answered: true },
      ...change[node.host],
    };
  });
  return verdictOf({ healthy: false, nodes });
}

/** h6 has taken over from h1, which came back without slots. */
const CAME_BACK = {
  h1: { slots: [] },
  h6: { role: 'master', masterId: null, slots: [[0, 4900]] },
} as const;

describe('strayReplicas', () => {
  it('has a master that came back without slots follow whoever lacks a replica', () => {
    expect(strayReplicas(SPEC, seen(CAME_BACK))).toEqual([{ node: 'h1:6379', of: 'h6:6379' }]);
  });

  it('finds nothing where all is as it should be, or the one without slots does not answer', () => {
    expect(strayReplicas(SPEC, seen())).toEqual([]);
    expect(strayReplicas(SPEC, seen({ ...CAME_BACK, h1: { slots: [], answered: false, role: 'unknown' } }))).toEqual(
      [],
    );
  });

  it('leaves a master alone that waits for slots: fewer own some than the spec wants', () => {
    expect(strayReplicas(SPEC, seen({ h1: { slots: [] } }))).toEqual([]);
  });

  it('leaves one alone that is on its way out', () => {
    const hosts = SPEC.hosts.map((host) =>
      host.name === 'h1'
        ? { ...host, nodes: host.nodes.map((node) => ({ ...node, leaving: 'drain' as const })) }
        : host,
    );
    expect(strayReplicas({ ...SPEC, hosts }, seen(CAME_BACK))).toEqual([]);
  });
});
