import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import type { LabFaults, LabHost } from '../../lab/driver.js';
import { containerName } from '../../lab/container-host.js';
import { type CliResult, openStage, type Stage } from '../support/e2e.js';
import { until } from '../support/until.js';

const temporalAddress = inject('temporalAddress');
const MEGABYTE = 1024 * 1024;
const REFUSED = 3;

let stage: Stage;
let faults: LabFaults;

beforeAll(async () => {
  stage = await openStage({ temporalAddress, name: `bad-host-${process.pid}`, driver: 'container', hosts: 3 });
  if (stage.lab.driver.faults === null) throw new Error('container hosts can be broken');
  faults = stage.lab.driver.faults;
  await stage.startWorker();
});
afterAll(() => stage.close());

function host(name: string): LabHost {
  const found = stage.lab.hosts.find((one) => one.name === name);
  if (found === undefined) throw new Error(`the lab has no host ${name}`);
  return found;
}

async function on(name: string, script: string): Promise<string> {
  const { stdout } = await promisify(execFile)('docker', ['exec', containerName(host(name)), 'sh', '-c', script]);
  return stdout.trim();
}

function expectSaid({ exitCode, stderr }: CliResult, code: number, ...texts: RegExp[]): void {
  expect(exitCode, stderr).toBe(code);
  for (const text of texts) expect(stderr).toMatch(text);
  expect(stderr).toContain('next: ');
}

/** What is wrong with one host, and what is said of it; a bare host stays bare. */
interface Trouble {
  readonly title: string;
  readonly make: () => Promise<unknown>;
  readonly mend: () => Promise<unknown>;
  readonly says: readonly RegExp[];
}

const ROOT = '/var/lib/redisforge';
const CLOCK = `printf '%s\\n' '#!/bin/sh' 'case $* in *+%s*) exec /bin/date -d +1hour "$@" ;; esac; exec /bin/date "$@"' >/usr/local/bin/date; chmod 755 /usr/local/bin/date`;

