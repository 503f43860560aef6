import { describe, expect, it } from 'vitest';
import { failureOf } from '../../../activities/hosts/refusals.js';

describe('a command of the helper that failed', () => {
  const ended = (stderr: string) =>
    failureOf({ host: 'h1', purpose: 'start of h1:6379', result: { exitCode: 1, stdout: '', stderr } });

  it('without a word is tried again: its host goes down', () => {
    expect(ended('')).toMatchObject({ type: 'HostUnreachable' });
    expect(ended('').message).toContain('start of h1:6379 on h1 ended without a word (exit code 1)');
  });

  it('with a word is final', () => {
    expect(ended('mv: cannot move\n')).toMatchObject({ type: 'CommandFailed' });
    expect(ended('mv: cannot move\n').message).toContain('mv: cannot move');
  });
});
