import { loadSpec } from '../../config/load.js';
import { ForgeError } from '../../domain/errors.js';
import { stayingNodes } from '../../domain/nodes.js';
import type { ClusterSpec, Duty } from '../../domain/spec.js';
import { userName } from '../../domain/users.js';
import { EXIT, type ExitCode } from '../exit.js';
import { action, type Verb } from '../io.js';
import { connectSnippets } from '../render/connect.js';

interface ConnectOptions {
  readonly file: string;
  readonly as?: string;
  readonly json?: true;
}

/** The replication user cannot do anything for a person. */
const DUTIES: readonly Duty[] = ['app', 'admin', 'operator'];

export const connectVerb: Verb = (program, io) => {
  program
    .command('connect')
    .description('print how clients connect; the secret is named, never shown')
    .requiredOption('-f, --file <spec>', 'the spec of the cluster')
    .option('--as <user>', 'connect as this user: the application (default), admin or operator')
    .option('--json', 'print {nodes: ["address:port"], user, secret}, the secret as its reference')
    .action(
      action(io, async ({ file, as, json }: ConnectOptions): Promise<ExitCode> => {
        const { spec } = await loadSpec({ path: file, env: io.env });
        const duty = dutyOf(spec, as ?? 'app');
        const connection = {
          nodes: stayingNodes(spec).map(({ address, port }) => ({ address, port })),
          user: userName(spec, duty),
          secret: spec.secrets[duty].current,
        };
        if (json === true) {
          const nodes = connection.nodes.map(({ address, port }) => `${address}:${port}`);
          io.out(JSON.stringify({ ...connection, nodes }));
          return EXIT.done;
        }
        for (const { client, lines } of connectSnippets(connection)) {
          io.out(io.colors.bold(client));
          for (const line of lines) io.out(`  ${line}`);
        }
        return EXIT.done;
      }),
    );
};

/** A user may be named by its duty or by its name in Redis. */
function dutyOf(spec: ClusterSpec, wanted: string): Duty {
  const duty = DUTIES.find((candidate) => candidate === wanted || userName(spec, candidate) === wanted);
  if (duty !== undefined) return duty;
  throw new ForgeError('BadSpec', {
    what: `The cluster ${spec.name} has no user ${wanted} that a client could connect as.`,
    left: 'Nothing was changed.',
    next: `Give one of ${DUTIES.map((candidate) => userName(spec, candidate)).join(', ')} to --as.`,
  });
}
