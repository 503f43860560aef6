import type { Expectation } from './expectation.js';
import { tuningLeft } from './formation-tuning.js';
import { type AnsweringNode, selfOf } from './observation.js';
import { ownsSlots } from './ownership.js';
import { finding, isLeaving, names, type Picture } from './picture.js';
import { pinLeft } from './pinning.js';
import { fixedAtStart, sameSetting, type SettingChange, shownValue } from './settings.js';
import type { Finding } from './verdict.js';
import { isVersion } from './version.js';

/** Findings about versions, and about what the spec declares beyond a sound structure. */
export function expectationFindings(picture: Picture): Finding[] {
  const { expectation } = picture;
  if (expectation === null) return versionSkew(picture);
  const declared = picture.answering.filter((node) => node.declared);
  const staying = declared.filter((node) => !isLeaving(picture, node));
  return [
    ...versionSkew(picture),
    ...wrongShape(picture, expectation),
    ...zoneViolations(picture, expectation),
    ...zoneMajorities(picture, expectation),
    ...staying.flatMap((node) => wrongVersion(node, expectation)),
    ...staying.flatMap((node) => leftTuned(node, expectation)),
    ...staying.flatMap((node) => leftPinned(node, expectation)),
    ...staying.flatMap((node) => drifted(node, expectation)),
    ...declared.filter((node) => node.openToAnyone).map(openToAnyone),
  ];
}

/** Running settings that differ from the spec's, those apart that only a killed formation or a killed change of the shape left behind. */
export function settingDrift(
  node: Pick<AnsweringNode, 'settings'>,
  expectation: Pick<Expectation, 'settings'>,
): SettingChange[] {
  const pin = pinLeft(node, expectation.settings);
  const left = [...tuningLeft(node, expectation.settings), ...(pin === null ? [] : [pin])];
  const leftSettings = new Set(left.map(({ setting }) => setting));
  return Object.entries(expectation.settings).flatMap(([setting, wanted]) => {
    const running = node.settings[setting];
    if (running === undefined || sameSetting(running, wanted) || leftSettings.has(setting)) return [];
    return [{ setting, running, wanted }];
  });
}

function versionSkew(picture: Picture): Finding[] {
  const byVersion = new Map<string, AnsweringNode[]>();
  for (const node of picture.members) {
    const version = `${node.engine} ${node.version}`;
    byVersion.set(version, [...(byVersion.get(version) ?? []), node]);
  }
  if (byVersion.size < 2) return [];
  return [
    finding({
      code: 'VersionSkew',
      severity: 'warning',
      evidence: `Nodes run different versions: ${[...byVersion].map(([version, nodes]) => `${version} on ${names(nodes)}`).join('; ')}.`,
      next: 'Finish the upgrade; until then move no slots, and let no older node replicate a newer one.',
    }),
  ];
}

function wrongShape(picture: Picture, expectation: Expectation): Finding[] {
  const masters = picture.members.filter(ownsSlots);
  const idle = picture.members.filter(
    (node) => selfOf(node)?.masterId === null && !ownsSlots(node) && !isLeaving(picture, node),
  );
  if (masters.length === expectation.masters && idle.length === 0) return [];
  const idleWords = idle.length === 0 ? '' : `; masters without slots: ${names(idle)}`;
  return [
    finding({
      code: 'WrongShape',
      evidence: `${masters.length} masters own slots${masters.length === 0 ? '' : ` (${names(masters)})`}, the spec wants ${expectation.masters}${idleWords}.`,
      next: 'Run apply: it forms the cluster to its end, or brings it to the shape of the spec. Where a master is missing, see which.',
    }),
  ];
}

