import { describe, expect, it } from 'vitest';
import { sudoersText } from '../../starters/sudoers.js';
import { hostOf } from '../support/spec.js';

describe('the rule for sudo', () => {
  const host = hostOf('h1');

  it('names the host helper and nothing else, for hosts that are entered by sudo', () => {
    expect(sudoersText({ hosts: [host] })).toEqual([]);
    const text = sudoersText({ hosts: [host, { ...host, ssh: { ...host.ssh, user: 'ops', privilege: 'sudo' } }] });
    expect(text.filter((line) => /^(ops|Defaults)/.test(line))).toEqual([
      'ops ALL=(root) NOPASSWD: /var/lib/redisforge/bin/redisforge-host',
      'Defaults!/var/lib/redisforge/bin/redisforge-host !requiretty',
    ]);
    expect(text.join('\n')).toContain('This equals root');
  });
});
