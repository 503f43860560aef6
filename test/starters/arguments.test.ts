import { InvalidArgumentError } from 'commander';
import { describe, expect, it } from 'vitest';
import { clusterName, portNumber, runId, wholeNumber } from '../../starters/arguments.js';

describe('an option that takes', () => {
  it('a number refuses everything else', () => {
    expect(wholeNumber('20')).toBe(20);
    for (const text of ['', 'abc', '-1', '1.5', '1e3', ' 1', '9999999999'])
      expect(() => wholeNumber(text)).toThrow(InvalidArgumentError);
  });

  it('a port refuses what is no port', () => {
    expect(portNumber('65535')).toBe(65_535);
    for (const text of ['0', '65536', 'http']) expect(() => portNumber(text)).toThrow(InvalidArgumentError);
  });

  it('a cluster refuses what no cluster is called', () => {
    expect(clusterName('orders-2')).toBe('orders-2');
    for (const text of ['', 'Orders', '2nd', 'a" OR WorkflowId != "', 'a b'])
      expect(() => clusterName(text)).toThrow(InvalidArgumentError);
  });

  it('a run refuses what Temporal would not understand', () => {
    const id = '01a1fd58-da5e-73c9-961e-9eb508c37e18';
    expect(runId(id)).toBe(id);
    for (const text of ['', '0000', `${id}0`, id.replaceAll('-', '')])
      expect(() => runId(text)).toThrow(InvalidArgumentError);
  });
});
