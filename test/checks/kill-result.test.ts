import { describe, expect, it } from 'vitest';
import { isProven } from '../kill/matrix.js';
import { isReshaped } from '../kill/reshape-matrix.js';
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

describe('the result of the kills in operations that change the shape', () => {
  it(`is not older than what it speaks of by more than ${MOST_DAYS} days: else run make test-kill and commit its result`, () => {
    expect(daysBehind(readResult('reshape-kills'))).toBeLessThanOrEqual(MOST_DAYS);
  });

  it('tells of at least 50 kills, of every kind and with both movers, all done and proven with the ledger complete', () => {
    const result = readResult('reshape-kills');
    expect(result.rows.length).toBeGreaterThanOrEqual(50);
    expect(isReshaped(result)).toBe(true);
    const victims = new Set(result.rows.map(({ point }) => point.split(',')[0]));
    expect([...victims].sort()).toEqual(['both workers', 'replica', 'source', 'ssh', 'target', 'temporal', 'worker']);
    const engines = new Set(result.runs.map(({ engine }) => engine));
    expect([...engines].sort()).toEqual(['redis-7.0', 'redis-8.6', 'valkey-9.1']);
  });
});
