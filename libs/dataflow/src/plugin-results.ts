import { EsparseError } from '@esparse/errors';
import { areAmong, findUnsound, isScale, quantizedLayout } from '@esparse/kernels';
import {
  canonicalOrder,
  formatPattern,
  isPermutation,
  type IntegerWeights,
  type Pattern,
  type ShuffleResult,
  type StageResult,
} from '@esparse/sparsity';
import type { LoadedLinear, MaskedLinear } from './linear.ts';
import { andThen, type NowOrLater } from './now-or-later.ts';
import { arrayOf, fieldsOf, halfMatrix } from './plugin-values.ts';

/** Scores must be (rows, cols) f32, finite and not negative. */
export function checkScores({ rows, cols }: LoadedLinear, scores: unknown): NowOrLater<Float32Array> {
  const checked = arrayOf('scores', 'Float32Array', scores, rows * cols) as Float32Array;
  return andThen(findUnsound(checked), (at) => {
    if (at < 0) return checked;
    throw new EsparseError(
      'numeric',
      `the score of row ${Math.floor(at / cols)}, channel ${at % cols} is ${checked[at]!}, expected a finite number from 0`,
    );
  });
}

/** A channel's importance must be a number, of each channel. */
export function checkImportance({ cols }: LoadedLinear, importance: unknown): Float32Array {
  return arrayOf('importance', 'Float32Array', importance, cols) as Float32Array;
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
export function checkStage(linear: MaskedLinear, found: unknown): NowOrLater<StageResult> {
  const { weights, mask, integers } = fieldsOf(found, ['weights', 'mask', 'integers']);
  if (linear.integers !== undefined && (weights ?? mask ?? integers) !== undefined) {
    throw new EsparseError('usage', 'it changes survivors that a stage before it has quantized', {
      hint: 'put the stage that quantizes last',
    });
  }
  const whole = integers === undefined ? {} : { integers: checkIntegers(linear, integers) };
  const changed: NowOrLater<StageResult> =
    weights === undefined
      ? whole
      : andThen(halfMatrix('weights', linear, weights), (halves) => ({ weights: halves, ...whole }));
  if (mask === undefined) return changed;
  return andThen(changed, (others) =>
    andThen(checkMask(linear, mask), (kept) => ({ ...others, mask: kept })),
  );
}

/** Integers and scales must be of the linear's size, and the scales usable: a reader would refuse them. */
export function checkIntegers(
  { rows, cols, pattern }: Pick<MaskedLinear, 'rows' | 'cols' | 'pattern'>,
  found: unknown,
): IntegerWeights {
  const { bits, span, integers, scales } = fieldsOf(found, ['bits', 'span', 'integers', 'scales']);
  if (bits !== 3 && bits !== 4 && bits !== 8)
    throw new EsparseError('usage', `integers of ${String(bits)} bits, expected 3, 4 or 8`);
  const { spans } = quantizedLayout({ rows, cols, ...pattern, bits, span: Number(span) });
  const checked = arrayOf('scales', 'Uint16Array', scales, rows * spans) as Uint16Array;
  const at = checked.findIndex((scale) => !isScale(scale));
  if (at >= 0) {
    throw new EsparseError(
      'numeric',
      `the scale of row ${Math.floor(at / spans)}, span ${at % spans} is zero or not finite`,
    );
  }
  return {
    bits,
    span: Number(span),
    integers: arrayOf('integers', 'Int8Array', integers, rows * cols) as Int8Array,
    scales: checked,
  };
}

function checkMask(linear: MaskedLinear, mask: unknown): NowOrLater<Uint8Array> {
  const { rows, cols, pattern } = linear;
  const checked = arrayOf('mask', 'Uint8Array', mask, rows * Math.ceil(cols / 8)) as Uint8Array;
  const sound = soundBytes(pattern);
  const all = sound !== undefined && cols % 8 === 0 && areAmong(checked, sound);
  return andThen(all, (are) => {
    if (!are) requireChoices(linear, checked);
    return checked;
  });
}

/** Looks at every group. */
function requireChoices({ rows, cols, pattern }: MaskedLinear, mask: Uint8Array): void {
  const { keep, group } = pattern;
  const rowBytes = Math.ceil(cols / 8);
  for (let r = 0; r < rows; r++) {
    for (let first = 0; first < cols; first += group) {
      let kept = 0;
      for (let i = first; i < first + group; i++) kept += (mask[r * rowBytes + (i >> 3)]! >> (i & 7)) & 1;
      if (kept === keep) continue;
      throw new EsparseError(
        'usage',
        `its mask is not ${formatPattern(pattern)}: row ${r} keeps ${kept} of the positions ${first} to ${first + group - 1}`,
      );
    }
  }
}

/** Which bytes of a mask keep so many of each of their groups, as 1; undefined where a group is in no byte. */
function soundBytes({ keep, group }: Pattern): Uint8Array | undefined {
  if (8 % group !== 0) return undefined;
  return Uint8Array.from({ length: 256 }, (_, byte) => {
    const groups = Array.from({ length: 8 / group }, (__, g) => (byte >> (g * group)) & (2 ** group - 1));
    const ones = (bits: number): number => (bits === 0 ? 0 : (bits & 1) + ones(bits >> 1));
    return Number(groups.every((bits) => ones(bits) === keep));
  });
}