function zoneViolations(picture: Picture, expectation: Expectation): Finding[] {
  if (expectation.sharedZones) return [];
  return picture.members.flatMap((replica) => {
    const master = picture.members.find(({ id }) => id === selfOf(replica)?.masterId);
    if (master === undefined || replica.zone === null || master.zone !== replica.zone) return [];
    if (isLeaving(picture, replica) || isLeaving(picture, master)) return [];
    return finding({
      code: 'ZoneViolation',
      about: replica,
      evidence: `${replica.name} and its master ${master.name} are both in zone ${replica.zone}: the loss of that zone loses the shard.`,
      next: 'Run repair: it attaches a replica in another zone. By hand: CLUSTER REPLICATE, or a failover after which they are apart.',
    });
  });
}

/** With two zones one always holds half of the masters: only where a third one exists can it be avoided. */
function zoneMajorities(picture: Picture, expectation: Expectation): Finding[] {
  const zones = new Set(expectation.nodes.filter((node) => !isLeaving(picture, node)).map(({ zone }) => zone));
  const masters = picture.members.filter(ownsSlots);
  if (zones.size < 3 || masters.length < 3) return [];
  return [...zones].flatMap((zone) => {
    const inZone = masters.filter((master) => master.zone === zone);
    if (inZone.length * 2 < masters.length) return [];
    return finding({
      code: 'ZoneHoldsMajority',
      severity: 'warning',
      evidence: `Zone ${zone} holds ${inZone.length} of ${masters.length} masters (${names(inZone)}): when it is lost, no failover can be voted.`,
      next: 'Run repair: it lets a replica in another zone take over. By hand: CLUSTER FAILOVER on such a replica.',
    });
  });
}

function wrongVersion(node: AnsweringNode, { engine, version }: Expectation): Finding[] {
  if (node.engine === engine && isVersion(node.version, version)) return [];
  return [
    finding({
      code: 'WrongVersion',
      about: node,
      evidence: `${node.name} runs ${node.engine} ${node.version}, the spec wants ${engine} ${version}.`,
      next: 'Correct the version in the spec, or install the wanted one and restart the node.',
    }),
  ];
}

function leftTuned(node: AnsweringNode, { settings }: Expectation): Finding[] {
  const left = tuningLeft(node, settings);
  if (left.length === 0) return [];
  return [
    finding({
      code: 'FormationTuningLeft',
      about: node,
      evidence: `${node.name} still runs with ${left.map(({ setting, wanted, running }) => `${setting} ${running} (wanted ${wanted})`).join(', ')}: a formation was killed before it took this back.`,
      next: 'Run apply: it takes the settings back. A restart of the node does the same.',
    }),
  ];
}

function leftPinned(node: AnsweringNode, { settings }: Expectation): Finding[] {
  const pin = pinLeft(node, settings);
  if (pin === null) return [];
  return [
    finding({
      code: 'MovePinLeft',
      severity: 'warning',
      about: node,
      evidence: `${node.name} still runs with ${pin.setting} ${pin.running} (wanted ${pin.wanted}), and the spec lets Redis move replicas (redis.replicaMigration: free): an operation ended before it let go.`,
      next: 'Run repair or apply: both let go. A restart of the node does the same.',
    }),
  ];
}

function drifted(node: AnsweringNode, expectation: Expectation): Finding[] {
  return settingDrift(node, expectation).map(({ setting, wanted, running }) =>
    finding({
      code: 'ConfigDrift',
      severity: 'warning',
      about: node,
      evidence: `${node.name} runs with ${setting} ${shownValue(running)}, the spec wants ${shownValue(wanted)}.`,
      next: fixedAtStart(setting, node)
        ? 'Run apply, which writes the file; Redis takes this setting only when the node is started again.'
        : 'Run apply: it sets what the spec wants. Where the new value is the right one, change the spec.',
    }),
  );
}

function openToAnyone(node: AnsweringNode): Finding {
  return finding({
    code: 'DefaultUserOpen',
    about: node,
    evidence: `${node.name} answers a client that has not authenticated.`,
    next: 'Switch the default user off (ACL SETUSER default off); clients have users of their own.',
  });
}