const TROUBLES: readonly Trouble[] = [
  {
    title: 'a disk that is nearly full',
    make: () => faults.fillDisk({ host: host('h2'), leaveBytes: 10 * MEGABYTE }),
    mend: () => faults.freeDisk(host('h2')),
    says: [/Host h2 has \d+ MiB of free disk; 1 new node\(s\) need/, /next: Free some/],
  },
  {
    title: 'a root folder on a file system that is read-only',
    make: () => on('h2', `mount -o remount,ro ${ROOT}`),
    mend: () => on('h2', `mount -o remount,rw ${ROOT}`),
    says: [/Host h2 cannot take the root folder: \/var\/lib\/redisforge is on a read-only file system/],
  },
  {
    title: 'a clock that is off',
    make: () => on('h3', CLOCK),
    mend: () => on('h3', 'rm /usr/local/bin/date'),
    says: [/Host h3 has a clock that is at least 3\d\d\d\.\d s ahead of this machine's/, /next: Set the clocks by NTP/],
  },
  {
    title: 'a port that another program has',
    make: async () => {
      await on('h1', "systemd-run --quiet --unit=squatter redis-server --port 6379 --protected-mode no --save ''");
      await until('it listens', async () => (await on('h1', `awk '$4 == "0A"' /proc/net/tcp`)).includes(':18EB '));
    },
    mend: () => on('h1', 'systemctl stop squatter'),
    says: [/The ports of h1:6379 are taken: redis-server \(pid \d+\) on port 6379/, /next: End that program/],
  },
  {
    title: 'a tool that the helper needs and that is not there',
    make: () => on('h2', 'mv /usr/bin/base64 /usr/bin/base64.away'),
    mend: () => on('h2', 'mv /usr/bin/base64.away /usr/bin/base64'),
    says: [/Host h2 lacks base64, which the host helper needs/, /next: Install them/],
  },
  {
    title: 'an engine that is not there',
    make: () => on('h3', 'mv /usr/bin/redis-server /usr/bin/redis-server.away'),
    mend: () => on('h3', 'mv /usr/bin/redis-server.away /usr/bin/redis-server'),
    says: [/Host h3 has no program \/usr\/bin\/redis-server that says its version/, /next: Install redis/],
  },
];

describe('a bare host with trouble is refused before anything is changed', () => {
  it.each(TROUBLES)('$title', async ({ make, mend, says }) => {
    await make();
    try {
      expectSaid(await stage.run('apply', '-f', stage.specFile, '--yes'), REFUSED, ...says);
      expect(await stage.journal()).toEqual([]);
    } finally {
      await mend();
    }
  });

  it('too little memory, with what fits', async () => {
    const file = await stage.variant((document) => document.setIn(['redis', 'maxmemory'], '4096gb'));
    expectSaid(
      await stage.run('apply', '-f', file, '--yes'),
      REFUSED,
      /Host h1 has \d+ MiB of memory/,
      /Set redis\.maxmemory to/,
    );
  });

  it('several troubles on several hosts are said at once', async () => {
    const some = TROUBLES.filter(({ title }) => /clock|read-only/.test(title));
    for (const { make } of some) await make();
    try {
      expectSaid(await stage.run('apply', '-f', stage.specFile, '--yes'), REFUSED, ...some.flatMap(({ says }) => says));
    } finally {
      for (const { mend } of some) await mend();
    }
  });
});

describe('a host that is in trouble in the middle', () => {
  it('rebooted while its node is started: the operation goes on when it is back, and completes', async () => {
    const child = stage.begin('apply', '-f', stage.specFile, '--yes', '--json', '--reason', 'a reboot in the middle');
    let said = '';
    child.stderr?.setEncoding('utf8').on('data', (text: string) => (said += text));
    const ended = once(child, 'close');
    await until('the files of h1 are written', async () => (await stage.journal()).some(placedOnFirst), 60_000);
    await stage.lab.driver.kill(host('h1'));
    await stage.lab.driver.start(host('h1'));
    await ended;
    expect(child.exitCode, said).toBe(0);
    const { status } = await stage.status();
    expect(status).toMatchObject({
      healthy: true,
      nodes: [{ answered: true }, { answered: true }, { answered: true }],
    });
  });

  it('without a byte of disk left: the old file stays whole, it is said, and with room the same command ends well', async () => {
    const config = `${ROOT}/nodes/6379/redis.conf`;
    const before = await on('h2', `sha256sum ${config}`);
    const file = await stage.variant((document) => document.setIn(['redis', 'maxclients'], 1500));
    await faults.fillDisk({ host: host('h2'), leaveBytes: 0 });
    try {
      expectSaid(
        await stage.run('apply', '-f', file, '--yes'),
        1,
        /Host h2 has no disk space left/,
        /whole and as it was/,
      );
      expect(await on('h2', `sha256sum ${config}`)).toBe(before);
    } finally {
      await faults.freeDisk(host('h2'));
    }
    const mended = await stage.run('apply', '-f', file, '--yes');
    expect(mended.exitCode, mended.stderr).toBe(0);
    expect(await on('h2', `sha256sum ${config}`)).not.toBe(before);
  });

  it('whose file system became read-only: said as such, nothing is damaged', async () => {
    const file = await stage.variant((document) => document.setIn(['redis', 'maxclients'], 1600));
    // The node goes on writing where it has opened its files; everything new finds the root read-only.
    await on('h2', `mount --bind ${ROOT} ${ROOT} && mount -o remount,bind,ro ${ROOT}`);
    try {
      const said = await stage.run('apply', '-f', file, '--yes');
      expectSaid(said, REFUSED, /Host h2 cannot take the root folder: .* is on a read-only file system/);
    } finally {
      await on('h2', `umount ${ROOT}`);
    }
  });

  it('wanted by a second cluster: it belongs to the first', async () => {
    const file = await stage.variant((document) => {
      document.set('name', 'intruder');
      document.set('uid', randomUUID());
    });
    expectSaid(
      await stage.run('apply', '-f', file, '--yes'),
      REFUSED,
      new RegExp(`belongs to cluster ${stage.spec.name} `),
    );
  });
});

function placedOnFirst({ host: name, effect, detail }: { host: string; effect: string; detail: string }): boolean {
  return name === 'h1' && effect === 'file.created' && detail.endsWith('redis.conf');
}
