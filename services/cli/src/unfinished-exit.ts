import { writeSync } from 'node:fs';
import { EXIT_BAD_INPUT } from '@esparse/errors';

/**
 * Reports a process that ends in the middle of a command, which must not look like success: a plug-in may call
 * `process.exit()`, or nothing may be left that could go on.
 *
 * @returns a function to call when the command is done, however it ended
 */
export function reportUnfinishedExit(): () => void {
  const onExit = (code: number) => {
    if (code !== 0) return;
    writeSync(
      2,
      'error: the process was ended before the command was done\n  by process.exit() of a plug-in?\n',
    );
    process.exitCode = EXIT_BAD_INPUT;
  };
  process.on('exit', onExit);
  return () => process.off('exit', onExit);
}
