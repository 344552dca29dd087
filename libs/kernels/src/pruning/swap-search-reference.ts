import type { PruningKernels } from './kernels.ts';
import { column, maxPlus, nthLargest } from './max-plus-reference.ts';

type SwapSearchArguments = Omit<Parameters<PruningKernels['swapSearch']>[0], 'cancel'>;

/**
 * The readable version of the native `swapSearch`, with its arguments and the same bits. Writes the new order
 * to `out` and returns the number of swaps. See native/pruning/swap_search.cc for the formulas.
 */
export function swapSearchReference(problem: SwapSearchArguments): number {
  const { scores, rows, cols, permutation, keep, group, blockSize, tolerance, maxSwaps, out } = problem;
  let swaps = 0;
  for (let first = 0; first < cols; first += blockSize) {
    const order = out.subarray(first, Math.min(first + blockSize, cols));
    order.set(permutation.subarray(first, first + order.length));
    swaps += searchBlock(scores, rows, cols, order, keep, group, tolerance, maxSwaps);
  }
  return swaps;
}

function searchBlock(
  scores: Float32Array,
  rows: number,
  cols: number,
  order: Int32Array,
  keep: number,
  group: number,
  tolerance: number,
  maxSwaps: number,
): number {
  const width = order.length;
  const channels = order.slice();
  const columns = Array.from(channels, (channel) => column(scores, rows, cols, channel));
  /** slots[p] = which of `channels` is now at position p. */
  const slots = channels.map((_, slot) => slot);
  /** d[p][b] = D for channels[b] at position p. */
  const d = Array.from({ length: width }, () => new Float64Array(width));
  const measure = (g: number) => {
    for (let p = g * group; p < (g + 1) * group; p++) {
      const others = Array.from(slots.subarray(g * group, (g + 1) * group)).filter((b) => b !== slots[p]);
      const t = nthLargest(
        others.map((b) => columns[b]!),
        rows,
        keep,
      );
      for (let b = 0; b < width; b++) d[p]![b] = maxPlus(columns[b]!, t);
    }
  };
  for (let g = 0; g < width / group; g++) measure(g);
  for (let swaps = 0; ; swaps++) {
    let [gain, p, q] = [-Infinity, 0, 0];
    const own = d.map((row, i) => row[slots[i]!]!);
    for (let i = 0; i < width; i++) {
      for (let j = (Math.floor(i / group) + 1) * group; j < width; j++) {
        const offered = d[i]![slots[j]!]! - own[i]! + (d[j]![slots[i]!]! - own[j]!);
        if (offered > gain) [gain, p, q] = [offered, i, j];
      }
    }
    if (swaps === maxSwaps || !(gain > tolerance * (own[p]! + own[q]!))) {
      order.set(slots.map((slot) => channels[slot]!));
      return swaps;
    }
    [slots[p], slots[q]] = [slots[q]!, slots[p]!];
    measure(Math.floor(p / group));
    measure(Math.floor(q / group));
  }
}
