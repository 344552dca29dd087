import { addon } from '../addon.ts';

/** Numbers of an exact sum: its whole part, then what is left in units of `EXACT_SUM_PART`. */
export const EXACT_SUM_DIGITS = 2;
/** The unit of the second number. What an addend has below it is rounded away, by a rule that sees that addend alone. */
export const EXACT_SUM_PART = 2 ** -40;
/** Addends must be smaller than this, */
export const EXACT_SUM_LIMIT = 2 ** 40;
/** and no more than so many: both numbers then stay whole numbers below 2^53, which f64 adds without error. */
export const EXACT_SUM_MAX_ADDENDS = 2 ** 13;

// Its addition and subtraction rounds to a whole number.
const ROUND = 1.5 * 2 ** 52;

/**
 * Adds f32 matrices to sums, exactly and so in any order.
 *
 * @param sums f64 (2, length): the whole numbers, then the rest in units of `EXACT_SUM_PART`
 * @param addends f32 (count, length): all below `EXACT_SUM_LIMIT` in size, which is not checked. Calls on the same sums
 *   must not overlap.
 */
export async function addExactly(sums: Float64Array, addends: Float32Array, count: number): Promise<void> {
  const native = addon();
  if (native === null) addExactlyReference(sums, addends, count);
  else await native.addExactly({ sums, addends, count });
}

/** The readable version of `addExactly`: the same bits. */
export function addExactlyReference(sums: Float64Array, addends: Float32Array, count: number): void {
  const length = sums.length / EXACT_SUM_DIGITS;
  for (let a = 0; a < count; a++) {
    for (let i = 0; i < length; i++) {
      const value = addends[a * length + i]!;
      const rounded = value + ROUND - ROUND;
      sums[i]! += rounded;
      sums[length + i]! += (value - rounded) / EXACT_SUM_PART + ROUND - ROUND;
    }
  }
}
