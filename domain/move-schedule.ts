/** What goes from one master to another, and how much of it. */
export interface Lane {
  readonly from: string;
  readonly to: string;
  readonly slots: number;
}

/** As many sources may give to one target at once; more of them only wait for each other. */
export const SOURCES_PER_TARGET = 3;

/**
 * Which of the waiting lanes may begin beside those that run, the ones of the busiest nodes first. A source gives to one target at a time, as its MIGRATE holds
 * it; a node never gives and takes at once: two nodes that send to each other would wait for each other until both time out.
 */
export function lanesToStart<L extends Lane>(waiting: readonly L[], running: readonly Lane[]): L[] {
  const work = new Map<string, number>();
  for (const { from, to, slots } of waiting) {
    work.set(from, (work.get(from) ?? 0) + slots);
    work.set(to, (work.get(to) ?? 0) + slots);
  }
  const weight = ({ from, to }: Lane) => Math.max(work.get(from) ?? 0, work.get(to) ?? 0);
  const started: L[] = [];
  for (const lane of [...waiting].sort((a, b) => weight(b) - weight(a) || b.slots - a.slots)) {
    if (mayRun(lane, [...running, ...started])) started.push(lane);
  }
  return started;
}

function mayRun(lane: Lane, beside: readonly Lane[]): boolean {
  const gives = beside.some(({ from }) => from === lane.from || from === lane.to);
  const takes = beside.some(({ to }) => to === lane.from);
  return !gives && !takes && beside.filter(({ to }) => to === lane.to).length < SOURCES_PER_TARGET;
}
