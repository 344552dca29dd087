/** Digits of a sum: whole numbers, units of 2^-32, and units of 2^-64. */
export const DIGITS = 3;
const UNIT = 2 ** 32;

/** Terms of a sum at most: fewer than 2^21 digits below 2^32 add up to less than 2^53, exactly. */
export const MAX_TERMS = 2 ** 21 - 1;

/** The largest sum of whole numbers that an f64 holds exactly. */
const MAX_WHOLE = 2 ** 53;

/**
 * Adds a number that is not negative to a sum of three digits, each a whole number in an f64. Every digit is added
 * exactly, so the sum does not depend on the order of its terms; what is below 2^-64 of a term is cut off.
 *
 * @returns false, with the sum as it was, where it would be too large to be exact
 */
export function addExactly(sums: Float64Array, at: number, stride: number, term: number): boolean {
  const whole = Math.floor(term);
  if (!(sums[at]! + whole < MAX_WHOLE)) return false;
  const rest = (term - whole) * UNIT;
  const upper = Math.floor(rest);
  sums[at] = sums[at]! + whole;
  sums[at + stride] = sums[at + stride]! + upper;
  sums[at + 2 * stride] = sums[at + 2 * stride]! + Math.floor((rest - upper) * UNIT);
  return true;
}

/** The sum as one number, rounded once more at most for each digit. */
export function valueOf(sums: Float64Array, at: number, stride: number): number {
  return sums[at]! + (sums[at + stride]! + sums[at + 2 * stride]! / UNIT) / UNIT;
}
