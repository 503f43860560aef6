import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createHostActivities, type HostActivities } from '../../../activities/hosts/activities.js';
import { hostHelper } from '../../../activities/hosts/helper.js';
import { createSshPool, type SshPool } from '../../../activities/ssh/pool.js';
import { OS_PROFILE, profileChanges, profileRows } from '../../../domain/os-profile.js';
import type { ClusterSpec } from '../../../domain/spec.js';
import { startLab, type TestLab } from '../../support/lab.js';
import { machineSettings } from '../../support/machine-settings.js';
import { leaseOf, randomSecrets, specOfLab } from './lab-hosts.js';

const WHOLE = Object.fromEntries(OS_PROFILE.map(({ key, wanted }) => [key, wanted]));

describe('the OS profile of a lab host, which shares this machine', () => {
  let lab: TestLab;
  let ssh: SshPool;
  let spec: ClusterSpec;
  let activities: HostActivities;
  let before: Record<string, string>;

  beforeAll(async () => {
    before = await machineSettings();
    ssh = createSshPool();
    activities = createHostActivities({ ssh, secrets: randomSecrets(), helper: hostHelper() });
    lab = await startLab({ hosts: 1 });
    spec = await specOfLab(lab, { os: { profile: 'apply', denied: 'accept' } });
    await activities.takeLease({ spec, host: 'h1', lease: leaseOf() });
  });
  afterAll(async () => {
    await ssh.close();
    await lab.down();
  });

  const step = () => ({ host: 'h1', settings: WHOLE, token: { generation: 1, step: 'applyProfile/h1', attempt: 1 } });

  it('is read in the survey, and none of it is its own', async () => {
    const { os } = await activities.surveyHost({ spec, host: 'h1' });
    if (os === undefined) throw new Error('the survey does not say it');
    expect(os).toMatchObject({ own: 'nothing', sharing: 'a lab host, one of several on one machine' });
    expect(profileRows(os).length).toBeGreaterThanOrEqual(OS_PROFILE.length - 2);
    expect(profileChanges(os)).toEqual([]);
    const off = { ...spec, os: { ...spec.os, profile: 'off' } } as const;
    expect((await activities.surveyHost({ spec: off, host: 'h1' })).os).toBe(undefined);
  });

  it('is refused by the helper setting by setting, even where somebody asks for it', async () => {
    expect(await activities.applyProfile({ spec, ...step() })).toEqual({ effects: [] });
    const strict = { ...spec, os: { profile: 'apply', denied: 'refuse' } } as const;
    await expect(activities.applyProfile({ spec: strict, ...step() })).rejects.toMatchObject({
      type: 'Refused',
      text: { what: expect.stringContaining('vm.swappiness (not its own: a lab host') as string },
    });
    expect(await machineSettings()).toEqual(before);
  });
});
