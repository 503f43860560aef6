import { portOf, specForHost } from '../domain/nodes.js';
import type { Step } from '../domain/plan.js';
import type { Operation } from './operation.js';

export type SettingsStep = Extract<Step, { kind: 'changeSettings' }>;

/**
 * Changes one running node: first what Redis takes while it runs, then the files for its next start. In this order a value that Redis refuses never comes
 * into a file that the node could not start with, and a file that is as wanted says that all before it was done. Each call counts its own attempts, so each
 * has a step of its own in its token.
 */
export async function changeSettings(operation: Operation, step: SettingsStep): Promise<void> {
  const { host, node, settings } = step;
  const spec = specForHost(operation.input.spec, host);
  const { change, settle } = operation.activities;
  const target = { spec, host, port: portOf(node) };
  const roles = step.files.map(({ role }) => role);
  await operation.step(step, async (address) => {
    const effects: string[] = [];
    if (settings.length > 0) {
      const set = await settle.setSettings.executeWithOptions({ summary: `settings of ${node}` }, [
        { ...target, settings, token: { ...address, step: `${step.id}/settings`, attempt: 0 } },
      ]);
      effects.push(...set.effects);
    }
    if (roles.includes('acl')) {
      const set = await change.setUsers.executeWithOptions({ summary: `users of ${node}` }, [
        { ...target, token: { ...address, step: `${step.id}/users`, attempt: 0 } },
      ]);
      effects.push(...set.effects);
    }
    if (roles.length > 0) {
      const token = { ...address, attempt: 0 };
      const placed = await change.placeNode.executeWithOptions({ summary: `files of ${node}` }, [
        { ...target, roles, token },
      ]);
      effects.push(...placed.effects, ...step.atNextStart.map((what) => `${node}: only a restart takes ${what}`));
    }
    return { effects };
  });
}
