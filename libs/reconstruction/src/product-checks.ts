import { EsparseError } from '@esparse/errors';
import { EXACT_SUM_LIMIT, EXACT_SUM_MAX_ADDENDS } from '@esparse/kernels';
import type { RowPair } from './open-sequence.ts';
import type { ProductState } from './product-sums.ts';
import type { TileShape } from './tile-sums.ts';

/** Rows of a sequence and of a tile at most: bounds what waits. */
export const MAX_ROWS = 2 ** 15;

/** Refuses a sequence of too many rows. */
export function checkRows(name: string, rows: number): void {
  if (rows <= MAX_ROWS) return;
  throw new EsparseError('unsupported', `${name}: a sequence of more than ${MAX_ROWS} rows`);
}

/**
 * The squares of a sequence's channels with those of more rows. Refuses what no sum can hold: an entry is no larger than
 * the larger one of the squares of its two channels.
 */
export function checkedSquares(
  name: string,
  { channels, squares }: ProductState,
  { left, minus: less, right }: RowPair,
  shape: TileShape,
): Float64Array[] {
  const sides: readonly { matrix: Float32Array; minus?: Float32Array | undefined }[] =
    shape === 'lower' ? [{ matrix: right }] : [{ matrix: left, minus: less }, { matrix: right }];
  return sides.map(({ matrix, minus }, side) => {
    const sums = squares[side]?.slice() ?? new Float64Array(channels);
    for (let at = 0; at < matrix.length; at += channels) {
      for (let c = 0; c < channels; c++) {
        const value = minus === undefined ? matrix[at + c]! : matrix[at + c]! - minus[at + c]!;
        sums[c] = sums[c]! + value ** 2;
      }
    }
    // NaN fails the comparison, too. Half, since a product of f32 is rounded.
    const channel = sums.findIndex((sum) => !(sum < EXACT_SUM_LIMIT / 2));
    if (channel < 0) return sums;
    throw new EsparseError(
      'numeric',
      `${name}: the squares of channel ${channel} add up to ${sums[channel]!}`,
      {
        hint: 'the model overflows on this text: check its weights and dtype, or calibrate on another text',
        context: { channel },
      },
    );
  });
}

/** The error for a device's products with a channel that no sum can hold. */
export function tooLarge(name: string, channel: number): EsparseError {
  return new EsparseError(
    'numeric',
    `${name}: the products of channel ${channel} are too large, or no numbers`,
    {
      hint: 'the model overflows on this text: check its weights and dtype, or calibrate on another text',
      context: { channel },
    },
  );
}

/** The number of sequences, refused where sums could no longer be exact. */
export function countSequences(name: string, sequences: number): number {
  if (sequences <= EXACT_SUM_MAX_ADDENDS) return sequences;
  throw new EsparseError('unsupported', `${name}: more than ${EXACT_SUM_MAX_ADDENDS} sequences`, {
    hint: 'calibrate on fewer samples',
  });
}

/** Refuses to read or merge a state in the middle of a sequence. */
export function requireEnded(name: string, { open }: ProductState): void {
  if (open) throw new EsparseError('internal', `${name}: a sequence has not ended`);
}

/** Sums that the processor made outweigh most streams of activations, so they are not sent. */
export function noBytes(name: string): never {
  throw new EsparseError('unsupported', `${name}: its sums are not sent from one process to another`, {
    hint: 'leave out --combine worker with this pipeline',
  });
}
