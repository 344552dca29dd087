import type { Commit } from '@esparse/store';
import { advanceDenseAhead } from './advance-block.ts';
import { pruneBlock } from './prune-block.ts';
import type { RunContext } from './run-context.ts';

/** A block that is committed, and the dense model's pass over it where that goes on. */
export interface PrunedBesideDense {
  readonly committed: Commit;
  readonly ahead: Promise<void> | undefined;
}

/**
 * Prunes a block, beside which the dense model is run over it, once its statistics are gathered.
 *
 * @param advances - whether states are wanted behind the block
 */
export async function pruneBesideDense(
  context: RunContext,
  block: number,
  advances: boolean,
  signal?: AbortSignal,
): Promise<PrunedBesideDense> {
  const stopping = new AbortController();
  const either = signal === undefined ? stopping.signal : AbortSignal.any([signal, stopping.signal]);
  let ahead: Promise<void> | undefined;
  try {
    const committed = await pruneBlock(context, block, signal, () => {
      if (advances) ahead = advanceDenseAhead(context, block, either);
    });
    return { committed, ahead };
  } catch (error) {
    stopping.abort(error);
    throw error;
  }
}
