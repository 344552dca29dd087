/**
 * The grid of the online entropy histograms: where a value falls, and in which order the bins lie.
 *
 * At exponent e a value x has magnitude y = |x| * 2^-e in bin widths.
 * - y >= INNER: bins of one width, index trunc(y); the sign is kept apart, so the bins mirror at zero. They live
 *   in a circular buffer of LINEAR slots: index & (LINEAR - 1), the index being k for positive values and ~k for
 *   negative ones. No two bins in use share a slot while i(max) - i(min) < LINEAR, and e is chosen for that.
 * - y < INNER: bins that halve in width from octave to octave towards zero, INNER of them in each octave, so that
 *   a channel whose range is set by a few massive outliers is still resolved where its mass lies.
 *   Below the last octave, INNER bins of equal width.
 *
 * Beside its count, a bin sums the position of its values, so that a point mass (a token's embedding, normalised,
 * is one value each time the token occurs) can be told from a spread. A position is some bits of the f32 itself:
 * no state, no scale.
 *
 * Raising e by one merges neighbouring bins exactly, everywhere: a histogram depends on its data only, never on
 * the way there.
 */

/** Slots of the uniform part: a range takes up between half and all of them. */
export const LINEAR = 2048;
/** Bins in an octave, as a power of two. */
export const MANTISSA_BITS = 4;
/** Octaves between the uniform part and the innermost bins. */
export const OCTAVES = 12;
/** Bins in an octave: also where the uniform part begins. */
export const INNER = 2 ** MANTISSA_BITS;
/** Bins of one sign below the uniform part. */
export const NEAR_ZERO = (OCTAVES + 1) * INNER;
/** Bins per channel: the uniform part, then the near-zero bins of positive and of negative values. */
export const SLOTS = LINEAR + 2 * NEAR_ZERO;
/** Lowest bits of an f32 that a position leaves out, so that 2^19 values in the widest bin add up below 2^32. */
export const POSITION_SHIFT = 6;

/** Below this exponent 2^-e times a value near 1 would leave f32; channels smaller than that count as constant. */
const MIN_EXPONENT = -100;
/** Bits of an f32 below its leading one: a bin is never narrower than the spacing at the largest magnitude. */
const FRACTION_BITS = 23;

/** Bits of a position: all that tell values in the widest bin apart. */
export const POSITION_BITS = FRACTION_BITS - MANTISSA_BITS - POSITION_SHIFT;

const word = new DataView(new ArrayBuffer(8));

/**
 * The place of the finite value `x` in the ascending order of bins at exponent `e`; ~n is the mirror image of n.
 * Zero of either sign lies in bin 0, the first positive one.
 */
export function orderOf(x: number, e: number): number {
  const fromZero = distanceOf(Math.abs(x) * 2 ** -e);
  return x < 0 ? ~fromZero : fromZero;
}

/** Where among a channel's bins the one at place `order` is kept. */
export function slotAt(order: number): number {
  const fromZero = order < 0 ? ~order : order;
  if (fromZero < NEAR_ZERO) return LINEAR + (order < 0 ? NEAR_ZERO : 0) + fromZero;
  const index = fromZero - NEAR_ZERO + INNER;
  return (order < 0 ? ~index : index) & (LINEAR - 1);
}

/** The magnitude at which the bin `fromZero` places away from zero begins, in units of 2^e. */
export function magnitudeAt(fromZero: number): number {
  if (fromZero >= NEAR_ZERO) return fromZero - NEAR_ZERO + INNER;
  const octave = Math.max((fromZero >> MANTISSA_BITS) - 1, 0);
  return (fromZero - octave * INNER) * 2 ** (octave - OCTAVES);
}

/** The position of an f32 within its octave, in [0, 2^POSITION_BITS). */
export function positionOf(x: number): number {
  word.setFloat32(0, x);
  return (word.getUint32(0) >>> POSITION_SHIFT) & (2 ** POSITION_BITS - 1);
}

/** log2 of the number of positions in the bin between two magnitudes; negative where they are too coarse. */
export function positionsBetween(near: number, far: number): number {
  return floorLog2(far - near) - floorLog2(near) + FRACTION_BITS - POSITION_SHIFT;
}

/** The exponent for a range: the smallest at which the range fits the uniform part and every bin is an f32 interval. */
export function exponentOf(min: number, max: number): number {
  const largest = Math.max(Math.abs(min), Math.abs(max));
  let e = Math.max(MIN_EXPONENT, floorLog2(largest) - FRACTION_BITS);
  while (indexOf(max, e) - indexOf(min, e) >= LINEAR) e++;
  return e;
}

/** True where each bin holds a single f32 (in the octave of the largest magnitude), because e is at its least. */
export function isFinest(min: number, max: number, e: number): boolean {
  const largest = Math.max(Math.abs(min), Math.abs(max));
  return e > MIN_EXPONENT && e === floorLog2(largest) - FRACTION_BITS;
}

/** Places away from zero of a magnitude given in units of 2^e. */
function distanceOf(y: number): number {
  if (y >= INNER) return NEAR_ZERO - INNER + Math.trunc(y);
  const fine = Math.trunc(y * 2 ** OCTAVES);
  if (fine < INNER) return fine;
  const octave = 31 - Math.clz32(fine) - MANTISSA_BITS;
  return octave * INNER + (fine >> octave);
}

/** The index of a value in the uniform part. */
function indexOf(x: number, e: number): number {
  const index = Math.trunc(Math.abs(x) * 2 ** -e);
  return x < 0 ? -1 - index : index;
}

/** floor(log2 x) of a positive f64; below the normal range, some value under -1000. */
function floorLog2(x: number): number {
  word.setFloat64(0, x);
  return ((word.getUint32(0) >>> 20) & 0x7ff) - 1023;
}
