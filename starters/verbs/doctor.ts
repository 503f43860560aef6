import { loadSpec } from '../../config/load.js';
import { ForgeError } from '../../domain/errors.js';
import { EXIT, type ExitCode } from '../exit.js';
import { action, type Verb } from '../io.js';

interface DoctorOptions {
  readonly file?: string;
  readonly sudoers?: true;
  readonly helper?: true;
}

export const doctorVerb: Verb = (program, io) => {
  program
    .command('doctor')
    .description('what hosts need so that they can be worked on')
    .option('-f, --file <spec>', 'the spec of the cluster')
    .option('--sudoers', 'print the sudo rule for each host that is entered by sudo, and how to begin there')
    .option('--helper', 'print the host helper, the one program that the rule names')
    .action(
      action(io, async ({ file, sudoers, helper }: DoctorOptions): Promise<ExitCode> => {
        if (helper === true) {
          const { hostHelper } = await import('../../activities/hosts/helper.js');
          io.out(hostHelper().text.trimEnd());
          return EXIT.done;
        }
        if (sudoers === true && file !== undefined) {
          const { sudoersText } = await import('../sudoers.js');
          const { spec } = await loadSpec({ path: file, env: io.env });
          const lines = sudoersText(spec);
          for (const line of lines) io.out(line);
          if (lines.length === 0) io.err(`No host of ${spec.name} is entered by sudo (ssh.sudo).`);
          return EXIT.done;
        }
        throw new ForgeError('BadSpec', {
          what: 'doctor was not told what to look at.',
          left: '',
          next: 'Say --sudoers with -f SPEC, or --helper.',
        });
      }),
    );
};
