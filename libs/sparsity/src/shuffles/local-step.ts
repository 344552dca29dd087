import { availableParallelism } from 'node:os';
import { MAX_BLOCK, swapSearch } from '@esparse/kernels';
import type { Pattern } from '../pattern.ts';
import { swapSearchBytes, swapSearchOn } from './device/swap-search.ts';
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
  bytes({ rows, cols, pattern }) {
    const threads = Math.min(Math.ceil(cols / blockSize(pattern)), availableParallelism());
    return threads * (4 * PANEL_COLS * rows + THREAD_BYTES);
  },
  deviceBytes: (linear) => swapSearchBytes(linear, linear.pattern.group),
};

function blockSize({ group }: Pattern): number {
  return MAX_BLOCK - (MAX_BLOCK % group);
}
