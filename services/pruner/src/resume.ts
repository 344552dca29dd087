import { EsparseError } from '@esparse/errors';
import { advanceBlock } from './advance-block.ts';
import { areStored, removeHiddenBefore } from './hidden-states.ts';
import { openShards } from './open-workers.ts';
import type { RunContext } from './run-context.ts';

/**
 * The first block that is not committed; the number of blocks where all are. What is committed is opened: a manifest
 * that is damaged, or objects that are missing or cut short, are found now and not after hours of work.
 *
 * @throws EsparseError 'store' where a committed block is damaged, or one is committed behind one that is not
 */
export async function firstOpenBlock({ writer, description }: RunContext): Promise<number> {
  const committed = await writer.run.committedBlocks();
  const first = committed.findIndex((block, index) => block !== index);
  if (first >= 0) {
    throw new EsparseError(
      'store',
      `run ${writer.run.fingerprint}: block ${committed[first]!} is committed, and block ${first} is not`,
      { hint: 'the store is damaged: restore it from a copy, or prune again into another one' },
    );
  }
  for (const block of committed) await writer.run.block(block);
  return Math.min(committed.length, description.blocks);
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
  const { stopwatch } = context;
  let boundary = block;
  while (boundary >= 0 && !(await areStored(context, boundary, signal))) boundary--;
  if (boundary < 0) {
    await stopwatch.time('open', () => openShards(context, signal));
    boundary = 0;
  }
  for (; boundary < block; boundary++) await advanceBlock(context, boundary, signal);
  await removeHiddenBefore(context, block);
}
