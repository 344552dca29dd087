import type { QuantizedBits } from '@esparse/kernels';

/** Parts of the largest weight that scales of few bits are tried with: clipping it can make the others more exact. */
const SHRINKS = {
  4: [1, 0.967, 0.933, 0.9, 0.867, 0.833, 0.8],
  3: [1, 0.95, 0.9, 0.85, 0.8, 0.75, 0.7, 0.65, 0.6],
} as const;
/** The least normal bf16: the scale of weights that are all zero, or hardly more. */
const LEAST_SCALE = 2 ** -126;

/** 1.5 * 2^52: adding it rounds an f64 to a whole number. */
const ROUND = 6755399441055744;

interface IntegerRange {
  readonly least: number;
  readonly most: number;
}

/** The range of integers of so many bits. */
export const INTEGER_RANGE: Readonly<Record<QuantizedBits, IntegerRange>> = {
  3: { least: -4, most: 3 },
  4: { least: -8, most: 7 },
  8: { least: -127, most: 127 },
};

/**
 * The scale for some weights: of 8 bits the largest magnitude over 127; of fewer, whose range is not symmetric, that of some,
 * of either sign, which makes the squared error least.
 *
 * @param weights finite
 * @returns a finite bf16 that is not zero
 */
export function scaleFor(weights: Float32Array, bits: QuantizedBits): number {
  let extreme = 0;
  for (const weight of weights) if (Math.abs(weight) > Math.abs(extreme)) extreme = weight;
  if (bits === 8) return bf16(Math.abs(extreme) / INTEGER_RANGE[8].most);
  const range = INTEGER_RANGE[bits];
  let [best, least] = [bf16(extreme / range.least), Infinity];
  for (const shrink of SHRINKS[bits]) {
    for (const sign of [-1, 1]) {
      const scale = bf16((sign * extreme * shrink) / -range.least);
      const error = squaredError(weights, scale, range);
      if (error < least) [best, least] = [scale, error];
    }
  }
  return best;
}

/** The integer that comes nearest to a weight, over its scale, within the range. */
export function integerFor(weight: number, scale: number, bits: QuantizedBits): number {
  const { least, most } = INTEGER_RANGE[bits];
  const nearest = Math.round(weight / scale);
  return nearest < least ? least : nearest > most ? most : nearest;
}

/** It is asked for fourteen scales or more of every span, so that nothing in its loop is called or divided. */
function squaredError(weights: Float32Array, scale: number, { least, most }: IntegerRange): number {
  const inverse = 1 / scale;
  let sum = 0;
  for (let i = 0; i < weights.length; i++) {
    const weight = weights[i]!;
    let nearest = weight * inverse + ROUND - ROUND;
    if (nearest < least) nearest = least;
    else if (nearest > most) nearest = most;
    const error = weight - scale * nearest;
    sum += error * error;
  }
  return sum;
}

const value = new Float32Array(1);
const word = new Uint32Array(value.buffer);

/** The nearest bf16 that is not zero and not subnormal. */
function bf16(scale: number): number {
  value[0] = scale;
  word[0] = (word[0]! + 0x7fff + ((word[0]! >>> 16) & 1)) & 0xffff0000;
  if (Math.abs(value[0]) >= LEAST_SCALE) return value[0];
  return LEAST_SCALE;
}

/** A bf16 as its bits. */
export function bf16Bits(scale: number): number {
  value[0] = scale;
  return word[0]! >>> 16;
}
