import { EXIT_BAD_INPUT, EXIT_OK, exitCodeOf, toEsparseError } from '@esparse/errors';
import { CommanderError } from 'commander';
import { exitCodeOfSignal } from './cancel.ts';

/** Prints what went wrong and what to do on standard error; gives the exit code. */
export function reportError(thrown: unknown): number {
  // Commander has printed its message already: help and version end with 0, a bad option with 2.
  if (thrown instanceof CommanderError) return thrown.exitCode === 0 ? EXIT_OK : EXIT_BAD_INPUT;
  const error = toEsparseError(thrown);
  const cancelled = error.kind === 'cancelled';
  const lines = [cancelled ? error.message : `error: ${error.message}`];
  if (error.hint !== undefined) lines.push(`  ${error.hint}`);
  const context = Object.entries(error.context).map(([key, value]) => `${key}=${value}`);
  if (context.length > 0) lines.push(`  (${context.join(', ')})`);
  if (error.kind === 'internal') lines.push(stackOf(thrown));
  process.stderr.write(`${lines.join('\n')}\n`);
  return (cancelled ? exitCodeOfSignal() : undefined) ?? exitCodeOf(error.kind);
}

/** A defect of ours comes with its stack, so that it can be reported. */
function stackOf(thrown: unknown): string {
  return thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown);
}
