import { ropeTables, type RopeSpec } from '@esparse/model';

/** Angles (positions x headDim / 2) of a way to turn, as the kernels take them. */
export interface Turns {
  readonly cos: Float32Array;
  readonly sin: Float32Array;
}

/**
 * The kernels turn channel j of a head with channel j + headDim / 2. Where only the first `rotated` channels turn, j with
 * j + rotated / 2, rows of q and k are put into another order on the device: products of q and k do not depend on it.
 *
 * @returns which channel of a head stands at each place; undefined where that is its own
 */
export function turningOrder(headDim: number, rotated: number): number[] | undefined {
  if (rotated === headDim) return undefined;
  const half = headDim / 2;
  const pairs = rotated / 2;
  const still = (place: number) => rotated + place;
  return Array.from({ length: headDim }, (_, place) => {
    const within = place % half;
    if (within < pairs) return place < half ? within : pairs + within;
    return place < half ? still(within - pairs) : still(half - pairs + within - pairs);
  });
}

/** The same order for the rows of all heads, or for a vector of them. */
export function turningRows(order: readonly number[], heads: number): Int32Array {
  return Int32Array.from({ length: heads * order.length }, (_, row) => {
    const place = row % order.length;
    return row - place + order[place]!;
  });
}

/** The angles of a way to turn; channels that do not turn, or all of them without one, have the angle 0. */
export function turnsOf(spec: RopeSpec | undefined, headDim: number, positions: number): Turns {
  const half = headDim / 2;
  const cos = new Float32Array(positions * half).fill(1);
  const sin = new Float32Array(positions * half);
  if (spec === undefined) return { cos, sin };
  const pairs = spec.channels / 2;
  const tables = ropeTables(spec, positions);
  for (let position = 0; position < positions; position++) {
    const [from, to] = [position * pairs, position * half];
    cos.set(tables.cos.subarray(from, from + pairs), to);
    sin.set(tables.sin.subarray(from, from + pairs), to);
  }
  return { cos, sin };
}
