import { advanceBlock } from './advance-block.ts';
import { openShards } from './open-workers.ts';
import type { RunContext } from './run-context.ts';

/** The first block that is not committed; the number of blocks where all are. */
export async function firstOpenBlock({ writer, description }: RunContext): Promise<number> {
  const committed = new Set(await writer.run.committedBlocks());
  for (let block = 0; block < description.blocks; block++) if (!committed.has(block)) return block;
  return description.blocks;
}

/**
 * Makes the hidden states before a block, from the nearest boundary that is stored whole: committed blocks are run,
 * not pruned again. On a new run that is the embedding of the tokens.
 */
export async function bringHiddenStatesTo(
  context: RunContext,
  block: number,
  signal?: AbortSignal,
): Promise<void> {
  const { writer, shards, stopwatch } = context;
  let boundary = block;
  while (boundary >= 0 && (await writer.run.hidden.shards(boundary)).length < shards.length) boundary--;
  if (boundary < 0) {
    await stopwatch.time('open', () => openShards(context, signal));
    boundary = 0;
  }
  for (; boundary < block; boundary++) await advanceBlock(context, boundary, signal);
}
