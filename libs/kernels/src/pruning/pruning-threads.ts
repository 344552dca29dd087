import { addon } from '../addon.ts';

/**
 * How many threads work on the kernels of pruning (statistics, scores, masks, packing), in the whole process: plug-ins
 * call these kernels as plain functions, so there is no object that could hold the number. The first such kernel starts
 * the threads; calls after it are ignored.
 *
 * @default the number of processors
 */
export function setPruningThreads(threads: number): void {
  addon()?.setJobThreads({ threads });
}
