import { EsparseError } from '@esparse/errors';
import {
  canonicalOrder,
  formatPattern,
  isPermutation,
  type ShuffleResult,
  type StageResult,
} from '@esparse/sparsity';
import type { LoadedLinear, MaskedLinear } from './linear.ts';
import { arrayOf, fieldsOf, halfMatrix } from './plugin-values.ts';

/** Scores must be (rows, cols) f32, finite and not negative. */
export function checkScores({ rows, cols }: LoadedLinear, scores: unknown): Float32Array {
  const checked = arrayOf('scores', 'Float32Array', scores, rows * cols) as Float32Array;
  for (let i = 0; i < checked.length; i++) {
    const score = checked[i]!;
    if (score >= 0 && score < Infinity) continue;
    throw new EsparseError(
      'numeric',
      `the score of row ${Math.floor(i / cols)}, channel ${i % cols} is ${score}, expected a finite number from 0`,
    );
  }
  return checked;
}

/** An order must be a permutation; within each group it is brought into its canonical form. */
export function checkOrder({ cols, pattern }: LoadedLinear, found: unknown): ShuffleResult {
  const { permutation, keptBefore, keptAfter } = fieldsOf(found, ['permutation', 'keptBefore', 'keptAfter']);
  const order = arrayOf('permutation', 'Int32Array', permutation, cols) as Int32Array;
  if (!isPermutation(order, cols))
    throw new EsparseError('usage', `its order does not name each of the ${cols} channels once`);
  if (!Number.isFinite(keptBefore) || !Number.isFinite(keptAfter))
    throw new EsparseError('usage', 'keptBefore and keptAfter are not both finite numbers');
  return {
    permutation: canonicalOrder(order, pattern.group),
    keptBefore: Number(keptBefore),
    keptAfter: Number(keptAfter),
  };
}

/** Weights must be finite, and a mask one of the pattern. */
export function checkStage(linear: MaskedLinear, found: unknown): StageResult {
  const { weights, mask } = fieldsOf(found, ['weights', 'mask']);
  return {
    ...(weights === undefined ? {} : { weights: halfMatrix('weights', linear, weights) }),
    ...(mask === undefined ? {} : { mask: checkMask(linear, mask) }),
  };
}

function checkMask({ rows, cols, pattern }: MaskedLinear, mask: unknown): Uint8Array {
  const { keep, group } = pattern;
  const rowBytes = Math.ceil(cols / 8);
  const checked = arrayOf('mask', 'Uint8Array', mask, rows * rowBytes) as Uint8Array;
  for (let r = 0; r < rows; r++) {
    for (let first = 0; first < cols; first += group) {
      let kept = 0;
      for (let i = first; i < first + group; i++) kept += (checked[r * rowBytes + (i >> 3)]! >> (i & 7)) & 1;
      if (kept === keep) continue;
      throw new EsparseError(
        'usage',
        `its mask is not ${formatPattern(pattern)}: row ${r} keeps ${kept} of the positions ${first} to ${first + group - 1}`,
      );
    }
  }
  return checked;
}
