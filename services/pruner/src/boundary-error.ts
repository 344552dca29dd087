import { relativeDifference } from './relative-difference.ts';
import type { RunContext } from './run-context.ts';

/** The shard over which figures for a report also run the dense model: one says it, and all would be another run. */
export const FIGURE_SHARD = 0;

/**
 * How much of what reaches a block is no longer what reaches it in the dense model: ‖X − X̂‖ / ‖X‖ over one shard. Undefined
 * before the first block, where both are the same, and in runs without figures.
 */
export async function boundaryError(
  { options, writer: { run } }: Pick<RunContext, 'options' | 'writer'>,
  block: number,
  signal?: AbortSignal,
): Promise<number | undefined> {
  if (options.figures !== true || block === 0) return undefined;
  const dense = await run.hiddenDense.read(block, FIGURE_SHARD, signal);
  const pruned = await run.hidden.read(block, FIGURE_SHARD, signal);
  return relativeDifference(dense.data, pruned.data);
}
