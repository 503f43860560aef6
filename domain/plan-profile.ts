import {
  OS_PROFILE,
  profileChanges,
  type ProfileRow,
  profileRows,
  profileToSet,
  rowText,
  TIME_SERVICES,
} from './os-profile.js';
import type { Refusal, Step } from './plan.js';
import type { ClusterSpec } from './spec.js';
import type { HostSurvey, OsSurvey } from './survey.js';
import { mebibytes } from './units.js';

/** The step that brings a host's operating system to the profile; none where it is so, or where the spec only wants to know. */
export function profileSteps(spec: ClusterSpec, { host, os }: HostSurvey): Step[] {
  if (os === undefined || spec.os.profile !== 'apply') return [];
  const changes = profileChanges(os).map(({ setting, running, fits }) => {
    const better = fits && running !== setting.wanted;
    return { key: setting.key, from: running ?? '', to: better ? (running ?? '') : setting.wanted };
  });
  if (changes.length === 0) return [];
  return [{ kind: 'applyProfile', id: `applyProfile/${host}`, host, settings: profileToSet(os), changes }];
}

/** What the host would not take, where the spec does not accept that. */
export function profileRefusals(spec: ClusterSpec, { host, os }: HostSurvey): Refusal[] {
  if (os === undefined || spec.os.profile !== 'apply' || spec.os.denied !== 'refuse') return [];
  const rows = lacking(os).filter(({ access }) => access !== 'free');
  if (rows.length === 0) return [];
  const why = os.own === 'machine' ? 'the SSH user may not write them' : `it is ${os.sharing}`;
  return [
    {
      host,
      what: `Host ${host} does not allow what the OS profile wants (${why}): ${rows.map(rowText).join(', ')}.`,
      next: 'Set them there by hand (docs/os-profile.md), or accept it in the spec: os.denied: accept.',
    },
  ];
}

/** What is worth knowing of the hosts before something is started on them; hosts that are alike are named together. */
export function profileNotes(spec: ClusterSpec, surveys: readonly HostSurvey[]): string[] {
  const hostsBySentence = new Map<string, string[]>();
  for (const { host, os } of surveys) {
    for (const sentence of os === undefined ? [] : sentences(spec, os)) {
      hostsBySentence.set(sentence, [...(hostsBySentence.get(sentence) ?? []), host]);
    }
  }
  return [...hostsBySentence].map(([sentence, hosts]) => `OS of ${hosts.join(', ')}: ${sentence}`);
}

function sentences(spec: ClusterSpec, os: OsSurvey): string[] {
  const rows = (access: ProfileRow['access']) => lacking(os).filter((row) => row.access === access);
  const texts = (some: readonly ProfileRow[]) => some.map(rowText).join(', ');
  const said: string[] = [];
  if (spec.os.profile === 'report') {
    const own = [...rows('free'), ...rows('denied')];
    if (own.length > 0) said.push(`${texts(own)}; only reported (os.profile: report).`);
  } else {
    const [foreign, denied] = [rows('foreign'), rows('denied')];
    if (foreign.length > 0) {
      said.push(`${texts(foreign)}; left alone, as it is ${os.sharing}: set it on the machine beneath.`);
    }
    if (denied.length > 0) said.push(`${texts(denied)}; left, as the SSH user may not write it: set it by hand.`);
  }
  if (os.own === 'machine' && os.swapBytes > 0) {
    said.push(`${mebibytes(os.swapBytes)} of swap, used last with vm.swappiness ${wanted('vm.swappiness')}.`);
  }
  if (os.timeService === null) said.push(`no time service runs (${TIME_SERVICES}).`);
  return said;
}

function lacking(os: OsSurvey): ProfileRow[] {
  return profileRows(os).filter((row) => !row.fits);
}

function wanted(key: string): string {
  return OS_PROFILE.find((setting) => setting.key === key)?.wanted ?? '';
}
