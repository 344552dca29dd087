import { createProgram } from './program.ts';
import { reportError } from './report-error.ts';

try {
  await (await createProgram(process.argv[2])).parseAsync();
} catch (error) {
  process.exitCode = reportError(error);
}
