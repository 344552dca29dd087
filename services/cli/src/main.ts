import { endQuietlyOnBrokenPipe, pipeIsBroken } from './broken-pipe.ts';
import { collectInOneGo } from './collect-in-one-go.ts';
import { createProgram } from './program.ts';
import { neverEndUntold } from './never-end-untold.ts';
import { reportError } from './report-error.ts';
import { traced } from './traced.ts';

/** What else is there ends in milliseconds. */
const EXIT_GRACE_MS = 5_000;

const [command = ''] = process.argv.slice(2);
// Before anything is loaded: V8 must not be marking when it is told.
if (command === 'prune' || command === 'worker') collectInOneGo();

endQuietlyOnBrokenPipe();
const done = neverEndUntold();
try {
  await traced(command, async () => (await createProgram(command)).parseAsync());
} catch (error) {
  // Where nobody reads, there is an exit code already.
  if (!pipeIsBroken()) process.exitCode = reportError(error);
  // What a plug-in has left running must not keep the command alive.
  setTimeout(() => process.exit(), EXIT_GRACE_MS).unref();
} finally {
  done();
}
