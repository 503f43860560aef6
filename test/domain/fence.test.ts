import { describe, expect, it } from 'vitest';
import { fenceMarkOf, fenceUserName, fenceUsersOf, fenceUsersUpTo, standingOf } from '../../domain/fence.js';

const mark = { generation: 7, step: '0a1b2c3d', attempt: 2 };
const name = (change: Partial<typeof mark> = {}) => fenceUserName({ ...mark, ...change });

describe('the name of a fence user', () => {
  it('says generation, step and attempt, and is read back', () => {
    expect(name()).toBe('redisforge-fence-7-0a1b2c3d-2');
    expect(fenceMarkOf(name())).toEqual(mark);
  });

  it.each([
    'default',
    'redisforge-operator',
    'redisforge-fence-',
    'redisforge-fence-7-xyz-2',
    `${name()} `,
    `x${name()}`,
  ])('is not what %j is', (user) => {
    expect(fenceMarkOf(user)).toBeNull();
  });

  it('tells them from all other users', () => {
    expect(fenceUsersOf(['default', name(), 'app'])).toEqual([name()]);
  });
});

describe('an attempt among the users of a node', () => {
  it('supersedes all steps of lower generations, and lower attempts of its own step', () => {
    const older = [
      name({ generation: 6, attempt: 9 }),
      name({ generation: 1, step: 'ffffffff' }),
      name({ attempt: 1 }),
    ];
    expect(standingOf(mark, ['default', ...older, 'app', name()])).toEqual({ older, newer: [] });
  });

  it('is superseded by any step of a higher generation, and by higher attempts of its own step', () => {
    const newer = [
      name({ generation: 8, attempt: 1 }),
      name({ generation: 10, step: 'ffffffff' }),
      name({ attempt: 11 }),
    ];
    expect(standingOf(mark, [name(), ...newer])).toEqual({ older: [], newer });
  });

  it('goes on beside other steps of its generation', () => {
    expect(standingOf(mark, [name({ step: 'ffffffff', attempt: 1 }), name({ step: 'ffffffff', attempt: 5 })])).toEqual({
      older: [],
      newer: [],
    });
  });
});

describe('what is over with a generation', () => {
  it('is all that it and those before it have left', () => {
    const over = [name(), name({ generation: 3, step: 'ffffffff' })];
    expect(fenceUsersUpTo(7, [...over, name({ generation: 8 }), 'admin'])).toEqual(over);
  });
});
