import { EsparseError } from '@esparse/errors';
import { addon } from '../addon.ts';

/** More threads than any machine gains from. */
const MAX_THREADS = 256;

/**
 * How many threads work on a call of an inference kernel, the calling one included. They belong to the process: the last
 * caller decides.
 *
 * @default the number of processors
 */
export function setComputeThreads(threads: number): void {
  if (!Number.isInteger(threads) || threads < 1 || threads > MAX_THREADS) {
    throw new EsparseError(
      'usage',
      `${threads} compute threads: a whole number from 1 to ${MAX_THREADS} was expected`,
    );
  }
  addon()?.setComputeThreads({ threads });
}

/** How many threads work on a call of an inference kernel; 1 where there is no addon. */
export function computeThreads(): number {
  return addon()?.computeThreads() ?? 1;
}
