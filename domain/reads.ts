/**
 * Activities that only look. A person waits for the answer, so a host that did not answer the second try is said to be down; a try that ended because its
 * worker died says nothing about the host, and does not count.
 */
export const READS = [
  'identifyServer',
  'surveyHost',
  'surveyHosts',
  'examinePorts',
  'draftApplyPlan',
  'draftDestroyPlan',
  'judgeCluster',
] as const;

export type Read = (typeof READS)[number];

/** Tries of its own that a read has. */
export const READ_TRIES = 2;
