import { randomUUID } from 'node:crypto';
import { chmod, copyFile } from 'node:fs/promises';
import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, inject, it } from 'vitest';
import { type CliResult, openStage, type Stage } from '../support/e2e.js';
import { startTestTemporal } from '../support/temporal.js';

const temporalAddress = inject('temporalAddress');

describe('what cannot work is refused with what happened, what was left and what to do', () => {
  let stage: Stage;
  beforeAll(async () => {
    stage = await openStage({ temporalAddress, name: `bad-${process.pid}` });
    await stage.startWorker();
  });
  afterAll(() => stage.close());
  afterEach(async () => {
    for (const host of stage.lab.hosts) await stage.lab.driver.start(host);
  });

  const hostIndex = (name: string) => stage.spec.hosts.findIndex((host) => host.name === name);
  const applying = (file: string) => stage.run('apply', '-f', file, '--yes');

  async function expectUntouched(): Promise<void> {
    expect(await stage.journal()).toEqual([]);
    const { status } = await stage.status();
    expect(status.nodes.every(({ answered }) => !answered)).toBe(true);
  }

  function expectSaid({ exitCode, stderr }: CliResult, code: number, ...texts: (string | RegExp)[]): void {
    expect(exitCode, stderr).toBe(code);
    for (const text of texts) expect(stderr).toMatch(text);
    expect(stderr).toContain('next: ');
  }

  it('a host that is down', async () => {
    const host = stage.lab.hosts[2];
    if (host === undefined) throw new Error('no third host');
    await stage.lab.driver.kill(host);
    expectSaid(await applying(stage.specFile), 4, /h3/, host.address);
    await expectUntouched();
  });

  it('a key that the hosts do not accept', async () => {
    const stranger = join(stage.lab.dir, 'stranger');
    await copyFile(join(stage.lab.hosts[0]?.home ?? '', 'host_key'), stranger).catch(async () => {
      const { execFileSync } = await import('node:child_process');
      execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', stranger]);
    });
    await chmod(stranger, 0o600);
    const file = await stage.variant((document) => document.setIn(['ssh', 'identityFile'], stranger));
    expectSaid(await applying(file), 4, stranger);
    await expectUntouched();
  });

  it('a host whose key has changed', async () => {
    const other = stage.spec.hosts[1]?.ssh.hostKeys;
    if (other?.kind !== 'pinned') throw new Error('the lab pins host keys');
    const file = await stage.variant((document) =>
      document.setIn(['hosts', hostIndex('h1'), 'ssh', 'hostKeys'], other.keys),
    );
    expectSaid(await applying(file), 4, /h1/, /SHA256:/);
    await expectUntouched();
  });

  it("a port that another program has, with the program's name", async () => {
    const host = stage.spec.hosts[3];
    if (host === undefined) throw new Error('no fourth host');
    const squatter = await squat(host.address, host.nodes[0]?.port ?? 0);
    try {
      expectSaid(await applying(stage.specFile), 3, /h4/, /6379/, new RegExp(`pid ${process.pid}`));
      await expectUntouched();
    } finally {
      await squatter.leave();
    }
  });

  it('a spec that is wrong in several ways, all at once', async () => {
    const file = await stage.variant((document) => {
      document.setIn(['shape', 'masters'], 2);
      document.setIn(['redis', 'maxmemry'], '1gb');
    });
    expectSaid(await applying(file), 2, /shape\.masters/, /maxmemry/, /maxmemory/);
    await expectUntouched();
  });

  it('a secret that this machine does not have', async () => {
    const file = await stage.variant((document) => document.setIn(['secrets', 'operator'], 'file:/nowhere/operator'));
    expectSaid(await applying(file), 4, '/nowhere/operator');
    await expectUntouched();
  });

  it('Temporal that is not reachable', async () => {
    const laptop = stage.elsewhere({ TEMPORAL_ADDRESS: '127.0.0.1:1' });
    expectSaid(
      await laptop.run('apply', '-f', stage.specFile, '--yes'),
      4,
      /TemporalUnreachable/,
      /127\.0\.0\.1:1/,
      /redisforge dev/,
    );
    await expectUntouched();
  });

  it('a namespace that Temporal does not have: for the CLI and for a worker, which ends', async () => {
    const laptop = stage.elsewhere({ TEMPORAL_NAMESPACE: 'nowhere' });
    for (const argv of [['apply', '-f', stage.specFile, '--yes'], ['ops', 'list'], ['worker']]) {
      expectSaid(await laptop.run(...argv), 4, /TemporalUnreachable/, /nowhere is not found/);
    }
    await expectUntouched();
  });

  it('no worker', async () => {
    const lonely = await startTestTemporal();
    try {
      const laptop = stage.elsewhere({ TEMPORAL_ADDRESS: lonely.address });
      expectSaid(await laptop.run('apply', '-f', stage.specFile, '--yes'), 4, /NoWorker/, /redisforge worker/);
      await expectUntouched();
    } finally {
      await lonely.stop();
    }
  });

  it('Redis that will not start, with the end of its log; the other hosts come to their end, and a mended spec goes on from there', async () => {
    const file = await stage.variant((document) => document.setIn(['redis', 'extra'], { 'no-such-directive': 'yes' }));
    const failed = await applying(file);
    expectSaid(failed, 1, /NodeWontStart/, /no-such-directive/);
    const mended = await stage.apply();
    expect(mended.exitCode, mended.stderr).toBe(0);
    expect(mended.report.verdictAfter?.healthy).toBe(true);
  });

  it('the spec of another cluster on the same hosts', async () => {
    const file = await stage.variant((document) => {
      document.set('name', 'intruder');
      document.set('uid', randomUUID());
    });
    const before = await stage.journal();
    expectSaid(await applying(file), 3, new RegExp(`belongs to cluster ${stage.spec.name} `));
    expectSaid(
      await stage.run('destroy', '-f', file, '--yes', '--confirm', 'intruder'),
      3,
      new RegExp(`belongs to cluster ${stage.spec.name} `),
    );
    expect(await stage.journal()).toEqual(before);
    expect((await stage.status()).status.healthy).toBe(true);
  });

  it('a secret that the running nodes do not accept', async () => {
    const file = await stage.variantWithSecret('operator', 'u3Kx9-another-secret-altogether');
    expectSaid(await applying(file), 4, /h1:6379/, /operator/);
    const status = await stage.run('status', '-f', file, '--json');
    // Nobody can be asked from here: that says nothing about the cluster.
    expect(status.exitCode).toBe(4);
    expect(status.stdout).toContain('WrongSecret');
    expect((await stage.status()).status.healthy).toBe(true);
  });
});

/** A program on a node's port that takes connections and never says a word. */
async function squat(host: string, port: number): Promise<{ leave(): Promise<void> }> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => sockets.add(socket));
  server.listen(port, host);
  await once(server, 'listening');
  return {
    async leave() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}
