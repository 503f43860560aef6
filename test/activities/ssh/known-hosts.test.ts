import { createHmac } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { knownKeys } from '../../../activities/ssh/known-hosts.js';

const trusted = (text: string, host: string, port = 22) => knownKeys({ text, host, port }).trusted;

function hashed(name: string): string {
  const salt = Buffer.from('twenty bytes of salt');
  return `|1|${salt.toString('base64')}|${createHmac('sha1', salt).update(name).digest('base64')}`;
}

describe('knownKeys', () => {
  it('finds a name in a list, whatever its case', () => {
    expect(trusted('db1,db2.example.org ssh-ed25519 AAAA comment here\n', 'DB2.example.org')).toEqual([
      'ssh-ed25519 AAAA',
    ]);
    expect(trusted('db1 ssh-ed25519 AAAA\n', 'db10')).toEqual([]);
  });

  it('takes a port other than 22 as part of the name', () => {
    const text = '[db1]:2222 ssh-ed25519 AAAA\ndb1 ssh-ed25519 BBBB\n';
    expect(trusted(text, 'db1', 2222)).toEqual(['ssh-ed25519 AAAA']);
    expect(trusted(text, 'db1')).toEqual(['ssh-ed25519 BBBB']);
  });

  it('finds hashed names, with and without a port', () => {
    expect(trusted(`${hashed('db1')} ssh-ed25519 AAAA\n`, 'db1')).toEqual(['ssh-ed25519 AAAA']);
    expect(trusted(`${hashed('[db1]:2222')} ssh-rsa BBBB\n`, 'db1', 2222)).toEqual(['ssh-rsa BBBB']);
    expect(trusted(`${hashed('db1')} ssh-ed25519 AAAA\n`, 'db2')).toEqual([]);
  });

  it('follows patterns, and exceptions from them', () => {
    const text = '*.example.org,!old.example.org ssh-ed25519 AAAA\n10.0.0.? ssh-ed25519 BBBB\n';
    expect(trusted(text, 'new.example.org')).toEqual(['ssh-ed25519 AAAA']);
    expect(trusted(text, 'old.example.org')).toEqual([]);
    expect(trusted(text, '10.0.0.7')).toEqual(['ssh-ed25519 BBBB']);
    expect(trusted(text, '10a0a0a7')).toEqual([]);
  });

  it('keeps revoked keys apart, and passes over certificate authorities, comments and broken lines', () => {
    const text =
      '# a comment\n@revoked db1 ssh-ed25519 AAAA\n@cert-authority db1 ssh-ed25519 BBBB\ndb1\n\ndb1 ssh-rsa CCCC\r\n';
    expect(knownKeys({ text, host: 'db1', port: 22 })).toEqual({
      trusted: ['ssh-rsa CCCC'],
      revoked: ['ssh-ed25519 AAAA'],
    });
  });
});
