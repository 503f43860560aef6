import { loadSpec } from '../../config/load.js';
import { replaceHost } from '../../domain/scaling.js';
import type { ExitCode } from '../exit.js';
import { parseInitHost } from '../init-draft.js';
import { action, type CliIo, type Verb } from '../io.js';
import { newHosts, possible, reshape } from '../reshape.js';
import type { OperationOptions } from '../run-operation.js';
import { reshapeOptions, specOptions } from './operation-options.js';

interface ReplaceOptions extends OperationOptions {
  readonly file: string;
  readonly with: string;
  readonly drain?: true;
}

export const replaceVerb: Verb = (program, io) => {
  specOptions(
    reshapeOptions(
      program.command('replace').description('put another host in the place of one that is dead, and prove it'),
    ),
  )
    .argument('<host>', 'the host that goes, by its name in the spec')
    .requiredOption(
      '--with <user@host[:port]>',
      'the new host; ,zone=Z (default: that of the one that goes), ,address=IP, ,name=N and ,root=FOLDER where they differ',
    )
    .option('--drain', 'the host still answers: its nodes give their slots away first')
    .action(action(io, (host: string, options: ReplaceOptions) => replace(io, host, options)));
};

async function replace(io: CliIo, host: string, options: ReplaceOptions): Promise<ExitCode> {
  const loaded = await loadSpec({ path: options.file, env: io.env });
  const { spec } = loaded;
  const old = spec.hosts.find(({ name }) => name === host);
  const zone = old === undefined ? {} : { zone: old.zone };
  const by = parseInitHost({ text: options.with, position: spec.hosts.length, option: '--with', ...zone });
  const leaving = options.drain === true ? 'drain' : 'lost';
  const login = { user: by.user, host: by.host, port: by.port, hostKey: null };
  const { name, address } = by;
  possible(replaceHost({ spec, host, by: { name, zone: by.zone, address: address ?? by.host, login }, leaving }));
  const ports = old?.nodes.map(({ port }) => port) ?? [];
  const [shown] = await newHosts(io, { spec, hosts: [by], ports, yes: options.yes === true });
  if (shown === undefined) throw new Error('newHosts gives as many as it got');
  return reshape({ io, kind: 'replace', loaded, options, reshaped: replaceHost({ spec, host, by: shown, leaving }) });
}
