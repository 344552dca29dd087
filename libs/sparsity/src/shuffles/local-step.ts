import { availableParallelism } from 'node:os';
import { EsparseError } from '@esparse/errors';
import { MAX_BLOCK, MAX_SWAPS_PER_CHANNEL, SWAP_TOLERANCE, swapSearch } from '@esparse/kernels';
import type { Pattern } from '../pattern.ts';
import { keptScoreOn } from './device/scores.ts';
import { searchSwaps, swapSearchBytes, swapSearchOn } from './device/swap-search.ts';
import type { ShuffleStep } from './internals.ts';

/** f32 values of a row in the panel that a thread copies a block into, and what else the thread takes. */
const PANEL_COLS = 272;
const THREAD_BYTES = 2 ** 19;

/** Local block shuffle: swaps within blocks of the largest multiple of the group up to 256 positions. */
export const localStep: ShuffleStep = {
  async run({ scores, rows, cols }, pattern, order, signal, device) {
    const { keep, group } = pattern;
    const size = blockSize(pattern);
    const elsewhere = device && swapSearchOn(device);
    return (await swapSearch(scores, rows, cols, order, keep, group, size, signal, elsewhere)).permutation;
  },
  async runOn(scores, pattern, order, signal) {
    const blockWidth = blockSize(pattern);
    const out = order.slice();
    await searchSwaps(
      scores,
      {
        ...{
          ...pattern,
          rows: scores.rows,
          cols: scores.cols,
          permutation: order,
          out,
          blockSize: blockWidth,
        },
        ...{ tolerance: SWAP_TOLERANCE, maxSwaps: MAX_SWAPS_PER_CHANNEL * blockWidth },
      },
      signal,
    );
    if (signal?.aborted === true) throw new EsparseError('cancelled', 'cancelled', { cause: signal.reason });
    // As `swapSearch`: gains within the rounding may add up to a loss.
    const [before, after] = [
      await keptScoreOn(scores, order, pattern),
      await keptScoreOn(scores, out, pattern),
    ];
    return after < before ? order : out;
  },
  bytes({ rows, cols, pattern }) {
    const threads = Math.min(Math.ceil(cols / blockSize(pattern)), availableParallelism());
    return threads * (4 * PANEL_COLS * rows + THREAD_BYTES);
  },
  deviceBytes: (linear) => swapSearchBytes(linear, linear.pattern.group),
};

function blockSize({ group }: Pattern): number {
  return MAX_BLOCK - (MAX_BLOCK % group);
}
