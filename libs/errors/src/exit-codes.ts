import type { ErrorKind } from './error.ts';

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
/** As a shell tells of SIGPIPE: whoever read the output has gone. */
export const EXIT_BROKEN_PIPE = 141;

/** The exit code of a command that ended in an error of this kind. */
export function exitCodeOf(kind: ErrorKind): number {
  switch (kind) {
    case 'internal':
      return EXIT_FAILURE;
    case 'unavailable':
    case 'busy':
    case 'locked':
      return EXIT_TRY_AGAIN;
    case 'cancelled':
      return EXIT_CANCELLED;
    default:
      return EXIT_BAD_INPUT;
  }
}
