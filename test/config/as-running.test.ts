import { describe, expect, it } from 'vitest';
import { configsAsRunning, renderNodeFiles } from '../../config/render.js';
import { type NodeSecrets, Secret } from '../../config/secrets.js';
import type { ClusterSpec, RedisSettings } from '../../domain/spec.js';
import { hostOf, specOf } from '../support/spec.js';

const secrets: NodeSecrets = {
  operator: { current: new Secret('of the operator') },
  replication: { current: new Secret('of the replication') },
  app: { current: new Secret('of the application') },
  admin: { current: new Secret('of the admin') },
};

function specWith(redis: Partial<RedisSettings>): ClusterSpec {
  return specOf({ redis: { ...specOf().redis, ...redis } });
}

const request = (spec: ClusterSpec) => ({ spec, host: hostOf('h1'), port: 6379, secrets });

/** The digest of redis.conf as it lies on the host. */
function onHost(spec: ClusterSpec): string {
  return renderNodeFiles(request(spec)).find(({ role }) => role === 'config')?.sha256 ?? '';
}

const asRunning = (wanted: Partial<RedisSettings>, running: Record<string, string>) =>
  configsAsRunning(request(specWith(wanted)), running);

describe('redis.conf as a node runs', () => {
  it.each([
    {
      title: 'a setting of its own',
      before: { maxclients: 1000 },
      wanted: { maxclients: 500 },
      running: { maxclients: '1000' },
    },
    {
      title: 'another value of a directive',
      before: { extra: { hz: '10', timeout: '5' } },
      wanted: { extra: { hz: '20', timeout: '5' } },
      running: { hz: '10' },
    },
    {
      title: 'a directive that was not there before',
      before: { maxclients: 1000, extra: { timeout: '5' } },
      wanted: { maxclients: 500, extra: { hz: '20', timeout: '5' } },
      running: { maxclients: '1000', hz: '10' },
    },
    { title: 'the first directive', before: {}, wanted: { extra: { hz: '20' } }, running: { hz: '10' } },
  ])('is the one that was written before the spec was changed: $title', ({ before, wanted, running }) => {
    expect(asRunning(wanted, running)).toContain(onHost(specWith(before)));
  });

  it.each([
    {
      title: 'a directive that was taken out',
      before: { extra: { hz: '20', timeout: '5' } },
      wanted: { extra: { timeout: '6' } },
      running: { timeout: '5' },
    },
    {
      title: 'a directive that CONFIG GET shows in other words',
      before: { extra: { 'notify-keyspace-events': 'Ex' } },
      wanted: { extra: { 'notify-keyspace-events': 'KEA' } },
      running: {},
    },
  ])('is not where something else was changed, too: $title', ({ before, wanted, running }) => {
    expect(asRunning(wanted, running)).not.toContain(onHost(specWith(before)));
  });
});
