import { loadSpec } from '../../config/load.js';
import { ForgeError } from '../../domain/errors.js';
import { EXIT, type ExitCode } from '../exit.js';
import { action, type Verb } from '../io.js';

interface DoctorOptions {
  readonly file?: string;
  readonly clean?: true;
  readonly yes?: true;
  readonly json?: true;
  readonly sudoers?: true;
  readonly helper?: true;
}

export const doctorVerb: Verb = (program, io) => {
  program
    .command('doctor')
    .description(
      'what crashed operations left, what Temporal lacks, and what to do (exit 0: nothing to do, 1: something, 4: nobody can be asked)',
    )
    .option('-f, --file <spec>', 'the spec of the cluster; without it only Temporal is looked at')
    .option('--clean', 'take away what ended operations left: shows it first and asks')
    .option('-y, --yes', 'with --clean: do not ask')
    .option('--json', 'print {healthy, temporal, findings}')
    .option('--sudoers', 'print the sudo rule for each host that is entered by sudo, and how to begin there')
    .option('--helper', 'print the host helper, the one program that the rule names')
    .action(
      action(io, async (options: DoctorOptions): Promise<ExitCode> => {
        const { file, sudoers, helper } = options;
        if (helper === true) {
          const { hostHelper } = await import('../../activities/hosts/helper.js');
          io.out(hostHelper().text.trimEnd());
          return EXIT.done;
        }
        if (sudoers === true) {
          if (file === undefined) throw noSpec();
          const { sudoersText } = await import('../sudoers.js');
          const { spec } = await loadSpec({ path: file, env: io.env });
          const lines = sudoersText(spec);
          for (const line of lines) io.out(line);
          if (lines.length === 0) io.err(`No host of ${spec.name} is entered by sudo (ssh.sudo).`);
          return EXIT.done;
        }
        const { examine } = await import('../doctor/examine.js');
        return examine(io, options);
      }),
    );
};

function noSpec(): ForgeError {
  return new ForgeError('BadSpec', {
    what: 'doctor --sudoers was not told which hosts.',
    left: '',
    next: 'Say -f SPEC.',
  });
}
