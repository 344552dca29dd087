import type { ErrorKind } from './error-kind.ts';

/** Success. */
export const EXIT_OK = 0;
/** A check that was asked for found something wrong (`esparse verify`), or a defect of esparse itself. */
export const EXIT_FAILURE = 1;
/** The input, the environment or an option is at fault: the message says which and what to do. */
export const EXIT_BAD_INPUT = 2;
/**
 * Nothing is wrong with what was asked for: a worker was busy or out of reach, S3 or a web server did not answer, or another
 * process writes the store. By sysexits(3), EX_TEMPFAIL.
 */
export const EXIT_TRY_AGAIN = 75;
/** Stopped by SIGINT, by the shells' convention of 128 + 2. */
export const EXIT_CANCELLED = 130;
/** Stopped by SIGTERM: 128 + 15. */
export const EXIT_TERMINATED = 143;
/** Whoever read the output has gone, by the shells' convention of 128 + SIGPIPE. */
export const EXIT_BROKEN_PIPE = 141;

const EXIT_CODES: Readonly<Record<ErrorKind, number>> = {
  usage: EXIT_BAD_INPUT,
  invalid: EXIT_BAD_INPUT,
  not_found: EXIT_BAD_INPUT,
  unauthenticated: EXIT_BAD_INPUT,
  timeout: EXIT_TRY_AGAIN,
  slow_client: EXIT_BAD_INPUT,
  checkpoint: EXIT_BAD_INPUT,
  unsupported: EXIT_BAD_INPUT,
  text: EXIT_BAD_INPUT,
  numeric: EXIT_BAD_INPUT,
  store: EXIT_BAD_INPUT,
  locked: EXIT_TRY_AGAIN,
  space: EXIT_BAD_INPUT,
  protocol: EXIT_BAD_INPUT,
  denied: EXIT_BAD_INPUT,
  unavailable: EXIT_TRY_AGAIN,
  busy: EXIT_TRY_AGAIN,
  cancelled: EXIT_CANCELLED,
  internal: EXIT_FAILURE,
};

/** The exit code of a command that ended in an error of this kind. */
export function exitCodeOf(kind: ErrorKind): number {
  return EXIT_CODES[kind];
}
