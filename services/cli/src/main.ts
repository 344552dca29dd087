import { createProgram } from './program.ts';
import { reportError } from './report-error.ts';
import { traced } from './traced.ts';

const [command = ''] = process.argv.slice(2);
try {
  await traced(command, async () => (await createProgram(command)).parseAsync());
} catch (error) {
  process.exitCode = reportError(error);
}
