import { describe, expect, it } from 'vitest';
import { isProven } from '../kill/matrix.js';
import { daysBehind, MOST_DAYS, readResult } from '../kill/result.js';

describe('the result of the kill matrix', () => {
  it(`is not older than what it speaks of by more than ${MOST_DAYS} days: else run make test-kill and commit its result`, () => {
    expect(daysBehind(readResult('kill-matrix'))).toBeLessThanOrEqual(MOST_DAYS);
  });

  it('tells of at least 200 kills, of every kind, all done and proven with each effect once', () => {
    const result = readResult('kill-matrix');
    expect(result.rows.length).toBeGreaterThanOrEqual(200);
    expect(isProven(result)).toBe(true);
    const victims = new Set(result.rows.map(({ point }) => point.split(',')[0]));
    expect([...victims].sort()).toEqual(['both workers', 'host', 'ssh', 'temporal', 'worker']);
  });
});
