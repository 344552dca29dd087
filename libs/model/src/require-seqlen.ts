import { EsparseError } from '@esparse/errors';
import type { ModelDescription } from './description.ts';
import { MAX_SEQLEN } from './limits.ts';

/** @throws EsparseError 'usage' where the model has no positions for a sequence of that length */
export function requireSeqlen({ family, maxPositions }: ModelDescription, seqlen: number): void {
  if (!Number.isInteger(seqlen) || seqlen < 1) {
    throw new EsparseError('usage', `seqlen ${seqlen} is not a whole number above 0`);
  }
  const most = Math.min(maxPositions, MAX_SEQLEN);
  if (seqlen > most) {
    throw new EsparseError(
      'usage',
      `seqlen ${seqlen} exceeds ${most}, the longest sequence of this ${family} model`,
      {
        hint: `choose a seqlen of at most ${most}`,
      },
    );
  }
}
