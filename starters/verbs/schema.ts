import { EXIT } from '../exit.js';
import { action, type Verb } from '../io.js';

export const schemaVerb: Verb = (program, io) => {
  program
    .command('schema')
    .description('print the JSON Schema of specs, for editors (docs/spec.md says how to point one to it)')
    .action(
      action(io, async () => {
        const { specJsonSchema } = await import('../../config/json-schema.js');
        io.out(JSON.stringify(specJsonSchema(), null, 2));
        return EXIT.done;
      }),
    );
};
