import { addon } from '../addon.ts';

/** Numbers per channel in an amplitude state: the digits of Σx², see `amplitudeUpdate`. */
export const AMPLITUDE_DIGITS = 3;
/**
 * Most rows in one tile. The two small digits of a square are at most 2^31 of their units, so this many of them
 * add up to less than 2^53: exactly, in f64.
 */
export const AMPLITUDE_MAX_ROWS = 2 ** 20;
/** Σx² of a channel must stay below this, so that its integer part is exact in f64. */
export const AMPLITUDE_LIMIT = 2 ** 53;

// The unit of each digit, and the number whose addition and subtraction rounds to a multiple of it.
const ROUND_TO_1 = 1.5 * 2 ** 52;
const MIDDLE = 2 ** -32;
const ROUND_TO_MIDDLE = ROUND_TO_1 * MIDDLE;
const SMALL = 2 ** -64;
const ROUND_TO_SMALL = ROUND_TO_1 * SMALL;

/**
 * Adds Σx² of a tile to `state`, exactly and so in any order: the same bits whichever way rows are split, merged
 * or shuffled.
 *
 * The square of an f32 is exact in f64. It is cut into three digits, multiples of 1, 2^-32 and 2^-64 (what is
 * left below 2^-65 is dropped, by a rule that sees that one value only), and each digit is summed as an integer.
 *
 * @param state f64 (3, channels): the integer part of Σx², then the digit in [0, 1), then the one in [0, 2^-32).
 * @param tile f32 (rows, channels), row-major; at most `AMPLITUDE_MAX_ROWS` rows.
 * @returns -1, or the first channel that holds NaN or infinity or whose sum reaches `AMPLITUDE_LIMIT`: `state` is
 *   then unchanged. Calls on the same state must not overlap.
 */
export async function amplitudeUpdate(
  state: Float64Array,
  tile: Float32Array,
  rows: number,
  channels: number,
): Promise<number> {
  if (rows === 0 || channels === 0) return -1;
  if (rows > AMPLITUDE_MAX_ROWS) throw new RangeError(`${rows} rows in one tile: cut it up`);
  const native = addon();
  if (native === null) return amplitudeUpdateReference(state, tile, rows, channels);
  return native.amplitudeUpdate({ state, tile, rows, channels });
}

/** The readable version of `amplitudeUpdate`: the same bits. */
export function amplitudeUpdateReference(
  state: Float64Array,
  tile: Float32Array,
  rows: number,
  channels: number,
): number {
  const sums = new Float64Array(AMPLITUDE_DIGITS * channels);
  for (let row = 0; row < rows; row++) {
    for (let c = 0; c < channels; c++) {
      const x = tile[row * channels + c]!;
      const square = x * x;
      const large = square + ROUND_TO_1 - ROUND_TO_1;
      const rest = square - large;
      const middle = rest + ROUND_TO_MIDDLE - ROUND_TO_MIDDLE;
      const small = rest - middle + ROUND_TO_SMALL - ROUND_TO_SMALL;
      sums[c]! += large;
      sums[channels + c]! += middle;
      sums[2 * channels + c]! += small;
    }
  }
  return amplitudeMerge(state, sums);
}

/**
 * Adds the digits `from` to `into` (both f64 (3, channels)) and carries, so that equal sums have equal digits.
 *
 * @returns -1, or the first channel whose sum is not finite or reaches `AMPLITUDE_LIMIT`: `into` is then unchanged.
 */
export function amplitudeMerge(into: Float64Array, from: Float64Array): number {
  const channels = into.length / AMPLITUDE_DIGITS;
  const total = new Float64Array(into.length);
  for (let c = 0; c < channels; c++) {
    const small = into[2 * channels + c]! + from[2 * channels + c]!;
    const smallCarry = Math.floor(small / MIDDLE) * MIDDLE;
    const middle = into[channels + c]! + from[channels + c]! + smallCarry;
    const middleCarry = Math.floor(middle);
    const large = into[c]! + from[c]! + middleCarry;
    // NaN and infinity fail this comparison too; sums of squares only grow, so nothing slips past it.
    if (!(large < AMPLITUDE_LIMIT)) return c;
    total[c] = large;
    total[channels + c] = middle - middleCarry;
    total[2 * channels + c] = small - smallCarry;
  }
  into.set(total);
  return -1;
}
