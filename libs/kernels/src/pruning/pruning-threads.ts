import { addon } from '../addon.ts';

/**
 * How many threads work on the kernels of pruning (statistics, scores, masks, packing). They belong to the process and
 * are started with its first such kernel: later calls change nothing.
 *
 * @default the number of processors
 */
export function setPruningThreads(threads: number): void {
  addon()?.setJobThreads({ threads });
}
