import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { type Ledger, ledgerProblems, ledgerWords } from '../support/ledger.js';
import { cliOf } from '../support/proof.js';
import { openReshapeStage, type ReshapeStage } from '../support/reshape-stage.js';
import { changesNothing } from '../support/reshaped.js';
import { until } from '../support/until.js';
import { requireEngine } from '../../lab/engines.js';
import { expectNoProblems } from '../support/no-problems.js';

/** What redis-cli says when it begins with a slot; its plan, which it prints first, names masters by ID. */
const MOVING = /Moving slot \d+ from \S+:\d+ to /;

describe.each(['redis-7.0', 'redis-8.6', 'valkey-9.1'] as const)(
  'a reshard by redis-cli that was killed in its middle, on %s',
  { timeout: 300_000 },
  (engine) => {
    let stage: ReshapeStage;
    let ledger: Ledger | undefined;

    beforeAll(async () => {
      const name = `repair-${engine.replace('.', '-')}-${process.pid}`;
      stage = await openReshapeStage({ temporalAddress: inject('temporalAddress'), name, engine });
      await stage.startWorker();
      const { exitCode, stderr } = await stage.operate(['apply']);
      expect(exitCode, stderr).toBe(0);
      await stage.fill(5000);
    }, 300_000);
    afterAll(async () => {
      await ledger?.close();
      await stage?.close();
    });

    const open = async () => (await stage.problems({ search: 'one node' })).filter((line) => /is open/.test(line));

    it('is found, and healed by repair, with no acknowledged write lost', async () => {
      ledger = await stage.ledger();
      await until('the ledger writes', async () => ((await ledger?.counts())?.acknowledged ?? 0) > 2000, 30_000);
      await killedReshard();
      const check = await stage.run('check', '-f', stage.specFile);
      expect(check.exitCode).toBe(1);
      expect(check.stdout).toContain('OpenSlot');
      const { exitCode, report, stderr } = await stage.operate(['repair']);
      expect(exitCode, stderr).toBe(0);
      expect(report).toMatchObject({ outcome: 'done', changed: true, verdictAfter: { healthy: true } });
      expect(report?.steps.map(({ id }) => id.split('/')[0])).toContain('repairSlots');
      const verdict = await ledger.verify();
      console.log(`${engine}: ${ledgerWords(verdict)}`);
      expectNoProblems(ledgerProblems(verdict));
      expectNoProblems(await stage.problems());
      await ledger.clear();
      await ledger.close();
      await changesNothing(stage, ['repair'], stage.specFile);
      await changesNothing(stage, ['apply'], stage.specFile);
    });

    /** Begun again until it leaves a slot open. */
    async function killedReshard(): Promise<void> {
      const [from, to] = (await stage.nodes()).filter(({ role }) => role === 'master');
      const words = ['--cluster-from', from?.id ?? '', '--cluster-to', to?.id ?? '', '--cluster-slots', '2000'];
      const argv = [
        '--user',
        'admin',
        '--cluster',
        'reshard',
        `${from?.address}:${from?.port}`,
        ...words,
        '--cluster-yes',
      ];
      const env = { ...process.env, REDISCLI_AUTH: await stage.secret('admin') };
      await until(
        'redis-cli died with a slot open',
        async () => {
          const cli = spawn(cliOf(await requireEngine(engine)), argv, { env, stdio: ['ignore', 'pipe', 'ignore'] });
          const ended = once(cli, 'exit');
          const slot = 1 + Math.floor(Math.random() * 20);
          let said = '';
          cli.stdout.on('data', (chunk: Buffer) => {
            said += chunk.toString();
            if (said.split(MOVING).length > slot) cli.kill('SIGKILL');
          });
          await ended;
          return (await open()).length > 0;
        },
        120_000,
      );
    }
  },
);
