import { EsparseError } from '@esparse/errors';
import {
  canonicalOrder,
  formatPattern,
  isPermutation,
  type ShuffleResult,
  type StageResult,
} from '@esparse/sparsity';
import type { LoadedLinear, MaskedLinear } from './linear.ts';

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
    ...(weights === undefined ? {} : { weights: checkWeights(linear, weights) }),
    ...(mask === undefined ? {} : { mask: checkMask(linear, mask) }),
  };
}

function checkWeights({ rows, cols, dtype }: MaskedLinear, weights: unknown): Uint16Array {
  const checked = arrayOf('weights', 'Uint16Array', weights, rows * cols) as Uint16Array;
  // All bits of the exponent: an infinity or no number.
  const exponent = dtype === 'bf16' ? 0x7f80 : 0x7c00;
  const at = checked.findIndex((bits) => (bits & exponent) === exponent);
  if (at < 0) return checked;
  throw new EsparseError(
    'numeric',
    `the weight of row ${Math.floor(at / cols)}, channel ${at % cols} is not finite`,
  );
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

/** Plain JavaScript may return anything. Its tag decides: `instanceof` fails across realms. */
function arrayOf(what: string, type: string, value: unknown, length: number): unknown {
  const tag = Object.prototype.toString.call(value).slice('[object '.length, -1);
  if (tag !== type) throw new EsparseError('usage', `${what}: ${tag}, expected ${type}`);
  const found = (value as Float32Array).length;
  if (found === length) return value;
  throw new EsparseError('usage', `${what} of ${found} elements, expected ${length}`);
}

/** An unknown name is a misspelt one: what it holds would be lost silently. */
function fieldsOf(value: unknown, known: readonly string[]): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null)
    throw new EsparseError('usage', `its result is ${String(value)}, expected an object`);
  const unknown = Object.keys(value).find((name) => !known.includes(name));
  if (unknown === undefined) return value as Readonly<Record<string, unknown>>;
  throw new EsparseError('usage', `its result has ${unknown}, which is none of ${known.join(', ')}`);
}
