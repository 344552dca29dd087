import { collectInOneGo } from './collect-in-one-go.ts';
import { createProgram } from './program.ts';
import { reportError } from './report-error.ts';
import { traced } from './traced.ts';

const [command = ''] = process.argv.slice(2);
// Before anything is loaded: V8 must not be marking when it is told.
if (command === 'prune' || command === 'worker') collectInOneGo();

try {
  await traced(command, async () => (await createProgram(command)).parseAsync());
} catch (error) {
  process.exitCode = reportError(error);
}
