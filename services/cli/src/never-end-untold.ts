import { writeSync } from 'node:fs';
import { EXIT_BAD_INPUT } from '@esparse/errors';

/**
 * A process that ends in the middle of a command must not look as if it had done it: by `process.exit()` of a plug-in, or since
 * nothing is left that could go on.
 *
 * @returns to be called when the command is done, however it ended
 */
export function neverEndUntold(): () => void {
  const told = (code: number) => {
    if (code !== 0) return;
    writeSync(
      2,
      'error: the process was ended before the command was done\n  by process.exit() of a plug-in?\n',
    );
    process.exitCode = EXIT_BAD_INPUT;
  };
  process.on('exit', told);
  return () => process.off('exit', told);
}
