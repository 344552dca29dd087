import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { EsparseError } from '@esparse/errors';
import { ownScript } from '../own-command.ts';

/**
 * Runs `esparse COMMAND … --json` as a process of its own, and gives what its last line says. What it writes to standard
 * error is shown.
 *
 * @throws EsparseError 'internal' where the command fails
 */
export async function runCommand(
  command: string,
  args: readonly string[],
  signal: AbortSignal,
): Promise<unknown> {
  const child = spawn(process.execPath, [ownScript(), command, ...args, '--json'], {
    stdio: ['ignore', 'pipe', 'inherit'],
    signal,
  });
  const exited = once(child, 'exit') as Promise<[code: number | null]>;
  const [output, [code]] = await Promise.all([text(child.stdout), exited]);
  if (code !== 0) {
    throw new EsparseError('internal', `esparse ${command} ended with exit code ${code ?? 'none'}`, {
      hint: 'what it wrote above says why',
    });
  }
  return JSON.parse(output.trim().split('\n').at(-1)!);
}
