import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { labStatus } from '../../lab/lab.js';
import { type ContainerLab, containerDriver, openContainerLab } from '../support/containers.js';
import { sshInto } from '../support/ssh.js';

describe('a lab of three containers', () => {
  let lab: ContainerLab;
  beforeAll(async () => {
    lab = await openContainerLab({ hosts: 3 });
  });
  afterAll(() => lab.close());

  const states = async () => (await labStatus(lab, containerDriver)).map(({ state }) => state);

  it('boots systemd, with nothing failed, and lets its key in', async () => {
    expect(await states()).toEqual(['running', 'running', 'running']);
    for (const host of lab.hosts) {
      expect(await sshInto(host, 'systemctl is-system-running; systemctl --failed --no-legend; hostname')).toBe(
        `running\n${host.name}`,
      );
    }
  });
});
