import { EsparseError, messageOf } from '@esparse/errors';

/** What a run has committed, as far as it is known yet. */
export interface KeptBlocks {
  blocks?: { readonly committed: number; readonly of: number };
}

/** The error of a run that was cancelled: it says what is kept, and that the same command goes on from there. */
export function cancelledRun(reason: unknown, kept: KeptBlocks): EsparseError {
  return new EsparseError('cancelled', messageOf(reason), { hint: hintOf(kept), cause: reason });
}

function hintOf({ blocks }: KeptBlocks): string {
  if (blocks === undefined) return 'what was committed before is kept: the same command goes on from there';
  const { committed, of } = blocks;
  if (committed === 0) return 'no block is committed yet: the same command begins with the first';
  if (committed === of) return `all ${of} blocks are committed: the same command finishes the run`;
  return `${committed} of ${of} blocks are committed and kept: the same command goes on after them`;
}
