import { endOnBrokenOutput, outputIsBroken } from './broken-output.ts';
import { exitCodeOfSignal, listenToSignals } from './cancel.ts';
import { disableIncrementalMarking } from './disable-incremental-marking.ts';
import { reportUnknownOptionsFirst } from './options/unknown.ts';
import { createProgram } from './program.ts';
import { reportError } from './report-error.ts';
import { traced } from './traced.ts';
import { reportUnfinishedExit } from './unfinished-exit.ts';

/** How long anything that a failed command left running may take to end: usually milliseconds. */
const EXIT_GRACE_MS = 5_000;
/** The same for a command that a signal has stopped: it has had its time to clean up. */
const STOPPED_GRACE_MS = 500;

listenToSignals();
const [command = ''] = process.argv.slice(2);
// Before anything is loaded: V8 must not be marking when the flag is set.
if (command === 'prune' || command === 'worker') disableIncrementalMarking();

endOnBrokenOutput(reportError);
const done = reportUnfinishedExit();
try {
  await traced(command, async () => {
    const program = await createProgram(command);
    program.commands.forEach(reportUnknownOptionsFirst);
    await program.parseAsync();
  });
} catch (error) {
  // Where the output is broken, the exit code is set already.
  if (!outputIsBroken()) process.exitCode = reportError(error);
  // What a plug-in has left running must not keep the command alive.
  const grace = exitCodeOfSignal() === undefined ? EXIT_GRACE_MS : STOPPED_GRACE_MS;
  setTimeout(() => process.exit(), grace).unref();
} finally {
  done();
}
