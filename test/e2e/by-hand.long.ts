import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import type { NodeStatus } from '../../domain/verdict.js';
import { HOST_MARKER } from '../../lab/host-processes.js';
import { freePort } from '../support/ports.js';
import { openReshapeStage, type ReshapeStage } from '../support/reshape-stage.js';
import { until } from '../support/until.js';

const MEMBER = '10.0.1.11:6379';

/** The blocks of shell that a page has under "By hand", in their order. */
async function blocksOf(page: string): Promise<string[]> {
  const text = await readFile(fileURLToPath(new URL(`../../docs/${page}.md`, import.meta.url)), 'utf8');
  const byHand = text.slice(text.indexOf('## By hand'));
  return [...byHand.matchAll(/^```sh\n(.*?)^```$/gms)].map(([, block = '']) => block);
}

describe('what the pages of the verbs say to do by hand', { timeout: 600_000 }, () => {
  let stage: ReshapeStage;
  let env: NodeJS.ProcessEnv;

  beforeAll(async () => {
    const name = `by-hand-${process.pid}`;
    stage = await openReshapeStage({ temporalAddress: inject('temporalAddress'), name });
    const worker = await stage.startWorker();
    const { exitCode, stderr } = await stage.operate(['apply']);
    expect(exitCode, stderr).toBe(0);
    await stage.fill(5000);
    worker.kill('SIGKILL');
    env = { ...process.env, REDISCLI_AUTH: await stage.secret('admin') };
  }, 300_000);
  afterAll(() => stage?.close());

  /** Runs blocks with these variables; the pages' member is one of ours, and so is the port. */
  async function bash(block: string, variables: Readonly<Record<string, string>> = {}): Promise<string> {
    const [first] = stage.spec.hosts;
    const member = `${first?.address}:${first?.nodes[0]?.port}`;
    const port = `${first?.nodes[0]?.port}`;
    const lines = Object.entries(variables).map(([name, value]) => `${name}='${value}'`);
    const script = [...lines, block.replaceAll(MEMBER, member).replaceAll('6379', port)].join('\n');
    return new Promise((done, fail) => {
      execFile('bash', ['-euc', script], { env, timeout: 120_000 }, (error, stdout, stderr) => {
        if (error === null) done(stdout);
        else fail(new Error(`${script}\n${stdout}\n${stderr}`));
      });
    });
  }
  const masters = async () => (await stage.nodes()).filter(({ role }) => role === 'master');
  const address = ({ address: at }: NodeStatus) => at;
  const well = () => until('all is well', async () => (await stage.problems()).length === 0, 60_000);
  const count = ({ slots }: NodeStatus) => slots.reduce((sum, [from, to]) => sum + to - from + 1, 0);

  async function ends() {
    const [source, target] = await masters();
    if (source === undefined || target === undefined) throw new Error('there are no two masters');
    const variables = { source: address(source), target: address(target) };
    const cli = (end: string, words: string) =>
      bash(`redis-cli -h ${end} -p 6379 --user admin --no-auth-warning ${words}`);
    return { source, target, variables, cli };
  }

  it('repair: a slot that nothing has gone of is closed', async () => {
    const [look = '', close = ''] = await blocksOf('repair');
    const { source, target, variables, cli } = await ends();
    await cli(address(target), `cluster setslot 100 importing ${source.id}`);
    await cli(address(source), `cluster setslot 100 migrating ${target.id}`);
    expect(await bash(look, variables)).toContain(`[100-<-${source.id}]`);
    await bash(close, { ...variables, slot: '100' });
    await well();
  });

  it('repair: a slot that is half way is moved to its end', async () => {
    const [, , finish = ''] = await blocksOf('repair');
    const { source, target, variables, cli } = await ends();
    const slot = `${source.slots[0]?.[0]}`;
    await cli(address(target), `cluster setslot ${slot} importing ${source.id}`);
    await cli(address(source), `cluster setslot ${slot} migrating ${target.id}`);
    await bash(finish, { ...variables, slot });
    await well();
    expect((await masters()).find(({ id }) => id === target.id)?.slots.flat()).toContain(Number(slot));
  });

  it('reshard and rebalance: numbers of slots go by redis-cli', async () => {
    const { source, target } = await ends();
    const [reshard = ''] = await blocksOf('reshard');
    await bash(reshard, { from: source.id ?? '', to: target.id ?? '' });
    await well();
    const [rebalance = ''] = await blocksOf('rebalance');
    const [even = '', weighted = ''] = rebalance.trim().split('\n');
    await bash(even);
    await well();
    const shares = (await masters()).map(count);
    expect(Math.max(...shares) - Math.min(...shares)).toBeLessThan(200);
    await bash(weighted, { id: target.id ?? '' });
    await well();
    expect((await masters()).find(({ id }) => id === target.id)).toSatisfy((node: NodeStatus) => count(node) > 8000);
  });

  it('scale: a node beside another one comes, takes its share, and goes', async () => {
    const [start = '', join = '', leave = ''] = await blocksOf('scale');
    const host = stage.lab.hosts[0];
    const own = stage.spec.hosts[0];
    if (host === undefined || own === undefined) throw new Error('no host');
    const from = `${own.nodes[0]?.port}`;
    const fresh = `${await freePort(own.address)}`;
    const variables = {
      ...{ root: own.root, address: own.address, member: `${own.address}:${from}` },
      helper: `env ${HOST_MARKER}=${host.home} ${own.root}/bin/redisforge-host`,
      ...{ from, new: fresh },
    };
    await bash(start.replace(/^from=.*\n/m, ''), variables);
    const [, meet = '', take = ''] = join.trim().split('\n');
    const settled = () => bash('until redis-cli --user admin --cluster check $member; do sleep 1; done', variables);
    await bash(meet, variables);
    await settled();
    await bash(take, variables);
    await settled();
    expect(await bash('redis-cli --user admin --cluster check $member', variables)).toContain(`:${fresh} (`);
    const [id = '', drain = '', forget = '', ...ends] = leave.trim().split('\n');
    await bash(`${id}\n${drain}`, variables);
    await settled();
    await bash(`${id}\n${forget}\n${ends.join('\n')}`, variables);
    await well();
  });

  it('replace: the dead is forgotten, and another node follows in its place', async () => {
    const [call = ''] = await blocksOf('replace');
    const [start = ''] = await blocksOf('scale');
    const nodes = await stage.nodes();
    const lost = nodes.find(({ role, host: name }) => role === 'replica' && name !== stage.spec.hosts[0]?.name);
    const dead = stage.lab.hosts.find(({ name }) => name === lost?.host);
    const master = nodes.find(({ id }) => id === lost?.masterId);
    const other = stage.spec.hosts.find(({ name }) => ![lost?.host, master?.host].includes(name));
    const home = stage.lab.hosts.find(({ name }) => name === other?.name)?.home;
    if (lost === undefined || dead === undefined || master === undefined || other === undefined)
      throw new Error('gone');
    await stage.lab.driver.kill(dead);
    const from = `${other.nodes[0]?.port}`;
    const variables = {
      ...{ root: other.root, address: other.address, member: `${master.address}:${master.port}` },
      helper: `env ${HOST_MARKER}=${home} ${other.root}/bin/redisforge-host`,
      ...{ from, new: `${await freePort(other.address)}`, dead: lost.id ?? '', master: master.id ?? '' },
    };
    await bash(start.replace(/^from=.*\n/m, ''), variables);
    const [forget = '', ...attach] = call.trim().split('\n');
    // It reaches all nodes that answer, and says of the dead one that it does not.
    await bash(`${forget} || true`, variables);
    await bash(attach.join('\n'), variables);
    await until(
      'its master sees it as a replica',
      async () => {
        const view = await bash('redis-cli -h ${member%:*} -p 6379 --user admin cluster nodes', variables);
        expect(view).not.toContain(lost.id);
        return new RegExp(`:${variables.new}@\\d+ slave ${master.id}`).test(view);
      },
      20_000,
    );
  });
});
