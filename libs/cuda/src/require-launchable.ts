import { EsparseError } from '@esparse/errors';
import type { DeviceArgument } from '@esparse/statistics';
import type { Launch } from './arithmetic.ts';

/** The most blocks of a grid by x, y and z, and the most threads of one: of every GPU, by the CUDA programming guide. */
const MAX_GRID = [2 ** 31 - 1, 65_535, 65_535] as const;
const MAX_THREADS = 1024;

/**
 * Refuses what a GPU does not take, or would take for something else, before it is asked for: sizes are those of models, and a driver
 * says of a grid that is too large only that a value is wrong.
 *
 * @throws EsparseError 'internal' naming the kernel
 */
export function requireLaunchable(
  kernel: string,
  { grid, threads }: Launch,
  args: readonly DeviceArgument[],
): void {
  const [x, y = 1, z = 1] = grid;
  const refused = (what: string) => new EsparseError('internal', `the kernel ${kernel} is asked for ${what}`);
  if ([x, y, z].some((size, i) => !isWhole(size, 1, MAX_GRID[i]!))) {
    throw refused(`with a grid of ${x} x ${y} x ${z} blocks`);
  }
  if (!isWhole(threads, 1, MAX_THREADS)) throw refused(`with blocks of ${threads} threads`);
  for (const [i, argument] of args.entries()) {
    if ('int' in argument && !isWhole(argument.int, -(2 ** 31), 2 ** 31 - 1)) {
      throw refused(`with ${argument.int} as its argument ${i}, which has 32 bits`);
    }
  }
}

function isWhole(value: number, least: number, most: number): boolean {
  return Number.isInteger(value) && value >= least && value <= most;
}
