import { EsparseError } from '@esparse/errors';
import { addon } from '../addon.ts';
import { cancellable } from './cancellable.ts';
import { keptScore } from './kept-score.ts';
import { checkShuffledMatrix } from '../runtime/shuffled-matrix.ts';
import type { PruningKernels } from './kernels.ts';
import { swapSearchReference } from './swap-search-reference.ts';

/** The widest block of the local shuffle (E-Sparse, section on the local block shuffle: 256 channels). */
export const MAX_BLOCK = 256;

/**
 * A swap is made only where it gains more than this share of the two groups' D (see native/pruning/swap_search.cc).
 * Below it a gain is mostly rounding: D is a sum of f32 partial sums of 64 rows, whose typical relative error
 * is 2^-24 or less. A step within the rounding can do no harm but waste time: a swap's reverse has exactly
 * the negated gain, so no two swaps undo each other.
 */
export const SWAP_TOLERANCE = 2 ** -24;

/** Swaps per channel of a block, at most: some eight times what any matrix tried needed (0.3 to 1). */
export const MAX_SWAPS_PER_CHANNEL = 8;

/** What the search is given: it writes the new order to `out`. */
export type SwapSearchProblem = Omit<Parameters<PruningKernels['swapSearch']>[0], 'cancel'>;

/**
 * A search with the outcome of the native one, on another device; it ends soon once the signal has aborted.
 *
 * @returns the swaps made; undefined where there is no room
 */
export type SwapSearch = (problem: SwapSearchProblem, signal?: AbortSignal) => Promise<number | undefined>;

/** What `swapSearch` found. */
export interface SwapSearchResult {
  /** The new order; each block holds the channels that it held. */
  readonly permutation: Int32Array;
  /** The kept score (see `keptScore`) of the order that was given, and of the new one: never lower. */
  readonly keptBefore: number;
  readonly keptAfter: number;
  /** Swaps made, in all blocks. */
  readonly swaps: number;
}

/**
 * Local block shuffle (E-Sparse, arXiv 2310.15929): in each block of `blockSize` consecutive positions,
 * swaps the two channels of different groups whose swap raises the kept score most, until none does (by more
 * than `SWAP_TOLERANCE`). Ties go to the lowest pair of positions.
 *
 * @param scores (rows, cols), finite
 * @param permutation the order to start from (cols)
 * @param blockSize a multiple of `group`, at most 256; the last block may be shorter. Memory: a panel of
 * rows x 272 f32 and 0.5 MiB per thread
 * @param elsewhere what searches instead of the processor @default nothing
 * @throws EsparseError 'cancelled' soon after `signal` has aborted; the TypeScript reference runs to its end first
 */
export async function swapSearch(
  scores: Float32Array,
  rows: number,
  cols: number,
  permutation: Int32Array,
  keep: number,
  group: number,
  blockSize: number,
  signal?: AbortSignal,
  elsewhere?: SwapSearch,
): Promise<SwapSearchResult> {
  checkShuffledMatrix('scores', scores.length, rows, cols, permutation, keep, group);
  if (!(blockSize > 0 && blockSize <= MAX_BLOCK && blockSize % group === 0)) {
    throw new EsparseError(
      'usage',
      `a block of ${blockSize} channels: a multiple of ${group} up to ${MAX_BLOCK} was expected`,
    );
  }
  const keptBefore = await keptScore(scores, rows, cols, permutation, keep, group);
  const found = permutation.slice();
  const problem = {
    ...{ scores, rows, cols, permutation, keep, group, blockSize, out: found },
    tolerance: SWAP_TOLERANCE,
    maxSwaps: MAX_SWAPS_PER_CHANNEL * blockSize,
  };
  const swaps = await cancellable(
    signal,
    async (cancel) =>
      (await elsewhere?.(problem, signal)) ??
      addon()?.swapSearch({ ...problem, cancel }) ??
      swapSearchReference(problem),
  );
  const keptAfter = await keptScore(scores, rows, cols, found, keep, group);
  // Gains within the rounding may add up to a loss of a few units in the last place.
  if (keptAfter < keptBefore) {
    return { permutation: permutation.slice(), keptBefore, keptAfter: keptBefore, swaps: 0 };
  }
  return { permutation: found, keptBefore, keptAfter, swaps };
}
