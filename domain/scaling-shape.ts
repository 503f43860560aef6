import type { ShapeSpec } from './spec.js';

/** Why numbers do not fit, in numbers, and what would. */
export interface NumbersWanted {
  readonly problem: string;
  readonly next: string;
}

interface Numbers {
  readonly masters: number;
  readonly replicas: number;
  /** Replicas beyond those. */
  readonly extra: number;
}

const FEWEST_MASTERS = 3;

export interface AddedNodes {
  readonly shape: ShapeSpec;
  readonly count: number;
  readonly as: 'master' | 'replica' | null;
  /** They go to one shard, and are no general rise. */
  readonly attached: boolean;
}

/** The shape with so many nodes more. Where nothing is said they are masters with their replicas if the number allows, else replicas. */
export function addedShape({ shape, count, as, attached }: AddedNodes): ShapeSpec | NumbersWanted {
  const { masters, replicasPerMaster } = shape;
  const each = 1 + replicasPerMaster;
  const whole = count % each === 0;
  if (as === 'master' && !whole) return noWholeMasters(count, replicasPerMaster);
  if (as === 'master' || (as === null && whole)) return shapeWith(shape, { masters: masters + count / each });
  if (!attached && count === masters) return shapeWith(shape, { replicas: replicasPerMaster + 1 });
  return shapeWith(shape, { extra: (shape.extraReplicas ?? 0) + count });
}

function noWholeMasters(count: number, replicas: number): NumbersWanted {
  const each = 1 + replicas;
  const [less, more] = [Math.floor(count / each), Math.ceil(count / each)];
  const fewer = less === 0 ? '' : `, or ${count - less * each} fewer for ${mastersWords(less)}`;
  return {
    problem: `A master has ${replicasWords(replicas)} here, so ${mastersWords(more)} would be ${more * each} nodes, and ${count} ${count === 1 ? 'is' : 'are'} named.`,
    next: `Name ${more * each - count} more for their replicas${fewer}; or add ${count === 1 ? 'it' : 'them'} with --as replica.`,
  };
}

export interface RemovedNodes {
  readonly shape: ShapeSpec;
  readonly count: number;
  readonly as: 'master' | 'replica' | null;
}

/** The shape with so many nodes less: first of the replicas beyond, then masters with their replicas, then a replica less for some or all. */
export function removedShape({ shape, count, as }: RemovedNodes): ShapeSpec | NumbersWanted {
  if (count === 0) return shape;
  const { masters, replicasPerMaster, extraReplicas: extra = 0 } = shape;
  if (as !== 'master' && count <= extra) return shapeWith(shape, { extra: extra - count });
  const each = 1 + replicasPerMaster;
  const gone = as === 'master' ? count / each : Math.ceil((count - extra) / each);
  const spare = extra + gone * each - count;
  const fits = Number.isInteger(gone) && masters - gone >= FEWEST_MASTERS && spare >= 0 && spare <= extra;
  if (as !== 'replica' && fits) return shapeWith(shape, { masters: masters - gone, extra: spare });
  const replicas = masters * replicasPerMaster + extra - count;
  if (as !== 'master' && replicas >= masters) {
    return shapeWith(shape, { replicas: Math.floor(replicas / masters), extra: replicas % masters });
  }
  return tooFew({ shape, count, as });
}

function tooFew({ shape, count, as }: RemovedNodes): NumbersWanted {
  const { masters, replicasPerMaster, extraReplicas: extra = 0 } = shape;
  const all = masters * (1 + replicasPerMaster) + extra;
  const most = (masters - FEWEST_MASTERS) * (1 + replicasPerMaster);
  const spare = masters * Math.max(0, replicasPerMaster - 1) + extra;
  const asMasters = `masters with their replicas can go ${1 + replicasPerMaster} nodes at a time, ${most} at the most (${FEWEST_MASTERS} masters have to stay)`;
  const asReplicas = `of the replicas ${spare} (each of the ${masters} masters keeps one)`;
  const ways = as === 'master' ? asMasters : as === 'replica' ? asReplicas : `${asMasters}, ${asReplicas}`;
  return {
    problem: `${count} of ${all} nodes cannot go: ${ways}.`,
    next: 'Name other numbers of nodes, add nodes first, or replace the host (`redisforge replace`).',
  };
}

/** The shape of these numbers, as `scale to` wants it; `problem` where no cluster has it. */
export function wholeShape(
  shape: ShapeSpec,
  numbers: { masters: number; replicas: number; withoutReplicas?: string },
): ShapeSpec | NumbersWanted {
  const { masters, replicas, withoutReplicas } = numbers;
  if (masters < FEWEST_MASTERS) {
    return {
      problem: `${masters} masters are too few: with fewer than ${FEWEST_MASTERS} there is no majority to elect a new one.`,
      next: `Ask for ${FEWEST_MASTERS} or more.`,
    };
  }
  const wanted = shapeWith(shape, { masters, replicas, extra: 0 });
  return replicas === 0 && withoutReplicas !== undefined ? { ...wanted, withoutReplicas } : wanted;
}

/** How many nodes a shape has. */
export function nodesOfShape({ masters, replicasPerMaster, extraReplicas = 0 }: ShapeSpec): number {
  return masters * (1 + replicasPerMaster) + extraReplicas;
}

function shapeWith(shape: ShapeSpec, change: Partial<Numbers>): ShapeSpec {
  const { extraReplicas, withoutReplicas, ...kept } = shape;
  const replicas = change.replicas ?? shape.replicasPerMaster;
  const extra = change.extra ?? extraReplicas ?? 0;
  return {
    ...kept,
    masters: change.masters ?? shape.masters,
    replicasPerMaster: replicas,
    ...(extra === 0 ? {} : { extraReplicas: extra }),
    ...(replicas > 0 || withoutReplicas === undefined ? {} : { withoutReplicas }),
  };
}

function mastersWords(count: number): string {
  return count === 1 ? 'one master' : `${count} masters`;
}

function replicasWords(count: number): string {
  return count === 1 ? 'one replica' : `${count} replicas`;
}
